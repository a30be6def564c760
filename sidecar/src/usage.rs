//! What has been counted: calls, tokens, money, per policy, provider and model and per UTC day of admission.
//!
//! Counters only rise, so that a report lost, repeated or late changes no total.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman_config::latency::LATENCY_BOUNDS_MS;
use pointsman_config::money::Nano;
use pointsman_core::account::Charge;
use pointsman_core::savings::Comparison;

const BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;
const SECONDS_PER_DAY: i64 = 86_400;
/// Days whose figures are still reported; the operator asks for two.
const DAYS_REPORTED: usize = 4;

/// A UTC day, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(pub(crate) i64);

impl Day {
    pub(crate) fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(SECONDS_PER_DAY))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = Timestamp::from_second(self.0 * SECONDS_PER_DAY).unwrap_or_default();
        write!(f, "{}", start.to_zoned(TimeZone::UTC).date())
    }
}

/// The counters of one day.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) routed: AtomicU64,
    pub(crate) named: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
    cost: AtomicU64,
    uncertain: AtomicU64,
    latency: [AtomicU64; BUCKETS],
    compared: AtomicU64,
    baseline: AtomicU64,
    chosen: AtomicU64,
    baseline_quality: AtomicU64,
    chosen_quality: AtomicU64,
}

/// What a tally said at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) routed: u64,
    pub(crate) named: u64,
    pub(crate) failures: u64,
    pub(crate) fallbacks: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
    pub(crate) uncertain: u64,
    pub(crate) latency: [u64; BUCKETS],
    /// Calls that were compared with the baseline, both costs in nano-USD, both qualities in millionths.
    pub(crate) compared: u64,
    pub(crate) baseline: u64,
    pub(crate) chosen: u64,
    pub(crate) baseline_quality: u64,
    pub(crate) chosen_quality: u64,
}

/// The counters of one policy, provider and model. Two days are open at a time: calls admitted before midnight settle
/// after it.
#[derive(Debug)]
pub(crate) struct CallCounters {
    open: [Tally; 2],
    closed: Mutex<Closed>,
}

#[derive(Debug)]
struct Closed {
    /// The day in each open place.
    days: [Option<Day>; 2],
    /// The newest last.
    before: Vec<(Day, Counted)>,
    /// The days before those.
    long_ago: Counted,
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Takes in what an attempt was charged.
    pub(crate) fn charge(&self, charge: &Charge) {
        self.input.fetch_add(charge.usage.input, Relaxed);
        self.output.fetch_add(charge.usage.output, Relaxed);
        self.cost.fetch_add(charge.cost.0, Relaxed);
        self.uncertain.fetch_add(charge.uncertain.0, Relaxed);
    }

    /// Takes in what a call cost beside what it would have cost at the baseline.
    pub(crate) fn compare(&self, comparison: &Comparison) {
        let micro = |quality: f64| (quality * 1e6).round() as u64;
        Self::add(&self.compared);
        self.baseline.fetch_add(comparison.baseline.0, Relaxed);
        self.chosen.fetch_add(comparison.chosen.0, Relaxed);
        self.baseline_quality.fetch_add(micro(comparison.baseline_quality), Relaxed);
        self.chosen_quality.fetch_add(micro(comparison.chosen_quality), Relaxed);
    }

    pub(crate) fn latency(&self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MS.iter().position(|bound| millis <= *bound).unwrap_or(BUCKETS - 1);
        self.latency[bucket].fetch_add(1, Relaxed);
    }

    fn read(&self) -> Counted {
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        Counted {
            requests: value(&self.requests),
            routed: value(&self.routed),
            named: value(&self.named),
            failures: value(&self.failures),
            fallbacks: value(&self.fallbacks),
            input: value(&self.input),
            output: value(&self.output),
            cost: value(&self.cost),
            uncertain: value(&self.uncertain),
            latency: std::array::from_fn(|i| value(&self.latency[i])),
            compared: value(&self.compared),
            baseline: value(&self.baseline),
            chosen: value(&self.chosen),
            baseline_quality: value(&self.baseline_quality),
            chosen_quality: value(&self.chosen_quality),
        }
    }

    fn clear(&self) {
        let Self { requests, routed, failures, fallbacks, input, output, cost, uncertain, latency, .. } =
            self;
        let Self { named, compared, baseline, chosen, baseline_quality, chosen_quality, .. } = self;
        [requests, routed, named, failures, fallbacks, input, output, cost, uncertain]
            .into_iter()
            .chain(latency)
            .chain([compared, baseline, chosen, baseline_quality, chosen_quality])
            .for_each(|counter| counter.store(0, Relaxed));
    }
}

impl Counted {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.routed += other.routed;
        self.named += other.named;
        self.failures += other.failures;
        self.fallbacks += other.fallbacks;
        self.input += other.input;
        self.output += other.output;
        self.cost = self.cost.saturating_add(other.cost);
        self.uncertain = self.uncertain.saturating_add(other.uncertain);
        self.compared += other.compared;
        self.baseline = self.baseline.saturating_add(other.baseline);
        self.chosen = self.chosen.saturating_add(other.chosen);
        self.baseline_quality += other.baseline_quality;
        self.chosen_quality += other.chosen_quality;
        self.latency.iter_mut().zip(other.latency).for_each(|(mine, theirs)| *mine += theirs);
    }
}

