//! Whether a policy's spend target can be met at all.

use pointsman_config::entry::{Compiled, Entry, State};
use pointsman_config::money::Nano;
use pointsman_core::dual::{Offer, cheapest};
use pointsman_crds::{ConditionType, Reason};

use crate::compile::Verdict;

/// Says so when even the cheapest candidate of each recent call costs more than the target leaves for a call: by itself, or
/// spread over the calls that its window still expects. None where there is no target, or nothing is known yet.
pub(super) fn too_low(entry: &Entry, sample: &[&Vec<Offer>], allowance: Option<Nano>) -> Option<Verdict> {
    let State::Valid(Compiled::Policy(policy)) = &entry.state else { return None };
    let strategy = &policy.strategy;
    let least = cheapest(sample)? * 1000.0;
    let (thousand, target) = match (strategy.spend_per_thousand_calls, &strategy.spend_per_window) {
        (Some(thousand), _) => (thousand, format!("spec.strategy.spendTarget is ${thousand}")),
        (None, Some(_)) => {
            let left = Nano(allowance?.0.saturating_mul(1000));
            let target = format!(
                "at the present rate of calls spec.strategy.spendTarget leaves ${left} for them until its window ends"
            );
            (left, target)
        }
        (None, None) => return None,
    };
    if least <= thousand.as_usd() {
        let message = "Recent calls show candidates that are cheap enough for spec.strategy.spendTarget.";
        return Some(Verdict::new(ConditionType::TargetTooLow, false, Reason::WithinReach, message));
    }
    let least = Nano((least * 1e9).round() as u64);
    let message = format!(
        "1000 calls cost at least ${least}, by the cheapest candidate of each of {} recent calls, and {target}: \
         the cheapest answer every call. Raise the target, or add a cheaper candidate.",
        sample.len(),
    );
    Some(Verdict::new(ConditionType::TargetTooLow, true, Reason::BelowCheapest, message))
}
