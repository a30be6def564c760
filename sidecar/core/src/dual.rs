//! The one price at which many recorded choices would have cost just so much each: the dual of the budget over a sample.
//!
//! Choosing one candidate per call so that the sum of quality is largest and the sum of cost stays within a budget is a
//! linear program with one coupling row. Its dual has one variable, lambda, and for a given lambda every call is on its
//! own: the largest quality - lambda x cost. What they cost together falls as lambda rises, so lambda is found by bisection.

use crate::shadow::{HIGHEST, LOWEST};

/// Halvings of the logarithm of lambda: from twelve decades down to a relative error below 1e-12.
const STEPS: u32 = 50;

/// One candidate of one call: predicted quality and expected cost in USD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// Predicted probability of a good answer.
    pub quality: f64,
    /// Expected cost in USD.
    pub cost: f64,
}

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solved {
    /// The price, in quality per USD; the lowest one where the budget is never reached.
    pub lambda: f64,
    /// The bound on quality per call that this price proves: nobody can do better within the budget.
    pub bound: f64,
}

/// Finds the price at which `calls` cost at most `per_call` USD on average; none where even the cheapest candidates cost
/// more, or where there is nothing to choose.
pub fn solve<C: AsRef<[Offer]>>(calls: &[C], per_call: f64) -> Option<Solved> {
    let budget = per_call * calls.len() as f64;
    let spent = |lambda: f64| {
        calls.iter().filter_map(|call| best(call.as_ref(), lambda)).map(|o| o.cost).sum::<f64>()
    };
    if calls.is_empty() || !budget.is_finite() || spent(HIGHEST) > budget {
        return None;
    }
    let (mut low, mut high) = (LOWEST, HIGHEST);
    if spent(low) <= budget {
        high = low;
    }
    for _ in 0..STEPS {
        let middle = (low * high).sqrt();
        if spent(middle) > budget { low = middle } else { high = middle }
    }
    let value = |lambda: f64| {
        let each = calls.iter().filter_map(|call| best(call.as_ref(), lambda));
        let sum: f64 = each.map(|offer| offer.quality - lambda * offer.cost).sum();
        (sum + lambda * budget) / calls.len() as f64
    };
    Some(Solved { lambda: high, bound: value(high) })
}

/// The least that a call of the sample can cost, in USD on average.
pub fn cheapest<C: AsRef<[Offer]>>(calls: &[C]) -> Option<f64> {
    let least = |call: &C| call.as_ref().iter().map(|offer| offer.cost).min_by(f64::total_cmp);
    let sum: f64 = calls.iter().filter_map(least).sum();
    (!calls.is_empty()).then(|| sum / calls.len() as f64)
}

/// The best of a call at a price; ties go to the cheaper.
fn best(call: &[Offer], lambda: f64) -> Option<Offer> {
    let usable = call.iter().filter(|offer| offer.quality.is_finite() && offer.cost.is_finite());
    usable.copied().max_by(|a, b| {
        let worth = |offer: &Offer| offer.quality - lambda * offer.cost;
        worth(a).total_cmp(&worth(b)).then(b.cost.total_cmp(&a.cost))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: [Offer; 3] = [
        Offer { quality: 0.8, cost: 0.010 },
        Offer { quality: 0.6, cost: 0.001 },
        Offer { quality: 0.5, cost: 0.005 },
    ];

    #[test]
    fn the_price_is_the_slope_where_the_budget_binds() {
        let slope = (0.8 - 0.6) / (0.010 - 0.001);
        let solved = solve(&[CALL, CALL], 0.005).expect("a price");
        assert!((solved.lambda / slope - 1.0).abs() < 1e-9, "{solved:?}");
        // The bound is that of the mix that spends the budget: 4/9 of the calls by the dear one.
        assert!((solved.bound - (0.6 + 0.2 * 4.0 / 9.0)).abs() < 1e-9, "{solved:?}");
    }

    #[test]
    fn a_budget_that_is_never_reached_has_the_lowest_price() {
        assert_eq!(solve(&[CALL], 1.0).map(|s| s.lambda), Some(LOWEST));
    }

    #[test]
    fn a_budget_below_the_cheapest_has_no_price() {
        assert_eq!(solve(&[CALL], 0.0009), None);
        assert_eq!(cheapest(&[CALL, CALL]), Some(0.001));
        assert_eq!(solve::<[Offer; 0]>(&[], 1.0), None);
    }

    #[test]
    fn what_is_no_number_is_never_chosen() {
        let strange = [Offer { quality: f64::NAN, cost: 0.0 }, CALL[1]];
        assert_eq!(solve(&[strange], 0.002).map(|s| s.bound), solve(&[[CALL[1]]], 0.002).map(|s| s.bound));
    }
}
