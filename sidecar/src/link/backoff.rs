//! How long to wait before the next connection: full jitter, so that a thousand sidecars do not return together.

use std::time::Duration;

use crate::chance::Chance;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(10);

/// Grows with each failure in a row.
pub(super) struct Backoff {
    failures: u32,
    chance: Chance,
}

impl Backoff {
    pub(super) fn new(chance: Chance) -> Self {
        Self { failures: 0, chance }
    }

    /// The stream worked: the next failure is the first again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Anything from nothing to twice as much as last time, at most ten seconds.
    pub(super) fn next(&mut self) -> Duration {
        let most = (FIRST * 2u32.saturating_pow(self.failures.min(16))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(self.chance.fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_spread_over_all_of_them() {
        let mut backoff = Backoff::new(Chance::seeded(42));
        assert!(backoff.next() <= FIRST);
        let later: Vec<Duration> = (0..200).map(|_| backoff.next()).skip(10).collect();
        assert!(later.iter().all(|wait| *wait <= LONGEST));
        assert!(
            later.iter().any(|wait| *wait < LONGEST / 10)
                && later.iter().any(|wait| *wait > LONGEST * 9 / 10)
        );
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
