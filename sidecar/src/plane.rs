//! What a request sees of the world: the immutable snapshot, and beside each part of it the live part with its name.
//!
//! A new plane is built whole on the control thread and swapped in; live parts (health, rights, counters, shadow
//! prices) are looked up by their stable names and carry over. A request keeps the plane it started with.

pub(crate) mod build;
pub(crate) mod live;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderName, HeaderValue, Uri};
use jiff::Timestamp;
use pointsman_config::provider::Timeouts;
use pointsman_core::account::LimitLive;
use pointsman_core::health::HealthRow;
use pointsman_core::lengths::Expected;
use pointsman_core::measured::Measured;
use pointsman_core::snapshot::{Snapshot, Target};
use pointsman_core::time::Millis;
use smallvec::SmallVec;

use self::live::{PolicyLive, TargetLive};
use crate::pool::{Origin, OriginId};
use crate::scoring::ScorerPart;
use crate::usage::CallCounters;

/// The world of one request. Its lists run parallel to those of the snapshot.
pub(crate) struct Plane {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) policies: Vec<PolicyPart>,
    pub(crate) providers: Vec<ProviderPart>,
    pub(crate) targets: Vec<TargetPart>,
    pub(crate) limits: Vec<LimitPart>,
}

/// What stands beside a policy.
pub(crate) struct PolicyPart {
    pub(crate) live: Arc<PolicyLive>,
    /// `namespace/name`, as a header.
    pub(crate) label: HeaderValue,
    /// Parallel to the policy's candidates.
    pub(crate) candidates: Vec<CandidatePart>,
    pub(crate) scorer: ScorerPart,
}

/// What stands beside a candidate.
pub(crate) struct CandidatePart {
    /// The limits that count it, in the order of the snapshot.
    pub(crate) limits: SmallVec<[Arc<LimitLive>; 4]>,
    pub(crate) counters: Arc<CallCounters>,
    /// Calls that were spread over the providers of its model; counted at the model's first candidate.
    pub(crate) turns: AtomicU64,
}

/// How a provider is reached.
pub(crate) struct ProviderPart {
    pub(crate) origin: Arc<Origin>,
    pub(crate) origin_id: OriginId,
    pub(crate) chat: Uri,
    pub(crate) host: HeaderValue,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) key: Key,
    pub(crate) timeouts: Timeouts,
}

/// The key that goes along.
pub(crate) enum Key {
    /// The provider wants none.
    NotNeeded,
    /// It wants one that this process does not hold (yet).
    Missing,
    /// As the whole value of `authorization`, marked sensitive.
    Bearer(HeaderValue),
}

/// What stands beside a target.
pub(crate) struct TargetPart {
    pub(crate) live: Arc<TargetLive>,
    pub(crate) model: HeaderValue,
    pub(crate) provider: HeaderValue,
}

/// What stands beside a limit: its present window.
pub(crate) struct LimitPart {
    /// The budget's name, as headers say it.
    pub(crate) budget: String,
    pub(crate) live: Arc<LimitLive>,
    /// When the window ends; none for a limit that never resets.
    pub(crate) ends: Option<Timestamp>,
    /// The same in the limit's own zone: `2026-11-22T00:00:00+01:00`.
    pub(crate) resets: Option<String>,
    /// Less than so much of the granted rights left: time to ask for more.
    pub(crate) enough: u64,
    /// Rights that a crash lost in this window; they count as spent.
    pub(crate) burned: u64,
    /// The header that callers were told last.
    pub(crate) told: Told,
}

/// A budget's header, kept because it changes once per percent, and is told with every answer.
#[derive(Default)]
pub(crate) struct Told(Mutex<Option<(&'static str, u64, HeaderValue)>>);

impl Told {
    /// The header for a state and a percentage, written only where it differs from the last one.
    pub(crate) fn once(
        &self,
        state: &'static str,
        used: u64,
        write: impl FnOnce() -> HeaderValue,
    ) -> HeaderValue {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((as_state, at, header)) if *as_state == state && *at == used => header.clone(),
            _ => last.insert((state, used, write())).2.clone(),
        }
    }
}

impl Plane {
    /// How a target stands now.
    pub(crate) fn health(&self, target: usize, now: Millis) -> HealthRow {
        self.targets[target].live.health().row(now)
    }

    /// What an ordinary call of a target uses.
    pub(crate) fn expected(&self, target: usize) -> Expected {
        let prior = &self.snapshot.targets[target].model.prior;
        self.targets[target].live.learned().expected(prior)
    }

    /// How a target has answered of late.
    pub(crate) fn measured(&self, target: usize, now: Millis) -> Measured {
        self.targets[target].live.track().measured(now)
    }

    /// How many calls a policy has spread over the providers of a model, by the model's first candidate.
    pub(crate) fn turn(&self, policy: usize, lead: usize) -> u64 {
        self.policies[policy].candidates[lead].turns.load(Relaxed)
    }

    /// Counts one more.
    pub(crate) fn take_turn(&self, policy: usize, pick: usize) {
        let lead = self.snapshot.policies[policy].candidates[pick].lead;
        self.policies[policy].candidates[lead].turns.fetch_add(1, Relaxed);
    }

    /// What is left of a limit.
    pub(crate) fn room(&self, limit: usize) -> Option<u64> {
        self.limits[limit].live.room()
    }

    /// A target with everything beside it.
    pub(crate) fn target(&self, target: usize) -> (&Target, &TargetPart, &ProviderPart) {
        let known = &self.snapshot.targets[target];
        (known, &self.targets[target], &self.providers[known.provider])
    }
}
