//! What a policy saved, or would have saved: the same calls at the baseline's prices and answer lengths.

use pointsman_config::money::Nano;
use pointsman_crds::v1alpha1::routingpolicy::{Mode, SavingsStatus};

use super::figures;
use crate::accounts::Calls;
use crate::compile::PolicyFacts;

const METHOD: &str = "same calls at the baseline's prices and answer lengths";
const OWN_CHOICE: &str = "own choice";

/// What savings are measured against; `-` for nothing.
pub(super) fn baseline(facts: &PolicyFacts) -> &str {
    match (&facts.baseline, facts.mode) {
        (Some(model), _) => model,
        (None, Mode::Observe) => OWN_CHOICE,
        (None, Mode::Route | Mode::Disabled) => "-",
    }
}

/// The figures of today; none before a call was compared.
pub(super) fn savings(facts: &PolicyFacts, calls: &Calls) -> Option<SavingsStatus> {
    (calls.compared > 0).then(|| SavingsStatus {
        baseline: baseline(facts).to_owned(),
        baseline_cost: Nano(calls.baseline).to_string(),
        baseline_quality: mean(calls.baseline_quality, calls.compared),
        calls: i64::try_from(calls.compared).unwrap_or(i64::MAX),
        cost: Nano(calls.chosen).to_string(),
        method: METHOD.to_owned(),
        quality: mean(calls.chosen_quality, calls.compared),
        saved: signed(calls, |nano| Nano(nano).to_string()),
    })
}

/// `$64.51 (74%)`, `-$1.20 (-3%)`; in brackets, without the share, while nothing of it was served.
pub(super) fn cell(mode: Mode, calls: &Calls) -> String {
    if calls.compared == 0 {
        return "-".to_owned();
    }
    let saved = signed(calls, figures::money);
    if mode == Mode::Observe {
        return format!("({saved})");
    }
    let share = figures::share(calls.baseline.abs_diff(calls.chosen), calls.baseline);
    let minus = if calls.chosen > calls.baseline { "-" } else { "" };
    share.map_or_else(|| saved.clone(), |share| format!("{saved} ({minus}{share}%)"))
}

fn signed(calls: &Calls, show: impl Fn(u64) -> String) -> String {
    let minus = if calls.chosen > calls.baseline { "-" } else { "" };
    format!("{minus}{}", show(calls.baseline.abs_diff(calls.chosen)))
}

/// Four decimals of a mean of millionths.
fn mean(sum: u64, count: u64) -> String {
    format!("{:.4}", sum as f64 / 1e6 / count.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(baseline: u64, chosen: u64) -> Calls {
        Calls { compared: 2, baseline, chosen, ..Calls::default() }
    }

    #[test]
    fn savings_are_told_with_their_sign() {
        let usd = |cents: u64| cents * 10_000_000;
        for (mode, baseline, chosen, expected) in [
            (Mode::Route, 8_761, 2_310, "$64.51 (73%)"),
            (Mode::Route, 100, 103, "-$0.03 (-3%)"),
            (Mode::Observe, 4_177, 1_197, "($29.80)"),
            (Mode::Observe, 100, 220, "(-$1.20)"),
            (Mode::Route, 0, 0, "$0.00"),
        ] {
            assert_eq!(cell(mode, &calls(usd(baseline), usd(chosen))), expected);
        }
        assert_eq!(cell(Mode::Route, &Calls::default()), "-");
    }
}
