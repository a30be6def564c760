//! The health of one target (a model of a provider): circuit breaker, rate-limit cool-down, rejected credential.
//!
//! Pure and on the caller's clock. Consecutive errors open the circuit; when its time is over, one call probes; success
//! closes it, failure doubles the time up to sixty times the first one. Calls that were under way when it opened change
//! nothing by failing too. A 429 cools the target down without counting as an error, whatever others answer meanwhile.
//! A rejected credential keeps the target out until the credential changes.

use std::time::Duration;

use pointsman_config::provider::CircuitBreaker;
use serde::Serialize;

use crate::time::Millis;

const LONGEST_COOL_DOWN: Duration = Duration::from_secs(300);
const DEFAULT_COOL_DOWN: Duration = Duration::from_secs(5);
const LONGEST_OPEN_FACTOR: u32 = 60;
/// A rejected credential is tried again after this, in case it was mended at the provider.
const CREDENTIAL_RETRY: Duration = Duration::from_secs(30);

/// What an attempt said about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It answered.
    Success,
    /// It failed, and the target is to blame.
    Error,
    /// It asked to be left alone, for this long if it said so.
    RateLimited(Option<Duration>),
    /// It refused our key.
    CredentialRejected,
    /// The attempt says nothing about the target: the caller's mistake, or the caller left.
    Neutral,
}

/// Whether a target can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all_fields = "camelCase")]
pub enum HealthRow {
    /// Yes.
    Healthy,
    /// Errors opened the circuit; a probe goes out at this moment, or is out already.
    CircuitOpen {
        /// How many errors in a row.
        errors: u32,
        /// When the next probe may go out.
        until: Millis,
    },
    /// The provider limits our rate.
    RateLimited {
        /// Until when.
        until: Millis,
    },
    /// The provider refuses our key.
    CredentialRejected {
        /// When it is tried again.
        until: Millis,
    },
}

/// The health of one target.
#[derive(Clone, Debug, Default)]
pub struct Health {
    errors: u32,
    opened: u32,
    open_until: Option<Millis>,
    limited_until: Option<Millis>,
    rejected_until: Option<Millis>,
    probe_until: Option<Millis>,
}

impl Health {
    /// How the target stands at `now`.
    pub fn row(&self, now: Millis) -> HealthRow {
        let ahead = |moment: Option<Millis>| moment.filter(|until| *until > now);
        if let Some(until) = ahead(self.rejected_until) {
            HealthRow::CredentialRejected { until }
        } else if let Some(until) = ahead(self.open_until).or_else(|| ahead(self.probe_until)) {
            HealthRow::CircuitOpen { errors: self.errors, until }
        } else if let Some(until) = ahead(self.limited_until) {
            HealthRow::RateLimited { until }
        } else {
            HealthRow::Healthy
        }
    }

    /// Notes that an attempt goes out; on a target whose circuit is half open it is the one probe, for at most `patience`.
    pub fn on_send(&mut self, now: Millis, patience: Duration) {
        if self.open_until.is_some() {
            self.probe_until = Some(now.after(patience));
        }
    }

    /// Takes in how an attempt ended.
    pub fn on_outcome(&mut self, signal: Signal, now: Millis, breaker: &CircuitBreaker) {
        self.probe_until = None;
        match signal {
            // An answer that was under way says nothing about the rate.
            Signal::Success => *self = Self { limited_until: self.limited_until, ..Self::default() },
            Signal::Error => self.count_error(now, breaker),
            Signal::RateLimited(wait) => {
                let wait = wait.unwrap_or(DEFAULT_COOL_DOWN).min(LONGEST_COOL_DOWN);
                self.limited_until = self.limited_until.max(Some(now.after(wait)));
            }
            Signal::CredentialRejected => self.rejected_until = Some(now.after(CREDENTIAL_RETRY)),
            Signal::Neutral => {}
        }
    }

    /// Forgets a rejected credential: there is a new one.
    pub fn on_new_credential(&mut self) {
        self.rejected_until = None;
    }

