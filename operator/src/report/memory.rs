//! What was written last, and when: the caches run behind our own writes, and figures have a pace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::ReportConfig;
use super::apply::Apply;
use crate::status::Change;

struct Written {
    status: Value,
    at: Instant,
    /// The version that the cache had when this was written: while it still has it, the cache is behind.
    seen: String,
}

/// Writes that failed, since the last one that did not.
struct Failed {
    times: u32,
    at: Instant,
}

const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

impl Failed {
    fn is_over(&self) -> bool {
        self.at.elapsed() >= (FIRST_RETRY * 2_u32.saturating_pow(self.times.min(16))).min(LONGEST_RETRY)
    }
}

/// The last write of each object, by uid.
#[derive(Default)]
pub(super) struct Memory {
    written: BTreeMap<String, Written>,
    failed: BTreeMap<String, Failed>,
}

impl Memory {
    /// What was written last, where the cache cannot know it yet.
    pub(super) fn status(&self, uid: &str, seen: &str) -> Option<&Value> {
        self.written.get(uid).filter(|written| written.seen == seen).map(|written| &written.status)
    }

    /// Whether a planned status is to be written now.
    pub(super) fn is_due(&self, apply: &Apply, config: &ReportConfig, last: bool) -> bool {
        if self.failed.get(&apply.uid).is_some_and(|failed| !failed.is_over()) && !last {
            return false;
        }
        let since = self.written.get(&apply.uid).map(|written| written.at.elapsed());
        let passed = |pause| since.is_none_or(|since| since >= pause);
        match apply.change {
            Change::None => false,
            _ if last => true,
            Change::Condition => true,
            Change::Figures => passed(config.figures),
            Change::Small => passed(config.small),
        }
    }

    pub(super) fn wrote(&mut self, apply: &Apply) {
        let written = Written { status: apply.status.clone(), at: Instant::now(), seen: apply.seen.clone() };
        self.written.insert(apply.uid.clone(), written);
        self.failed.remove(&apply.uid);
    }

    /// A status that the API server does not take must not be offered to it all the time.
    pub(super) fn failed(&mut self, apply: &Apply) {
        let failed = self.failed.entry(apply.uid.clone()).or_insert(Failed { times: 0, at: Instant::now() });
        *failed = Failed { times: failed.times.saturating_add(1), at: Instant::now() };
    }

    /// Forgets objects that are gone.
    pub(super) fn keep(&mut self, planned: &[Apply]) {
        let alive: BTreeSet<_> = planned.iter().map(|apply| apply.uid.as_str()).collect();
        self.written.retain(|uid, _| alive.contains(uid.as_str()));
        self.failed.retain(|uid, _| alive.contains(uid.as_str()));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
