//! The parts that live longer than a snapshot.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pointsman_config::entry::Name;
use pointsman_core::health::Health;
use pointsman_core::lengths::Learned;
use pointsman_core::measured::Track;
use pointsman_core::shadow::ShadowPrice;
use pointsman_core::snapshot::TargetKey;

use crate::telemetry::TargetMetrics;
use crate::usage::CallCounters;

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
    /// Lambda; zero where there is no price yet.
    pub(crate) fn lambda(&self) -> f64 {
        self.price().map_or(0.0, |price| price.lambda())
    }

    /// Held for a few instructions at a time, never across an await.
    pub(crate) fn price(&self) -> MutexGuard<'_, Option<ShadowPrice>> {
        self.price.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
