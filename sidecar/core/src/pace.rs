//! What may one call cost on average, so that the money of a window lasts to its end?
//!
//! What is left is spread over the calls that are still expected: the rate of late times the time that is left. Asked again
//! all the time, so that a forecast which was wrong is made good by the next. Pure: the clock is the caller's.

use std::time::Duration;

use pointsman_config::money::Nano;

/// The rate of calls forgets half of what it knew in so much time.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// Near its end a window is taken to last at least this share of its length: the last call may not spend all that is left.
const LEAST_LEFT: f64 = 0.01;
/// Money without an end is spread over as many calls again as there were, and over at least so many.
const LEAST_CALLS: f64 = 1000.0;
/// Before anything was counted.
const FIRST_RATE: f64 = 1.0;

/// How many calls come per second, of late.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    calls: f64,
    seconds: f64,
    total: u64,
}

impl Rate {
    /// Takes in that `total` calls were counted by now, `elapsed` after the last time.
    pub fn observe(&mut self, total: u64, elapsed: Duration) {
        let keep = 0.5f64.powf(elapsed.as_secs_f64() / HALF_LIFE.as_secs_f64());
        self.calls = self.calls * keep + total.saturating_sub(self.total) as f64;
        self.seconds = self.seconds * keep + elapsed.as_secs_f64();
        self.total = total;
    }

    /// Takes in calls of which nobody knows when they came.
    pub fn add_untimed(&mut self, calls: u64) {
        self.total = self.total.saturating_add(calls);
    }

    /// The rate of several sources together, each observed at the same moments.
    pub fn joined<'a>(rates: impl Iterator<Item = &'a Self>) -> Self {
        rates.fold(Self::default(), |sum, rate| Self {
            calls: sum.calls + rate.calls,
            seconds: sum.seconds.max(rate.seconds),
            total: sum.total.saturating_add(rate.total),
        })
    }

    /// Calls per second.
    pub fn per_second(&self) -> f64 {
        // As if one second at the first rate had been seen, so that the very first calls are no forecast.
        (self.calls + FIRST_RATE) / (self.seconds + 1.0)
    }

    /// How many calls there were in all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// The time of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLeft {
    /// Until its end.
    pub left: Duration,
    /// From its start to its end.
    pub window: Duration,
}

/// What one call may cost on average. `time` is none for money without an end; never zero, so that it can be aimed at.
pub fn per_call(left: Nano, time: Option<TimeLeft>, rate: &Rate) -> Nano {
    let calls = match time {
        Some(time) => {
            let least = time.window.as_secs_f64() * LEAST_LEFT;
            rate.per_second() * time.left.as_secs_f64().max(least)
        }
        None => (rate.total() as f64).max(LEAST_CALLS),
    };
    Nano(((left.0 as f64 / calls.max(1.0)) as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_left_is_spread_over_the_calls_that_are_still_expected() {
        let mut rate = Rate::default();
        (1..=3600).for_each(|second| rate.observe(second * 10, seconds(1)));
        assert!((rate.per_second() - 10.0).abs() < 0.1, "{rate:?}");
        let hours = |left: u64| Some(TimeLeft { left: seconds(left * 3600), window: seconds(86_400) });
        let day = per_call(Nano(864_000_000), hours(24), &rate).0;
        assert!((990..=1010).contains(&day), "{day}");
        let half = per_call(Nano(864_000_000), hours(12), &rate).0;
        assert!((1980..=2020).contains(&half), "{half}");
        // At the very end as if a hundredth of the day were left.
        let end = per_call(Nano(864_000_000), hours(0), &rate).0;
        assert!((99_000..=101_000).contains(&end), "{end}");
    }

    #[test]
    fn money_without_an_end_lasts_as_many_calls_again() {
        let mut rate = Rate::default();
        assert_eq!(per_call(Nano(1_000_000), None, &rate), Nano(1_000));
        rate.observe(4_000, seconds(60));
        assert_eq!(per_call(Nano(1_000_000), None, &rate), Nano(250));
        assert_eq!(per_call(Nano(0), None, &rate), Nano(1));
    }

    #[test]
    fn a_new_rate_is_believed_within_minutes() {
        let mut rate = Rate::default();
        let mut total = 0;
        for per_second in [10, 100] {
            for _ in 0..1800 {
                total += per_second;
                rate.observe(total, seconds(1));
            }
        }
        assert!((95.0..=100.0).contains(&rate.per_second()), "{rate:?}");
        // A counter that starts anew is no negative rate.
        rate.observe(0, seconds(1));
        assert!(rate.per_second() > 0.0);
    }
}
