//! One limit in one window, live: what was granted, what is reserved, what was spent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use pointsman_config::amount::Unit;
use pointsman_config::budget::Enforcement;

/// Hybrid reserves what is likely only while this share of the limit is free, and owes at most this share.
const HYBRID_MARGIN_PERCENT: u64 = 5;

/// What does not change while a window lasts, but for an edit of the amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitTerms {
    /// What it counts.
    pub unit: Unit,
    /// How hard it holds.
    pub enforcement: Enforcement,
    /// Whether it refuses anything: not when its budget only notifies or only counts.
    pub binding: bool,
    /// Names the window.
    pub window_id: String,
}

/// One limit in one window. All counters are cumulative and in the limit's unit.
#[derive(Debug)]
pub struct LimitLive {
    /// Its terms.
    pub terms: LimitTerms,
    amount: AtomicU64,
    granted: AtomicU64,
    /// Settled plus reserved.
    used: AtomicU64,
    spent: AtomicU64,
    uncertain: AtomicU64,
    /// Worst case minus reserved of what is in flight (Hybrid).
    exposure: AtomicU64,
    largest: AtomicU64,
    wants_more: AtomicBool,
}

impl LimitLive {
    /// A window in which `spent` was spent before, and no rights are granted beyond that.
    pub fn new(terms: LimitTerms, amount: u64, spent: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            terms,
            amount: AtomicU64::new(amount),
            granted: AtomicU64::new(spent),
            used: AtomicU64::new(spent),
            spent: AtomicU64::new(spent),
            uncertain: zero(),
            exposure: zero(),
            largest: zero(),
            wants_more: AtomicBool::new(false),
        }
    }

    /// The limit's amount.
    pub fn amount(&self) -> u64 {
        self.amount.load(Relaxed)
    }

    /// Takes an edited amount; rights already granted are lowered to it, but never below what is used.
    pub fn set_amount(&self, amount: u64) {
        self.amount.store(amount, Relaxed);
        let used = self.used.load(Relaxed);
        self.granted.fetch_min(amount.max(used), Relaxed);
    }

    /// Grants rights up to `total`, cumulative; a lower total than before changes nothing.
    pub fn grant(&self, total: u64) {
        self.granted.fetch_max(total, Relaxed);
        self.wants_more.store(false, Relaxed);
    }

    /// Rights granted so far, cumulative.
    pub fn granted(&self) -> u64 {
        self.granted.load(Relaxed)
    }

    /// Settled so far.
    pub fn spent(&self) -> u64 {
        self.spent.load(Relaxed)
    }

    /// The estimated part of what was settled.
    pub fn uncertain(&self) -> u64 {
        self.uncertain.load(Relaxed)
    }

    /// Reserved now.
    pub fn reserved(&self) -> u64 {
        self.used.load(Relaxed).saturating_sub(self.spent())
    }

    /// The largest amount that one attempt has asked for.
    pub fn largest_need(&self) -> u64 {
        self.largest.load(Relaxed)
    }

    /// What the whole limit still has room for; none when it refuses nothing.
    pub fn room(&self) -> Option<u64> {
        self.terms.binding.then(|| self.amount().saturating_sub(self.used.load(Relaxed)))
    }

    /// Whether less than `enough` of the granted rights is left while the limit has more to give.
    pub fn is_short(&self, enough: u64) -> bool {
        let granted = self.granted();
        self.terms.binding
            && granted < self.amount()
            && granted.saturating_sub(self.used.load(Relaxed)) < enough
    }

    /// Whether an attempt was turned away while the limit had more to give.
    pub fn wants_more(&self) -> bool {
        self.wants_more.load(Relaxed)
    }

    /// What to reserve of `likely` and `bound`.
    pub(super) fn charge_for(&self, likely: u64, bound: u64) -> u64 {
        let amount = self.amount();
        let margin = amount / 100 * HYBRID_MARGIN_PERCENT;
        let owed = self.exposure.load(Relaxed).saturating_add(bound - likely.min(bound));
        let free = amount.saturating_sub(self.used.load(Relaxed)).saturating_sub(likely);
        let roomy = free >= margin && owed <= margin;
        match self.terms.enforcement {
            Enforcement::Strict => bound,
            Enforcement::Hybrid if !roomy => bound,
            Enforcement::Hybrid | Enforcement::Soft => likely.min(bound),
        }
    }

    /// Takes `need` out of the rights; `exposure` is what the attempt may use beyond it.
    pub(super) fn take(&self, need: u64, exposure: u64) -> Result<(), More> {
        self.largest.fetch_max(need, Relaxed);
        if !self.terms.binding {
            add(&self.used, need);
            return Ok(());
        }
        // What others in flight may still come to owe is not free either.
        let (granted, owed) = (self.granted(), self.exposure.load(Relaxed).saturating_add(exposure));
        let fits = |used: u64| used.checked_add(need).filter(|sum| sum.saturating_add(owed) <= granted);
        match self.used.fetch_update(Relaxed, Relaxed, fits) {
            Ok(_) => {
                self.exposure.fetch_add(exposure, Relaxed);
                Ok(())
            }
            Err(used) => Err(self.refuse(used, need.saturating_add(owed))),
        }
    }

    /// Gives back what was taken and settles at `actual`.
    pub(super) fn settle(&self, taken: u64, exposure: u64, actual: u64, uncertain: u64) {
        // First the spend, then the rights: `reserved` may read low for a moment, never the rights high.
        add(&self.spent, actual);
        add(&self.uncertain, uncertain);
        if actual >= taken {
            add(&self.used, actual - taken);
        } else {
            self.used.fetch_sub(taken - actual, Relaxed);
        }
        if self.terms.binding {
            self.exposure.fetch_sub(exposure, Relaxed);
        }
    }

    fn refuse(&self, used: u64, need: u64) -> More {
        let fits_the_limit = used.saturating_add(need) <= self.amount();
        if fits_the_limit {
            self.wants_more.store(true, Relaxed);
            More::Coming
        } else {
            More::None
        }
    }
}

/// A counter that is full stays full: what wrapped around would look like an untouched limit.
fn add(counter: &AtomicU64, amount: u64) {
    let sum = |now: u64| Some(now.saturating_add(amount));
    // The closure never refuses, so neither does the update.
    let _ = counter.fetch_update(Relaxed, Relaxed, sum);
}

/// Whether waiting a moment may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// The limit has room; rights are on their way.
    Coming,
    /// It has none.
    None,
}
