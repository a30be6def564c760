//! The shadow price: what one USD must buy in quality, steered so that spending meets its target.
//!
//! One lambda per policy, in quality per USD. After every decision it moves by a factor that grows with how far the
//! expected cost lies from the target per call, and settlement corrects it by what the call really cost: a
//! multiplicative update on the dual variable of the budget, as in online primal-dual packing (Buchbinder and Naor,
//! "The Design of Competitive Online Algorithms via a Primal-Dual Approach", 2009).

use pointsman_config::money::Nano;

/// How far one call moves the price.
const STEP: f64 = 0.02;
/// One call counts at most as so many targets, so that a single dear one does not throw the price off.
const LARGEST_ERROR: f64 = 4.0;
/// Below this a point of quality is worth more than any call costs.
pub const LOWEST: f64 = 1e-3;
/// Above this no quality is worth a nano-USD.
pub const HIGHEST: f64 = 1e9;

/// The price after a decision whose pick is expected to cost `expected`, with `target` per call.
pub fn on_decision(lambda: f64, target: Nano, expected: Nano) -> f64 {
    moved(lambda, (expected.as_usd() - target.as_usd()) / target.as_usd())
}

/// The price after the call was settled at `actual` instead of `expected`.
pub fn on_settlement(lambda: f64, target: Nano, expected: Nano, actual: Nano) -> f64 {
    moved(lambda, (actual.as_usd() - expected.as_usd()) / target.as_usd())
}

/// Where to start: the price at which the mix of candidates that just meets the target is indifferent.
///
/// `candidates` are (quality, expected cost in USD). The mix lies on the upper hull of quality over cost; lambda is the
/// slope of the segment at the target.
pub fn start(candidates: &[(f64, f64)], target: Nano) -> f64 {
    let hull = upper_hull(candidates);
    let target = target.as_usd();
    let slope = |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0) / (pair[1].1 - pair[0].1);
    let at_target = hull.windows(2).find(|pair| target < pair[1].1);
    at_target.map_or(LOWEST, slope).clamp(LOWEST, HIGHEST)
}

fn moved(lambda: f64, error: f64) -> f64 {
    let error = if error.is_finite() { error.clamp(-LARGEST_ERROR, LARGEST_ERROR) } else { 0.0 };
    (lambda.max(LOWEST) * (STEP * error).exp()).clamp(LOWEST, HIGHEST)
}

/// The candidates that some price picks, by rising cost.
fn upper_hull(candidates: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<_> =
        candidates.iter().copied().filter(|(q, c)| q.is_finite() && c.is_finite()).collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0)));
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in sorted {
        if hull.last().is_some_and(|best| point.0 <= best.0) {
            continue;
        }
        while let [.., a, b] = hull[..] {
            let (ab, ap) = ((b.0 - a.0) * (point.1 - a.1), (point.0 - a.0) * (b.1 - a.1));
            if ab <= ap {
                hull.pop()
            } else {
                break;
            };
        }
        hull.push(point);
    }
    hull
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATES: [(f64, f64); 4] = [(0.63, 0.00004), (0.65, 0.00025), (0.70, 0.0006), (0.60, 0.0003)];

    #[test]
    fn starts_at_the_slope_of_the_hull_at_the_target() {
        let usd = |text| Nano::parse_usd(text).expect("a decimal");
        // The model in the middle lies under the line between its neighbours.
        let slope = (0.70 - 0.63) / (0.0006 - 0.00004);
        assert!((start(&CANDIDATES, usd("0.0002")) - slope).abs() < 1e-9);
        assert_eq!(start(&CANDIDATES, usd("0.01")), LOWEST);
        assert_eq!(start(&[], usd("0.01")), LOWEST);
    }

    #[test]
    fn spending_converges_to_the_target_from_any_start() {
        let target = Nano(250_000);
        for first in
            [start(&CANDIDATES, target), start(&CANDIDATES, target) * 50.0, start(&CANDIDATES, target) / 50.0]
        {
            let mut lambda = first;
            let mut last_800 = Vec::new();
            for call in 0..2000 {
                let pick = CANDIDATES
                    .into_iter()
                    .max_by(|a, b| (a.0 - lambda * a.1).total_cmp(&(b.0 - lambda * b.1)))
                    .expect("candidates");
                let cost = Nano((pick.1 * 1e9) as u64);
                lambda = on_decision(lambda, target, cost);
                if call >= 1200 {
                    last_800.push(cost.as_usd());
                }
            }
            let mean = last_800.iter().sum::<f64>() / last_800.len() as f64;
            assert!((mean / target.as_usd() - 1.0).abs() < 0.1, "start {first}: {mean}");
        }
    }

    #[test]
    fn nonsense_does_not_move_the_price_out_of_its_bounds() {
        assert_eq!(on_decision(1.0, Nano(0), Nano(0)), 1.0);
        assert!(on_decision(HIGHEST, Nano(1), Nano::MAX) <= HIGHEST);
        assert!(on_settlement(LOWEST, Nano(1000), Nano::MAX, Nano(0)) >= LOWEST);
        assert!(on_decision(f64::NAN, Nano(1), Nano(1)) >= LOWEST);
    }
}
