//! Whether a policy's spend target can be met at all.

use pointsman_config::entry::{Compiled, Entry, State};
use pointsman_config::money::Nano;
use pointsman_core::dual::{Offer, cheapest};
use pointsman_crds::{ConditionType, Reason};

use crate::compile::Verdict;

/// Says so when even the cheapest candidate of each recent call costs more than the target; none where there is no target
/// per call, or nothing is known yet.
pub(super) fn too_low(entry: &Entry, sample: &[&Vec<Offer>]) -> Option<Verdict> {
    let State::Valid(Compiled::Policy(policy)) = &entry.state else { return None };
    let thousand = policy.strategy.spend_per_thousand_calls?;
    let least = cheapest(sample)? * 1000.0;
    if least <= thousand.as_usd() {
        let message = "Recent calls show candidates that are cheap enough for spec.strategy.spendTarget.";
        return Some(Verdict::new(ConditionType::TargetTooLow, false, Reason::WithinReach, message));
    }
    let message = format!(
        "1000 calls cost at least ${}, by the cheapest candidate of each of {} recent calls, and spec.strategy.spendTarget \
         is ${thousand}: the cheapest answer every call. Raise the target, or add a cheaper candidate.",
        Nano((least * 1e9).round() as u64),
        sample.len(),
    );
    Some(Verdict::new(ConditionType::TargetTooLow, true, Reason::BelowCheapest, message))
}
