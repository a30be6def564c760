//! What was written last, and when: the caches run behind our own writes, and figures have a pace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

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

/// The last write of each object, by uid.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<String, Written>);

impl Memory {
    /// What was written last, where the cache cannot know it yet.
    pub(super) fn status(&self, uid: &str, seen: &str) -> Option<&Value> {
        self.0.get(uid).filter(|written| written.seen == seen).map(|written| &written.status)
    }

    /// Whether a planned status is to be written now.
    pub(super) fn is_due(&self, apply: &Apply, config: &ReportConfig, last: bool) -> bool {
        let since = self.0.get(&apply.uid).map(|written| written.at.elapsed());
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
        self.0.insert(apply.uid.clone(), written);
    }

    /// Forgets objects that are gone.
    pub(super) fn keep(&mut self, planned: &[Apply]) {
        let alive: BTreeSet<_> = planned.iter().map(|apply| apply.uid.as_str()).collect();
        self.0.retain(|uid, _| alive.contains(uid.as_str()));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
