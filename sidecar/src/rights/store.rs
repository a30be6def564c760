//! What a durable store of rights must do.

use pointsman_core::snapshot::LimitKey;

/// Why a store could not do it; in words for the log.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// A window as the store remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenedWindow {
    /// Recorded as spent.
    pub spent: u64,
    /// Granted and never recorded as spent, by processes that died: nobody knows, so it counts as spent.
    pub burned: u64,
}

/// Remembers, across crashes, what each limit has granted in each window.
///
/// Totals are cumulative and start at 0 in a new window; `window_id` names the window and the unit that it counts. Every
/// call returns only when the disk has it. Called on one thread, never on the path of a request.
pub trait RightsStore: Send {
    /// Opens a window. Whatever was granted and not recorded before this call is burned by it.
    fn open(&mut self, limit: &LimitKey, window_id: &str) -> Result<OpenedWindow, StoreError>;

    /// Remembers that everything up to `total` (spent and burned included) may be used from now on.
    fn grant(&mut self, limit: &LimitKey, window_id: &str, total: u64) -> Result<(), StoreError>;

    /// Remembers what is spent, burned not included.
    fn record(&mut self, limit: &LimitKey, window_id: &str, spent: u64) -> Result<(), StoreError>;

    /// Remembers that nothing is in flight: `spent` is final for now, and what was granted beyond it is free again.
    fn close(&mut self, limit: &LimitKey, window_id: &str, spent: u64) -> Result<(), StoreError>;
}
