//! One limit in one window, with what the store knows of it.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman_config::window::{Span, time_zone};
use pointsman_core::account::{LimitLive, LimitTerms};
use pointsman_core::decide::binds;
use pointsman_core::snapshot::{LimitKey, Snapshot};

use super::{LimitReport, Store, StoreError, block};
use crate::plane::{LimitPart, Told};

/// What a limit should be at a moment.
pub(super) struct Wanted {
    pub(super) terms: LimitTerms,
    pub(super) amount: u64,
    pub(super) span: Span,
    pub(super) zone: TimeZone,
}

/// A window that is open here.
pub(super) struct OpenWindow {
    pub(super) key: LimitKey,
    pub(super) live: Arc<LimitLive>,
    pub(super) span: Span,
    pub(super) burned: u64,
    /// Whether the store has told what was spent before.
    pub(super) opened: bool,
    zone: TimeZone,
    recorded: u64,
    /// Estimated before this window was opened again.
    uncertain_before: u64,
}

impl Wanted {
    pub(super) fn of(snapshot: &Snapshot, limit: usize, now: Timestamp) -> Self {
        let limit = &snapshot.limits[limit];
        // A zone that does not exist never passes the check of its budget.
        let zone = time_zone(&limit.config.time_zone).unwrap_or(TimeZone::UTC);
        let span = limit.config.window.at(now, &zone);
        let terms = LimitTerms {
            unit: limit.config.amount.unit,
            enforcement: snapshot.budgets[limit.budget].config.enforcement,
            binding: binds(snapshot, limit),
            window_id: span.id.clone(),
        };
        Self { terms, amount: limit.config.amount.value, span, zone }
    }
}

impl OpenWindow {
    /// Opens a window with what the store remembers of it. A window that follows a busy one gets its first block at once,
    /// and so does the first of the process; others wait for their first call.
    /// `before` is what this process counted in it before, which a store knows better.
    pub(super) fn open(
        key: LimitKey,
        wanted: Wanted,
        before: Option<LimitReport>,
        busy: bool,
        store: &mut Store,
    ) -> Self {
        let first =
            busy || wanted.span.end.is_none_or(|end| end.duration_since(wanted.span.start).as_hours() > 0);
        let Some(open) = store.as_mut().filter(|_| wanted.terms.binding) else {
            let (spent, uncertain_before) = before.map_or((0, 0), |row| (row.spent, row.uncertain));
            return Self { uncertain_before, ..Self::with(key, wanted, spent, 0) };
        };
        let remembered = match open.open(&key, &page(&wanted.terms)) {
            Ok(found) => found,
            Err(error) => {
                // Nobody knows what was spent: nothing may be, until the store answers.
                tracing::error!(budget = %key.budget, limit = key.limit, %error, "failed to open a window of a budget");
                return Self { opened: false, ..Self::with(key, Wanted { amount: 0, ..wanted }, 0, 0) };
            }
        };
        let mut window = Self::with(key, wanted, remembered.spent, remembered.burned);
        if first {
            window.grant(store);
        }
        window
    }

    /// The same window under other terms. What is in flight counts at its reservation until the window ends.
    pub(super) fn carry(old: &Self, wanted: Wanted, store: &mut Store) -> Self {
        let used = old.live.spent().saturating_add(old.live.reserved());
        let opened = Self::with(old.key.clone(), wanted, used - old.burned.min(used), old.burned);
        let mut window = Self { uncertain_before: old.uncertain(), ..opened };
        window.grant(store);
        window
    }

    fn with(key: LimitKey, wanted: Wanted, spent: u64, burned: u64) -> Self {
        let Wanted { terms, amount, span, zone } = wanted;
        let live = LimitLive::new(terms, amount, spent.saturating_add(burned));
        Self {
            key,
            live: Arc::new(live),
            span,
            burned,
            opened: true,
            zone,
            recorded: spent,
            uncertain_before: 0,
        }
    }

    /// Whether this is the window that is wanted, whatever its amount. Where nothing is refused, nothing depends on the
    /// enforcement.
    pub(super) fn is(&self, wanted: &Wanted) -> bool {
        let only_counts = !self.live.terms.binding && !wanted.terms.binding;
        self.live.terms == wanted.terms || (only_counts && self.is_same(wanted))
    }

