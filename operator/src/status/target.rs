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
    let window =
        strategy.spend_per_window.as_ref().and(allowance).map(|nano| Nano(nano.0.saturating_mul(1000)));
    let (thousand, is_window) = match (strategy.spend_per_thousand_calls, window) {
        (Some(thousand), window) if window.is_none_or(|window| thousand <= window) => (thousand, false),
        (_, Some(window)) => (window, true),
        _ => return None,
    };
    if least <= thousand.as_usd() {
        let message = "Recent calls show candidates that are cheap enough for spec.strategy.spendTarget.";
        return Some(Verdict::new(ConditionType::TargetTooLow, false, Reason::WithinReach, message));
    }
    let least = Nano((least * 1e9).round() as u64);
    let target = if is_window {
        format!(
            "at the present rate of calls spec.strategy.spendTarget leaves ${thousand} for them until its window ends"
        )
    } else {
        format!("spec.strategy.spendTarget is ${thousand}")
    };
    let message = format!(
        "1000 calls cost at least ${least}, by the cheapest candidate of each of {} recent calls, and {target}: \
         the cheapest answer every call. Raise the target, or add a cheaper candidate.",
        sample.len(),
    );
    Some(Verdict::new(ConditionType::TargetTooLow, true, Reason::BelowCheapest, message))
}
