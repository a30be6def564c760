//! What both threads see.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::plane::Plane;
use crate::telemetry::Telemetry;
use crate::usage::Day;

/// Written by one side, read by the other; no lock that a request could wait for.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
    /// None until the first configuration.
    pub(crate) plane: ArcSwapOption<Plane>,
    /// Some limit runs short of rights.
    pub(crate) rights_wanted: Wish,
    /// More rights have been granted.
    pub(crate) rights_granted: Notify,
    pub(crate) draining: AtomicBool,
    /// Calls that have been decided and have not ended.
    pub(crate) in_flight: AtomicUsize,
    /// Open connections of the data listener.
    pub(crate) connections: AtomicUsize,
    /// Calls that were refused before a policy was found.
    pub(crate) refused: AtomicU64,
    /// Whether the application has called since the process started, whatever came of it.
    pub(crate) called: AtomicBool,
    today: AtomicI64,
}

/// A flag that wakes the control thread on its rising edge only: one system call per block of rights, not per request.
#[derive(Default)]
pub(crate) struct Wish {
    wished: AtomicBool,
    notify: Notify,
}

impl Wish {
    pub(crate) fn make(&self) {
        if !self.wished.swap(true, Relaxed) {
            self.notify.notify_one();
        }
    }

    /// Waits for a wish and takes it.
    pub(crate) async fn taken(&self) {
        self.notify.notified().await;
        self.wished.store(false, Relaxed);
    }
}

impl Shared {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            telemetry: Telemetry::new(),
            plane: ArcSwapOption::empty(),
            rights_wanted: Wish::default(),
            rights_granted: Notify::new(),
            draining: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            called: AtomicBool::new(false),
            today: AtomicI64::new(Day::of(clock.wall()).0),
        }
    }

    /// Ready means: configured once and not about to end. The operator's absence changes nothing.
    pub(crate) fn is_ready(&self) -> bool {
        self.plane.load().is_some() && !self.draining.load(Relaxed)
    }

    /// The day under which new calls are counted; turned by the control thread once the counters are ready for it.
    pub(crate) fn today(&self) -> Day {
        Day(self.today.load(Relaxed))
    }

    pub(crate) fn set_today(&self, now: Timestamp) {
        self.today.store(Day::of(now).0, Relaxed);
    }
}
