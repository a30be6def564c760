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

use crate::learned::{Known, Memory};
use crate::records::Lesson;
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
    /// What its calls were charged in this process since the present window of its spend target began, in nano-USD.
    pub(crate) spent: AtomicU64,
    /// What the operator has last said.
    plan: Mutex<Option<Plan>>,
    sample: Mutex<Sample>,
    /// What feedback says of the policy's scorer, and of which: a digest.
    guard: Mutex<Guard>,
    scorer: Mutex<String>,
    /// What an earlier process spent in which window, and what of that counts in the present one.
    earlier: Mutex<Option<(String, u64)>>,
    spent_before: AtomicU64,
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
    /// What earlier processes learned.
    pub(crate) learned: Memory,
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

    /// A policy of which an earlier process has learned something.
    pub(crate) fn remembering(known: &Known) -> Self {
        let price = known.lambda.map(ShadowPrice::at);
        Self { price: Mutex::new(price), earlier: Mutex::new(known.window.clone()), ..Self::default() }
    }

    /// A window begins, for this process: nothing is spent in it but what an earlier process spent.
    pub(crate) fn begin_window(&self, id: &str) {
        let earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner).take();
        let before = earlier.filter(|(known, _)| known == id).map_or(0, |(_, spent)| spent);
        self.spent_before.store(before, Relaxed);
        self.spent.store(0, Relaxed);
    }

    /// What earlier processes spent in the present window, in nano-USD.
    pub(crate) fn spent_before(&self) -> u64 {
        self.spent_before.load(Relaxed)
    }

    /// What is known of a scorer is nothing of another one: a new one starts anew, with what is remembered of it.
    pub(crate) fn watch(&self, scorer: String, remembered: Option<Guard>) {
        let mut watched = self.scorer.lock().unwrap_or_else(PoisonError::into_inner);
        if *watched != scorer {
            *watched = scorer;
            *self.guard() = remembered.unwrap_or_default();
        }
    }

    /// The digest of the scorer that the guard watches; empty where there is none.
    pub(crate) fn watched(&self) -> String {
        self.scorer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the guard how good an answer was. What an earlier scorer said is no longer of interest.
    pub(crate) fn learn(&self, lesson: &Lesson, score: f64) {
        if self.watched() == lesson.scorer {
            self.guard().observe(score, lesson.scored, lesson.mean);
        }
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
