//! The parts that live longer than a snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pointsman_config::entry::Name;
use pointsman_core::health::Health;
use pointsman_core::snapshot::TargetKey;

use crate::telemetry::TargetMetrics;
use crate::usage::CallCounters;

/// A target's health and metrics.
pub(crate) struct TargetLive {
    health: Mutex<Health>,
    pub(crate) metrics: TargetMetrics,
}

/// A policy's shadow price and refusals.
#[derive(Default)]
pub(crate) struct PolicyLive {
    /// Bits of an `f64`; zero until the first decision that needs it.
    lambda: AtomicU64,
    pub(crate) refused: AtomicU64,
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
        Self { health: Mutex::default(), metrics }
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PolicyLive {
    /// The shadow price; zero where there is none yet.
    pub(crate) fn lambda(&self) -> f64 {
        f64::from_bits(self.lambda.load(Relaxed))
    }

    pub(crate) fn set_lambda(&self, lambda: f64) {
        self.lambda.store(lambda.to_bits(), Relaxed);
    }
}
