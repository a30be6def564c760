//! How well one target (a model of a provider) has answered of late: how often, and how fast for the length of its answers.
//!
//! Every outcome weighs half as much after [`HALF_LIFE`]. Time is measured against what the model's prior expects of an
//! answer of that length, because a long answer is no slow one: a slowness of 2 is twice as long as expected. The peak
//! follows a slow answer at once and forgets it with [`PEAK_HALF_LIFE`].

use std::time::Duration;

use serde::Serialize;

use crate::time::Millis;

/// After so long an outcome counts half.
pub const HALF_LIFE: Duration = Duration::from_secs(300);
/// After so long a peak of slowness is half forgotten.
pub const PEAK_HALF_LIFE: Duration = Duration::from_secs(10);

/// What was seen of a target, with its age taken into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// How many outcomes it rests on, old ones counting less.
    pub outcomes: f64,
    /// Share of them that were answers; meaningless without outcomes.
    pub success: f64,
    /// How many answers its slowness rests on, old ones counting less.
    pub answers: f64,
    /// Mean time of an answer, in times that its prior expects; meaningless without answers.
    pub slowness: f64,
    /// Peak of the same.
    pub peak: f64,
    /// Attempts that are under way.
    pub in_flight: u32,
}

/// What is kept of one target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Track {
    outcomes: f64,
    successes: f64,
    answers: f64,
    slowness: f64,
    at: Millis,
    peak: f64,
    in_flight: u32,
}

impl Track {
    /// Notes that an attempt goes out.
    pub fn on_send(&mut self) {
        self.in_flight = self.in_flight.saturating_add(1);
    }

    /// Takes in that an attempt has ended without saying anything about its target.
    pub fn on_neutral(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Takes in a failure.
    pub fn on_failure(&mut self, now: Millis) {
        self.on_neutral();
        self.age(now);
        self.outcomes += 1.0;
    }

    /// Takes in an answer that took `ms` where its prior expected `expected_ms`.
    pub fn on_answer(&mut self, ms: f64, expected_ms: f64, now: Millis) {
        self.on_neutral();
        self.age(now);
        self.outcomes += 1.0;
        self.successes += 1.0;
        let slowness = ms / expected_ms;
        if slowness.is_finite() && slowness >= 0.0 {
            self.answers += 1.0;
            self.slowness += slowness;
            self.peak = self.peak.max(slowness);
        }
    }

    /// What is known at `now`.
    pub fn measured(&self, now: Millis) -> Measured {
        let mut aged = *self;
        aged.age(now);
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        Measured {
            outcomes: aged.outcomes,
            success: ratio(aged.successes, aged.outcomes),
            answers: aged.answers,
            slowness: ratio(aged.slowness, aged.answers),
            peak: aged.peak,
            in_flight: aged.in_flight,
        }
    }

    fn age(&mut self, now: Millis) {
        if now <= self.at {
            return;
        }
        let age = now.until(self.at);
        let keep = left(age, HALF_LIFE);
        self.outcomes *= keep;
        self.successes *= keep;
        self.answers *= keep;
        self.slowness *= keep;
        self.peak *= left(age, PEAK_HALF_LIFE);
        self.at = now;
    }
}

/// The share that is left after `age`.
fn left(age: Duration, half_life: Duration) -> f64 {
    (-age.as_secs_f64() / half_life.as_secs_f64()).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    #[test]
    fn an_outcome_counts_half_after_the_half_life() {
        let mut track = Track::default();
        track.on_failure(Millis(0));
        track.on_answer(3000.0, 1000.0, Millis(300 * SECOND));
        let seen = track.measured(Millis(300 * SECOND));
        assert_eq!((seen.outcomes, seen.answers, seen.slowness), (1.5, 1.0, 3.0));
        assert!((seen.success - 1.0 / 1.5).abs() < 1e-12);
        let later = track.measured(Millis(600 * SECOND));
        assert_eq!((later.outcomes, later.answers, later.slowness), (0.75, 0.5, 3.0));
    }

    #[test]
    fn the_peak_rises_at_once_and_halves_in_ten_seconds() {
        let mut track = Track::default();
        for slowness in [1.0, 4.0, 1.0] {
            track.on_answer(slowness * 500.0, 500.0, Millis(0));
        }
        assert_eq!((track.measured(Millis(0)).peak, track.measured(Millis(0)).slowness), (4.0, 2.0));
        assert_eq!(track.measured(Millis(20 * SECOND)).peak, 1.0);
    }

    #[test]
    fn attempts_under_way_are_those_sent_and_not_ended() {
        let mut track = Track::default();
        (0..4).for_each(|_| track.on_send());
        track.on_neutral();
        track.on_failure(Millis(1));
        track.on_answer(1.0, 1.0, Millis(1));
        assert_eq!(track.measured(Millis(1)).in_flight, 1);
    }

    #[test]
    fn nonsense_leaves_the_time_alone_and_a_clock_that_stands_ages_nothing() {
        let mut track = Track::default();
        for (ms, expected) in [(f64::NAN, 1.0), (1.0, 0.0), (f64::INFINITY, 1.0), (-1.0, 1.0)] {
            track.on_answer(ms, expected, Millis(5));
        }
        let seen = track.measured(Millis(0));
        assert_eq!((seen.outcomes, seen.success, seen.answers, seen.peak), (4.0, 1.0, 0.0, 0.0));
    }
}