impl CallCounters {
    /// Counters that start on `day`.
    pub(crate) fn new(day: Day) -> Self {
        let mut days = [None; 2];
        days[Self::place(day)] = Some(day);
        Self {
            open: Default::default(),
            closed: Mutex::new(Closed { days, before: Vec::new(), long_ago: Counted::default() }),
        }
    }

    /// The tally of a day that is open: today, or yesterday for a call that began then.
    pub(crate) fn on(&self, day: Day) -> &Tally {
        &self.open[Self::place(day)]
    }

    /// Opens a day, by closing the one before yesterday. Called before any call of that day is admitted.
    pub(crate) fn turn_to(&self, day: Day) {
        let place = Self::place(day);
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.days[place] == Some(day) {
            return;
        }
        if let Some(old) = closed.days[place] {
            let counted = self.open[place].read();
            if counted != Counted::default() {
                closed.before.push((old, counted));
                if closed.before.len() > DAYS_REPORTED {
                    let (_, oldest) = closed.before.remove(0);
                    closed.long_ago.add(&oldest);
                }
            }
            self.open[place].clear();
        }
        closed.days[place] = Some(day);
    }

    /// Everything since the start.
    pub(crate) fn total(&self) -> Counted {
        let days = self.report();
        let mut total = self.closed.lock().unwrap_or_else(PoisonError::into_inner).long_ago.clone();
        days.iter().for_each(|(_, counted)| total.add(counted));
        total
    }

    /// The last days on which something was counted.
    pub(crate) fn report(&self) -> Vec<(Day, Counted)> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let open = (0..2).filter_map(|place| Some((closed.days[place]?, self.open[place].read())));
        let mut days: Vec<_> = closed.before.iter().cloned().chain(open).collect();
        days.retain(|(_, counted)| *counted != Counted::default());
        days
    }

    fn place(day: Day) -> usize {
        usize::from(day.0.rem_euclid(2) == 1)
    }
}

/// What the whole process has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Answered calls.
    pub requests: u64,
    /// Of them: the model was chosen by us.
    pub routed: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Answered calls that were picked for another target.
    pub fallbacks: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// What they cost.
    pub cost: Nano,
    /// The estimated part of the cost.
    pub uncertain: Nano,
    /// Calls that were refused.
    pub refused: u64,
    /// Calls that were compared with their policy's baseline.
    pub compared: u64,
    /// What those cost at the baseline.
    pub baseline: Nano,
    /// What those cost by the choice, served or only observed.
    pub chosen: Nano,
}

impl Totals {
    pub(crate) fn add(&mut self, counted: &Counted) {
        self.requests += counted.requests;
        self.routed += counted.routed;
        self.failures += counted.failures;
        self.fallbacks += counted.fallbacks;
        self.input_tokens += counted.input;
        self.output_tokens += counted.output;
        self.cost = self.cost.saturating_add(Nano(counted.cost));
        self.uncertain = self.uncertain.saturating_add(Nano(counted.uncertain));
        self.compared += counted.compared;
        self.baseline = self.baseline.saturating_add(Nano(counted.baseline));
        self.chosen = self.chosen.saturating_add(Nano(counted.chosen));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn charge(cost: u64) -> Charge {
        Charge { cost: Nano(cost), ..Charge::default() }
    }

    #[test]
    fn days_stay_apart_however_late_a_call_settles() {
        let monday = Day::of("2026-11-23T23:59:59Z".parse().unwrap());
        let [tuesday, wednesday] = [Day(monday.0 + 1), Day(monday.0 + 2)];
        let counters = CallCounters::new(monday);
        counters.on(monday).charge(&charge(1));
        counters.turn_to(tuesday);
        counters.on(tuesday).charge(&charge(10));
        counters.on(monday).charge(&charge(2));
        counters.turn_to(wednesday);
        counters.on(wednesday).charge(&charge(100));
        let mut costs: Vec<_> =
            counters.report().into_iter().map(|(day, c)| (day.to_string(), c.cost)).collect();
        costs.sort();
        let expected = [("2026-11-23", 3), ("2026-11-24", 10), ("2026-11-25", 100)];
        assert_eq!(costs, expected.map(|(day, cost)| (day.to_owned(), cost)));
    }

    #[test]
    fn a_year_is_reported_by_its_last_days_and_counted_whole() {
        let first = Day::of("2026-01-01T00:00:00Z".parse().unwrap());
        let counters = CallCounters::new(first);
        for day in (0..365).map(|later| Day(first.0 + later)) {
            counters.turn_to(day);
            counters.on(day).charge(&charge(1));
        }
        assert_eq!((counters.report().len(), counters.total().cost), (DAYS_REPORTED + 2, 365));
    }

    #[test]
    fn latencies_fall_into_the_bucket_below_their_bound() {
        let tally = Tally::default();
        for millis in [0, 10, 11, 81_920, 81_921, 10_000_000] {
            tally.latency(Duration::from_millis(millis));
        }
        let counted = tally.read();
        assert_eq!((counted.latency[0], counted.latency[1]), (2, 1));
        assert_eq!((counted.latency[13], counted.latency[14]), (1, 2));
    }
}
