//! Which authorities are trusted, and which one signs: pure, on a clock that is handed in.
//!
//! ```text
//! [current] ──begin──► [current, next] ──switch──► [current, previous] ──retire──► [current]
//!                        spread: everybody            overlap: every leaf of
//!                        learns to trust it           the old one has ended
//! ```

use std::time::Duration;

use jiff::Timestamp;

use super::authority::{Authority, LEAF, LIFE};

/// How long the turns of a rotation take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    /// How long a new authority is only trusted: kubelets look at ConfigMaps every minute or two, and clocks differ.
    pub(crate) spread: Duration,
    /// How long an old one is still trusted.
    pub(crate) overlap: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self { spread: Duration::from_secs(15 * 60), overlap: LEAF }
    }
}

/// The authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keyring {
    /// Signs.
    pub(super) current: Authority,
    /// Will sign.
    pub(super) next: Option<Authority>,
    /// Has signed; PEM.
    pub(super) previous: Option<String>,
    /// When it last turned.
    pub(super) since: Timestamp,
    /// Whether somebody asked for a rotation.
    pub(super) asked: bool,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Begin,
    Switch,
    Retire,
}

impl Keyring {
    pub(super) fn new(current: Authority, now: Timestamp) -> Self {
        Self { current, next: None, previous: None, since: now, asked: false }
    }

    /// Everything that must be trusted.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|authority| &authority.certificate);
        let all = [Some(&self.current.certificate), next, self.previous.as_ref()];
        all.into_iter().flatten().fold(String::new(), |mut bundle, certificate| {
            bundle.push_str(certificate.trim());
            bundle.push('\n');
            bundle
        })
    }

    /// What is due now, if anything.
    pub(super) fn due(&self, now: Timestamp, turns: Turns) -> Option<Turn> {
        // A clock that is behind the one that wrote `since` waits, it does not hurry.
        let passed = Duration::try_from(now.duration_since(self.since)).unwrap_or_default();
        match (&self.next, &self.previous) {
            (Some(_), _) => (passed >= turns.spread).then_some(Turn::Switch),
            (None, Some(_)) => (passed >= turns.overlap).then_some(Turn::Retire),
            (None, None) => (self.asked || passed >= LIFE * 2 / 3).then_some(Turn::Begin),
        }
    }

    /// The keyring after a turn; `fresh` is what a rotation begins with.
    pub(super) fn turned(
        self,
        turn: Turn,
        now: Timestamp,
        fresh: impl FnOnce() -> Result<Authority, super::TrustError>,
    ) -> Result<Self, super::TrustError> {
        let Self { current, next, previous, since: _, asked } = self;
        Ok(match (turn, next) {
            (Turn::Begin, _) => Self { current, next: Some(fresh()?), previous, since: now, asked: false },
            (Turn::Switch, Some(next)) => {
                Self { previous: Some(current.certificate), current: next, next: None, since: now, asked }
            }
            (Turn::Switch | Turn::Retire, next) => Self { current, next, previous: None, since: now, asked },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TURNS: Turns = Turns { spread: Duration::from_secs(600), overlap: Duration::from_secs(6000) };

    fn authority(name: &str) -> Authority {
        Authority { certificate: format!("{name}.crt"), key: format!("{name}.key") }
    }

    fn turn(keyring: Keyring, now: i64) -> Keyring {
        let now = Timestamp::from_second(now).unwrap();
        let due = keyring.due(now, TURNS).unwrap();
        keyring.turned(due, now, || Ok(authority("b"))).unwrap()
    }

    fn due(keyring: &Keyring, now: i64) -> Option<Turn> {
        keyring.due(Timestamp::from_second(now).unwrap(), TURNS)
    }

    #[test]
    fn a_rotation_trusts_before_it_signs_and_forgets_after_all_have_ended() {
        let mut keyring = Keyring::new(authority("a"), Timestamp::UNIX_EPOCH);
        assert_eq!((due(&keyring, 0), due(&keyring, 243 * 86_400)), (None, None));
        assert_eq!(due(&keyring, 244 * 86_400), Some(Turn::Begin));
        keyring.asked = true;
        let keyring = turn(keyring, 100);
        assert_eq!((keyring.current.certificate.as_str(), &*keyring.bundle()), ("a.crt", "a.crt\nb.crt\n"));
        assert_eq!(due(&keyring, 699), None);
        let keyring = turn(keyring, 700);
        assert_eq!((keyring.current.certificate.as_str(), &*keyring.bundle()), ("b.crt", "b.crt\na.crt\n"));
        assert_eq!(due(&keyring, 6699), None);
        let keyring = turn(keyring, 6700);
        assert_eq!((&*keyring.bundle(), due(&keyring, 6701)), ("b.crt\n", None));
    }

    #[test]
    fn a_clock_five_minutes_off_waits_or_hurries_by_no_more_than_that() {
        let mut keyring = Keyring::new(authority("a"), Timestamp::UNIX_EPOCH);
        keyring.asked = true;
        let keyring = turn(keyring, 1000);
        for (skew, before, after) in [(300, 1200, 1300), (-300, 1800, 1900)] {
            assert_eq!(due(&keyring, before + skew), None, "{skew}");
            assert_eq!(due(&keyring, after + skew), Some(Turn::Switch), "{skew}");
        }
        assert_eq!(due(&keyring, 0), None, "a clock before the turn itself");
    }
}
