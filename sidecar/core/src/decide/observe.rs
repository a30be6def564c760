//! Who serves while a policy only observes: the application's own choice, beside what would have been picked.

use pointsman_config::policy::Mode;

use super::View;
use super::admit::{Admit, Known, admit_as};
use super::decision::{Decision, Outcome};
use crate::facts::Facts;

/// Puts the application's own choice in front of what was `chosen`, where the policy only observes.
///
/// The own choice is the model that the caller named; for a virtual model `defaultModel`, else the baseline, else the
/// candidate with the highest prior quality, then the first name. It is what a disabled policy would serve, and it is
/// refused only where that would refuse: nothing that the choice leaves out is kept from the application.
pub fn observe(f: &Facts<'_>, v: &View<'_>, chosen: Decision) -> Decision {
    if v.policy.config.mode != Mode::Observe {
        return chosen;
    }
    let Admit::Decided(own) = admit_as(f, v, false, Known::Scored(chosen.complexity)) else { return chosen };
    match (&own.outcome, &chosen.outcome) {
        (Outcome::Picked(first, reason), Outcome::Picked(..)) => {
            Decision { served: Some((*first, reason.clone())), plan: own.plan, ..chosen }
        }
        // Nothing could be chosen: there is nothing to compare either.
        (Outcome::Picked(..) | Outcome::Refused(_), _) => own,
    }
}