    /// Whether it counts the same in the same window, under whatever terms.
    pub(super) fn is_same(&self, wanted: &Wanted) -> bool {
        let (mine, wanted) = (&self.live.terms, &wanted.terms);
        mine.window_id == wanted.window_id && mine.unit == wanted.unit
    }

    /// Takes an edited amount. Rights are lowered at once, in the store too.
    pub(super) fn edit(&mut self, amount: u64, store: &mut Store) {
        if self.live.amount() == amount {
            return;
        }
        let before = self.live.granted();
        self.live.set_amount(amount);
        if self.live.granted() < before {
            self.tell(store, self.live.granted());
        } else {
            self.grant(store);
        }
    }

    /// Grants more where little is left.
    pub(super) fn extend(&mut self, store: &mut Store) {
        if self.live.wants_more() || self.live.is_short(block::enough(self.block())) {
            self.grant(store);
        }
    }

    /// Writes down what is spent, where that changed.
    pub(super) fn record(&mut self, store: &mut Store) {
        let spent = self.spent();
        let Some(store) = store.as_mut().filter(|_| self.live.terms.binding && spent != self.recorded) else {
            return;
        };
        match store.record(&self.key, &page(&self.live.terms), spent) {
            Ok(()) => self.recorded = spent,
            Err(error) => self.complain(&error, "failed to record the spend of a budget"),
        }
    }

    /// Nothing is in flight any more. Of a window that could not be opened the store knows better.
    pub(super) fn close(&mut self, store: &mut Store) {
        let Some(store) = store.as_mut().filter(|_| self.live.terms.binding && self.opened) else { return };
        if let Err(error) = store.close(&self.key, &page(&self.live.terms), self.spent()) {
            self.complain(&error, "failed to close a window of a budget");
        }
    }

    pub(super) fn report(&self) -> LimitReport {
        LimitReport {
            key: self.key.clone(),
            window_id: self.live.terms.window_id.clone(),
            ends: self.span.end,
            unit: self.live.terms.unit,
            amount: self.live.amount(),
            spent: self.spent(),
            uncertain: self.uncertain(),
            reserved: self.live.reserved(),
            granted: self.live.granted(),
            burned: self.burned,
        }
    }

    /// What requests see of it.
    pub(super) fn part(&self) -> LimitPart {
        let zoned =
            |end: Timestamp| end.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        LimitPart {
            budget: self.key.budget.to_string(),
            live: self.live.clone(),
            ends: self.span.end,
            resets: self.span.end.map(zoned),
            enough: block::enough(self.block()),
            burned: self.burned,
            told: Told::default(),
        }
    }

    fn block(&self) -> u64 {
        block::size(self.live.amount(), self.live.largest_need())
    }

    fn uncertain(&self) -> u64 {
        self.live.uncertain().saturating_add(self.uncertain_before)
    }

    fn spent(&self) -> u64 {
        self.live.spent().saturating_sub(self.burned)
    }

    fn grant(&mut self, store: &mut Store) {
        if !self.live.terms.binding {
            return;
        }
        let used = self.live.spent().saturating_add(self.live.reserved());
        let total = block::total(self.live.amount(), self.live.granted(), used, self.block());
        // Granting the same again clears a wish that cannot be met: whoever waits then sees that there is no more.
        if total == self.live.granted() || self.tell(store, total) {
            self.live.grant(total);
        }
    }

    /// Tells the store first: what is used must have been granted durably.
    fn tell(&self, store: &mut Store, total: u64) -> bool {
        let Some(store) = store else { return false };
        match store.grant(&self.key, &page(&self.live.terms), total) {
            Ok(()) => true,
            Err(error) => {
                self.complain(&error, "failed to grant rights of a budget");
                false
            }
        }
    }

    fn complain(&self, error: &StoreError, message: &'static str) {
        tracing::error!(budget = %self.key.budget, limit = self.key.limit, %error, "{message}");
    }
}

/// What the store calls a window: a limit that is edited from USD to Requests must not take the one for the other.
fn page(terms: &LimitTerms) -> String {
    format!("{} {}", terms.window_id, terms.unit)
}
