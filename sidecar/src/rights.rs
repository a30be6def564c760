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

/// Windows of a limit whose last figures are still reported after everything in them has settled: the operator takes the
/// present window and the one before.
const REPORTED_PER_LIMIT: usize = 2;
/// The same over all limits: budgets come and go.
const REPORTED_AFTER_CLOSE: usize = 4096;

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
        let open = self.open.remove(&known.key).filter(|window| window.opened);
        let (current, busy) = match open {
            Some(over) if !over.is_same(&wanted) => {
                let busy = over.live.spent() > 0;
                self.closing.push(over);
                (self.take_back(&known.key, &wanted), busy)
            }
            Some(current) => (Some(current), false),
            None => (self.take_back(&known.key, &wanted), false),
        };
        let window = match current {
            Some(mut current) if current.is(&wanted) => {
                current.edit(wanted.amount, &mut self.store);
                current
            }
            Some(old) => OpenWindow::carry(&old, wanted, &mut self.store),
            None => {
                let before = self.take_closed(&known.key, &wanted);
                OpenWindow::open(known.key.clone(), wanted, before, busy, &mut self.store)
            }
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
            keep(&mut self.closed, window.report());
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

    /// Whether the store has still to tell of a window what was spent in it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.open.values().any(|window| !window.opened)
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
        let same = |window: &OpenWindow| window.key == *key && window.is_same(wanted) && window.opened;
        let at = self.closing.iter().position(same)?;
        Some(self.closing.remove(at))
    }

    /// What the same window had counted when everything in it had settled: it goes on from there, because the larger of
    /// two rows of one window is not their sum.
    fn take_closed(&mut self, key: &LimitKey, wanted: &window::Wanted) -> Option<LimitReport> {
        let (window_id, unit) = (&wanted.terms.window_id, wanted.terms.unit);
        let same = |row: &LimitReport| row.key == *key && row.window_id == *window_id && row.unit == unit;
        let at = self.closed.iter().position(same)?;
        self.closed.remove(at)
    }
}

/// Keeps a row to report. One in which nothing was counted says nothing.
fn keep(closed: &mut VecDeque<LimitReport>, row: LimitReport) {
    if row.spent == 0 && row.uncertain == 0 {
        return;
    }
    let of_it = |known: &LimitReport| known.key == row.key;
    if closed.iter().filter(|known| of_it(known)).count() >= REPORTED_PER_LIMIT
        && let Some(oldest) = closed.iter().position(of_it)
    {
        closed.remove(oldest);
    }
    if closed.len() >= REPORTED_AFTER_CLOSE {
        closed.pop_front();
    }
    closed.push_back(row);
}
