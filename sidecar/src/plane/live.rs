//! The parts that live longer than a snapshot.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pointsman_config::entry::Name;
use pointsman_config::money::Nano;
use pointsman_core::dual::Offer;
use pointsman_core::guard::Guard;
use pointsman_core::health::Health;
use pointsman_core::lengths::Learned;
use pointsman_core::measured::Track;
use pointsman_core::shadow::ShadowPrice;
use pointsman_core::snapshot::TargetKey;

use crate::telemetry::TargetMetrics;
use crate::usage::CallCounters;

/// A report carries at most so many choices of a policy, and so many candidates of each: some kilobytes.
const SAMPLE_AT_MOST: usize = 32;
const OFFERS_AT_MOST: usize = 16;
/// Neighbours in time resemble each other; every fourth says as much.
const SAMPLED_ONE_IN: u64 = 4;

/// A target's health, what its calls use, how it has answered of late, and its metrics.
pub(crate) struct TargetLive {
    health: Mutex<Health>,
    learned: Mutex<Learned>,
    track: Mutex<Track>,
    pub(crate) metrics: TargetMetrics,
}

/// A policy's shadow price and refusals.
#[derive(Default)]
pub(crate) struct PolicyLive {
    /// None until the first decision that needs it.
    price: Mutex<Option<ShadowPrice>>,
    /// What one call may cost on average, in nano-USD; zero where nothing is aimed at.
    target: AtomicU64,
    /// Whether the price is solved over many pods: then it is not moved here.
    steered: AtomicBool,
    /// Calls whose model was chosen.
    pub(crate) chosen: AtomicU64,
    /// What its calls were charged since the present window of its spend target began, in nano-USD.
    pub(crate) spent: AtomicU64,
    /// What the operator has last said.
    plan: Mutex<Option<Plan>>,
    sample: Mutex<Sample>,
    /// What feedback says of the policy's scorer.
    guard: Mutex<Guard>,
    pub(crate) refused: AtomicU64,
}

/// What the operator plans for a policy over all its pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    /// What one call may cost on average.
    pub(crate) target: Nano,
    /// The price that was solved; none while too little is known.
    pub(crate) lambda: Option<f64>,
    /// When it came.
    pub(crate) at: Instant,
}

/// The last choices, for solving one price over many pods: the candidates' qualities and expected costs.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    rows: VecDeque<Vec<Offer>>,
    seen: u64,
}

impl Sample {
    /// Takes in one choice in [`SAMPLED_ONE_IN`]; the oldest makes room.
    fn take(&mut self, offers: impl Iterator<Item = Offer>) {
        self.seen += 1;
        if self.seen % SAMPLED_ONE_IN != 1 {
            return;
        }
        let mut row =
            if self.rows.len() >= SAMPLE_AT_MOST { self.rows.pop_front() } else { None }.unwrap_or_default();
        row.clear();
        row.extend(offers.take(OFFERS_AT_MOST));
        self.rows.push_back(row);
    }

    /// The choices, oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Vec<Offer>> {
        self.rows.iter()
    }
}

/// Every live part of the process but the limits, by name. Owned by the control thread.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) policies: HashMap<Name, Arc<PolicyLive>>,
    pub(crate) targets: HashMap<TargetKey, Arc<TargetLive>>,
    pub(crate) counters: HashMap<(Name, TargetKey), Arc<CallCounters>>,
}

impl TargetLive {
    pub(crate) fn new(metrics: TargetMetrics) -> Self {
        Self { health: Mutex::default(), learned: Mutex::default(), track: Mutex::default(), metrics }
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn track(&self) -> MutexGuard<'_, Track> {
        self.track.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PolicyLive {
    /// What one call may cost on average.
    pub(crate) fn target(&self) -> Option<Nano> {
        let target = self.target.load(Relaxed);
        (target > 0).then_some(Nano(target))
    }

    /// Aims at another average. What was owed before is counted in a plan that goes by what is left.
    pub(crate) fn aim(&self, target: Option<Nano>, by_what_is_left: bool) {
        let new = target.map_or(0, |target| target.0);
        if self.target.swap(new, Relaxed) != new
            && by_what_is_left
            && let Some(price) = self.price().as_mut()
        {
            price.settle_up();
        }
    }

    /// Whether somebody who sees more moves the price.
    pub(crate) fn is_steered(&self) -> bool {
        self.steered.load(Relaxed)
    }

    pub(crate) fn set_steered(&self, steered: bool) {
        self.steered.store(steered, Relaxed);
    }

    /// Keeps a choice for the sample.
    pub(crate) fn keep(&self, offers: impl Iterator<Item = Offer>) {
        self.sample().take(offers);
    }

    pub(crate) fn sample(&self) -> MutexGuard<'_, Sample> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn plan(&self) -> MutexGuard<'_, Option<Plan>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lambda; zero where there is no price yet.
    pub(crate) fn lambda(&self) -> f64 {
        self.price().map_or(0.0, |price| price.lambda())
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn price(&self) -> MutexGuard<'_, Option<ShadowPrice>> {
        self.price.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
