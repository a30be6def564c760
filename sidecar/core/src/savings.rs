//! What one call cost, beside what it would have cost at the baseline: the same call at the baseline's prices and answer
//! lengths.
//!
//! Whatever was really served counts as it was charged; only what did not happen is an expectation, over the input tokens
//! that were really used. Negative savings are savings too: nothing is rounded up to zero.

use pointsman_config::money::Nano;

use crate::account::Charge;
use crate::decide::Decision;
use crate::lengths::Expected;
use crate::snapshot::{CandMask, Snapshot};

/// One call, chosen and at the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// What it cost by the choice: charged, or expected where the choice was only observed.
    pub chosen: Nano,
    /// What it costs at the baseline: expected, or charged where the baseline served.
    pub baseline: Nano,
    /// Predicted quality of the choice.
    pub chosen_quality: f64,
    /// Predicted quality of the baseline.
    pub baseline_quality: f64,
}

/// How an answered call ended.
pub struct Answered<'a> {
    /// Position in the decision's `considered` of the candidate that answered.
    pub served: usize,
    /// Input tokens of the answered attempt.
    pub input: u64,
    /// How many answers were asked for.
    pub answers: u32,
    /// Everything that the call was charged, failed attempts included.
    pub charged: &'a Charge,
}

/// Compares an answered call; none where nothing was chosen, or a price is unknown.
///
/// `baseline` are the candidates of the baseline's model. Where it is empty a policy that observes is compared with what
/// was served, and one that routes with nothing.
pub fn compare(
    d: &Decision,
    snapshot: &Snapshot,
    baseline: CandMask,
    answered: &Answered<'_>,
    expected: &dyn Fn(usize) -> Expected,
) -> Option<Comparison> {
    let chosen = match (d.picked_at()?, &d.served) {
        (pick, Some(_)) => pick,
        // The choice was served, by the pick or by who stood in for it.
        (_, None) => answered.served,
    };
    let baseline = if baseline.has(answered.served) || (baseline.is_empty() && d.served.is_some()) {
        answered.served
    } else {
        // Several providers of the baseline: the cheapest, so that no saving is made up.
        baseline.iter().min_by_key(|i| d.considered[*i].expected_cost.unwrap_or(Nano::MAX))?
    };
    let cost = |candidate: usize| {
        if candidate == answered.served {
            return Some(answered.charged.cost);
        }
        let row = &d.considered[candidate];
        let (prices, expected) = (snapshot.targets[row.target].model.prices?, expected(row.target));
        let answers = answered.answers.max(1);
        let output = expected.output_within(row.step.output_bound / u64::from(answers)) * f64::from(answers);
        Some(expected.cost(&prices, answered.input, output))
    };
    let known = |candidate: usize| snapshot.targets[d.considered[candidate].target].model.prices.is_some();
    (known(chosen) && known(baseline)).then_some(())?;
    Some(Comparison {
        chosen: cost(chosen)?,
        baseline: cost(baseline)?,
        chosen_quality: d.considered[chosen].quality,
        baseline_quality: d.considered[baseline].quality,
    })
}
