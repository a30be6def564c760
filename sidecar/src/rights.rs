//! Who hands out the rights to spend in this process, and how much ahead of use?
//!
//! A store remembers durably how much was granted, before it may be used. Rights are taken in blocks, so that the
//! request path makes no system call for them; a crash burns at most what was granted and not yet recorded as spent.
//!
//! ```text
//! request path: reserve ─► short? flag + notify ─► control thread: store.grant(total) ─► LimitLive::grant(total)
//! ```

mod block;
mod store;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use pointsman_config::amount::Unit;
use pointsman_core::snapshot::{LimitKey, Snapshot};

pub use store::{OpenedWindow, RightsStore, StoreError};

use self::window::OpenWindow;
use crate::plane::LimitPart;

/// Windows whose last figures are still reported after everything in them has settled.
const REPORTED_AFTER_CLOSE: usize = 64;

/// One limit in one window, as it is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReport {
    /// Which limit.
    pub key: LimitKey,
    /// Names the window.
    pub window_id: String,
    /// When it ends; none for a limit that never resets.
    pub ends: Option<Timestamp>,
    /// What is counted.
    pub unit: Unit,
    /// The limit.
    pub amount: u64,
    /// Settled, as far as it is proven.
    pub spent: u64,
    /// The estimated part of it.
    pub uncertain: u64,
    /// Reserved now.
    pub reserved: u64,
    /// Rights granted so far, spent ones included.
    pub granted: u64,
    /// Rights that a crash lost; they count as spent until the window ends.
    pub burned: u64,
}

type Store = Option<Box<dyn RightsStore>>;

/// The rights of this process.
pub(crate) struct Rights {
    store: Store,
    open: HashMap<LimitKey, OpenWindow>,
    /// Windows that are over, with calls in them that are not.
    closing: Vec<OpenWindow>,
    closed: VecDeque<LimitReport>,
}

impl Rights {
    pub(crate) fn new(store: Option<Box<dyn RightsStore>>) -> Self {
        Self { store, open: HashMap::new(), closing: Vec::new(), closed: VecDeque::new() }
    }

    /// Whether budgets whose rights are local can be obeyed here.
    pub(crate) fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// The live window of a limit at `now`, opened where it is not.
    pub(crate) fn part(&mut self, snapshot: &Snapshot, limit: usize, now: Timestamp) -> LimitPart {
        let known = &snapshot.limits[limit];
        let wanted = window::Wanted::of(snapshot, limit, now);
        let current = self.open.remove(&known.key).or_else(|| self.take_back(&known.key, &wanted));
        let current = current.filter(|window| window.opened);
        let window = match current {
            Some(mut current) if current.is(&wanted) => {
                current.edit(wanted.amount, &mut self.store);
                current
            }
            Some(old) => self.replace(old, wanted),
            None => OpenWindow::open(known.key.clone(), wanted, 0, &mut self.store),
        };
        let part = window.part();
        self.open.insert(known.key.clone(), window);
        part
    }

    /// Extends what is running short.
    pub(crate) fn extend(&mut self) {
        let store = &mut self.store;
        self.open.values_mut().for_each(|window| window.extend(store));
    }

    /// Writes down what was spent, and closes the windows in which nothing is open any more.
    pub(crate) fn record(&mut self) {
        let store = &mut self.store;
        self.open.values_mut().for_each(|window| window.record(store));
        for mut window in std::mem::take(&mut self.closing) {
            window.record(store);
            if window.live.reserved() > 0 {
                self.closing.push(window);
                continue;
            }
            window.close(store);
            self.closed.push_back(window.report());
        }
        while self.closed.len() > REPORTED_AFTER_CLOSE {
            self.closed.pop_front();
        }
    }

    /// The end of the process: what is settled is proven, the unused rest is free again.
    pub(crate) fn close(&mut self) {
        self.record();
        let store = &mut self.store;
        self.open.values_mut().filter(|w| w.live.reserved() == 0).for_each(|w| w.close(store));
    }

    /// The moment at which the first open window ends.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        self.open.values().filter_map(|window| window.span.end).min()
    }

    /// Forgets the limits that are gone.
    pub(crate) fn retain(&mut self, snapshot: &Snapshot) {
        let wanted = |key: &LimitKey| snapshot.limits.iter().any(|limit| limit.key == *key);
        let gone: Vec<LimitKey> = self.open.keys().filter(|key| !wanted(key)).cloned().collect();
        self.closing.extend(gone.iter().filter_map(|key| self.open.remove(key)));
    }

    /// The windows that are open now, in order.
    pub(crate) fn report(&self) -> Vec<LimitReport> {
        let mut rows: Vec<_> = self.open.values().map(OpenWindow::report).collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// Those that are over, too: their last figures must arrive.
    pub(crate) fn report_with_past(&self) -> Vec<LimitReport> {
        let past = self.closed.iter().cloned().chain(self.closing.iter().map(OpenWindow::report));
        past.chain(self.report()).collect()
    }

    /// A limit that went and came back within its window goes on where it was: to the store, a window that is opened twice
    /// looks like one whose process died.
    fn take_back(&mut self, key: &LimitKey, wanted: &window::Wanted) -> Option<OpenWindow> {
        let same = |window: &OpenWindow| window.key == *key && window.is_same(wanted);
        let at = self.closing.iter().position(same)?;
        Some(self.closing.remove(at))
    }

    fn replace(&mut self, old: OpenWindow, wanted: window::Wanted) -> OpenWindow {
        let key = old.key.clone();
        if old.is_same(&wanted) {
            // Only the enforcement changed. What is in flight counts at its reservation until the window ends.
            let carried = old.live.spent().saturating_add(old.live.reserved());
            return OpenWindow::carry(key, wanted, carried, old.burned, &mut self.store);
        }
        let busy = u64::from(old.live.spent() > 0);
        self.closing.push(old);
        OpenWindow::open(key, wanted, busy, &mut self.store)
    }
}