    fn count_error(&mut self, now: Millis, breaker: &CircuitBreaker) {
        self.errors = self.errors.saturating_add(1);
        if self.open_until.is_some_and(|until| until > now) {
            return;
        }
        let was_half_open = self.open_until.is_some();
        if was_half_open || self.errors >= breaker.consecutive_errors {
            let factor =
                1u32.checked_shl(self.opened).unwrap_or(LONGEST_OPEN_FACTOR).min(LONGEST_OPEN_FACTOR);
            self.open_until = Some(now.after(breaker.open_for * factor));
            self.opened = self.opened.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: CircuitBreaker =
        CircuitBreaker { consecutive_errors: 3, open_for: Duration::from_millis(1000) };

    fn after_errors(count: u32, at: u64) -> Health {
        let mut health = Health::default();
        (0..count).for_each(|_| health.on_outcome(Signal::Error, Millis(at), &BREAKER));
        health
    }

    #[test]
    fn opens_after_errors_in_a_row_and_closes_on_the_probes_success() {
        assert_eq!(after_errors(2, 0).row(Millis(0)), HealthRow::Healthy);
        let mut health = after_errors(3, 0);
        assert_eq!(health.row(Millis(999)), HealthRow::CircuitOpen { errors: 3, until: Millis(1000) });
        assert_eq!(health.row(Millis(1000)), HealthRow::Healthy);
        health.on_send(Millis(1000), Duration::from_millis(500));
        assert_eq!(health.row(Millis(1100)), HealthRow::CircuitOpen { errors: 3, until: Millis(1500) });
        health.on_outcome(Signal::Success, Millis(1200), &BREAKER);
        assert_eq!(health.row(Millis(1200)), HealthRow::Healthy);
    }

    #[test]
    fn calls_that_fail_together_open_the_circuit_once() {
        let mut health = after_errors(64, 10);
        assert_eq!(health.row(Millis(10)), HealthRow::CircuitOpen { errors: 64, until: Millis(1010) });
        health.on_send(Millis(1010), Duration::from_millis(10));
        health.on_outcome(Signal::Error, Millis(1010), &BREAKER);
        assert_eq!(health.row(Millis(1010)), HealthRow::CircuitOpen { errors: 65, until: Millis(3010) });
    }

    #[test]
    fn stays_open_twice_as_long_after_each_failed_probe_up_to_sixty_times() {
        let mut health = after_errors(3, 0);
        let mut now = Millis(1000);
        let mut waits = Vec::new();
        for _ in 0..8 {
            health.on_send(now, Duration::from_millis(10));
            health.on_outcome(Signal::Error, now, &BREAKER);
            let HealthRow::CircuitOpen { until, .. } = health.row(now) else { panic!("open") };
            waits.push(until.0 - now.0);
            now = until;
        }
        assert_eq!(waits, [2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]);
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let mut health = after_errors(2, 0);
        health.on_outcome(Signal::Success, Millis(1), &BREAKER);
        health.on_outcome(Signal::Error, Millis(2), &BREAKER);
        assert_eq!(health.row(Millis(2)), HealthRow::Healthy);
    }

    #[test]
    fn a_rate_limit_cools_down_without_opening_the_circuit() {
        for (told, waited) in [(Some(2), 2_000), (None, 5_000), (Some(9_999), 300_000)] {
            let mut health = Health::default();
            health.on_outcome(Signal::RateLimited(told.map(Duration::from_secs)), Millis(0), &BREAKER);
            health.on_outcome(Signal::Success, Millis(1), &BREAKER);
            assert_eq!(health.row(Millis(1)), HealthRow::RateLimited { until: Millis(waited) });
            assert_eq!(health.row(Millis(waited)), HealthRow::Healthy);
        }
    }

    #[test]
    fn a_rejected_credential_keeps_the_target_out_until_it_changes() {
        let mut health = Health::default();
        health.on_outcome(Signal::CredentialRejected, Millis(0), &BREAKER);
        assert!(matches!(health.row(Millis(10)), HealthRow::CredentialRejected { .. }));
        health.on_new_credential();
        assert_eq!(health.row(Millis(10)), HealthRow::Healthy);
    }

    #[test]
    fn a_probe_that_says_nothing_frees_the_place_for_the_next() {
        let mut health = after_errors(3, 0);
        health.on_send(Millis(1000), Duration::from_secs(60));
        health.on_outcome(Signal::Neutral, Millis(1001), &BREAKER);
        assert_eq!(health.row(Millis(1001)), HealthRow::Healthy);
    }
}
