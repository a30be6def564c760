//! The one place that reads clocks.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use pointsman_core::time::Millis;

/// Monotonic time since the start of the process, and the wall clock that budgets' windows follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// A moment of the monotonic clock, as `core` counts it.
    pub(crate) fn millis(&self, at: Instant) -> Millis {
        Millis(u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn now(&self) -> Millis {
        self.millis(Instant::now())
    }

    /// A moment of `core`'s clock, as the runtime's timers count it.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(at.0)
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).expect("the year is below 9999")
    }
}
