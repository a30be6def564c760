//! The shadow price: what one USD must buy in quality, steered so that spending meets its target.
//!
//! One lambda per policy, in quality per USD. A multiplicative update on the dual variable of the budget, as in online
//! primal-dual packing (Buchbinder and Naor, "The Design of Competitive Online Algorithms via a Primal-Dual Approach",
//! 2009), with two additions that make it find its way from a wrong start:
//!
//! - It aims at the target less what is owed: what was spent beyond the target so far is paid back over fifty calls.
//! - Its step grows with the running mean of the error: far from the target it strides, near it it creeps.
//!
//! It moves at the decision, by what the pick is expected to cost; settlement only corrects what is owed. So hundreds of
//! calls in flight are no delay for it, and their settlements cannot throw it about.

use pointsman_config::money::Nano;

/// How far one call moves the price when spending is on target.
const STEP: f64 = 0.02;
/// How much farther when every call misses the target by as much as the target itself.
const STRIDE: f64 = 0.1;
/// Over so many calls the running mean of the error is taken.
const MEAN_OVER: f64 = 25.0;
/// What is owed is paid back over so many calls.
const PAY_BACK: f64 = 50.0;
/// The aim stays within these multiples of the target while debts are paid or savings spent.
const AIM: (f64, f64) = (0.1, 2.0);
/// One call counts at most as so many targets, so that a single dear one does not throw the price off.
const LARGEST_ERROR: f64 = 4.0;
/// At most so many calls' targets are owed or saved: a quiet night does not pay for a wild morning.
const LARGEST_DEBT: f64 = 500.0;
/// Below this a point of quality is worth more than any call costs.
pub const LOWEST: f64 = 1e-3;
/// Above this no quality is worth a nano-USD.
pub const HIGHEST: f64 = 1e9;

/// The price of one policy, live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShadowPrice {
    lambda: f64,
    /// In targets: what was spent beyond the target; below zero what was saved.
    owed: f64,
    /// Running mean of the error, in targets.
    error: f64,
    /// How many calls that mean has seen, at most [`MEAN_OVER`].
    seen: f64,
}

impl ShadowPrice {
    /// A price from which to start.
    pub fn at(lambda: f64) -> Self {
        Self { lambda: bounded(lambda), owed: 0.0, error: 0.0, seen: 0.0 }
    }

    /// Quality per USD.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Calls' worth of the target that were spent too much; below zero too little.
    pub fn owed(&self) -> f64 {
        self.owed
    }

    /// Moves after a decision whose pick is expected to cost `expected`, with `target` per call.
    pub fn on_decision(&mut self, target: Nano, expected: Nano) {
        let Some(spent) = ratio(expected, target) else { return };
        let aim = (1.0 - self.owed / PAY_BACK).clamp(AIM.0, AIM.1);
        let error = (spent - aim).clamp(-LARGEST_ERROR, LARGEST_ERROR);
        self.seen = (self.seen + 1.0).min(MEAN_OVER);
        self.error += (error - self.error) / self.seen;
        let step = STEP + STRIDE * self.error.abs().min(1.0);
        self.lambda = bounded(self.lambda * (step * error).exp());
        self.owe(spent - 1.0);
    }

    /// Corrects what is owed after a call was settled at `actual` instead of `expected`.
    pub fn on_settlement(&mut self, target: Nano, expected: Nano, actual: Nano) {
        if let (Some(expected), Some(actual)) = (ratio(expected, target), ratio(actual, target)) {
            self.owe(actual - expected);
        }
    }

    /// Takes a price that was solved elsewhere over many calls, and its own steering from there.
    pub fn take(&mut self, lambda: f64) {
        self.lambda = bounded(lambda);
        (self.error, self.seen) = (0.0, 0.0);
    }

    /// Forgets what is owed: a new plan has counted it already.
    pub fn settle_up(&mut self) {
        self.owed = 0.0;
    }

    fn owe(&mut self, targets: f64) {
        self.owed = (self.owed + targets).clamp(-LARGEST_DEBT, LARGEST_DEBT);
    }
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

fn ratio(cost: Nano, target: Nano) -> Option<f64> {
    (target.0 > 0).then(|| cost.0 as f64 / target.0 as f64)
}

fn bounded(lambda: f64) -> f64 {
    if lambda.is_nan() { LOWEST } else { lambda.clamp(LOWEST, HIGHEST) }
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
    fn settlements_alone_never_move_the_price() {
        let mut price = ShadowPrice::at(100.0);
        (0..500).for_each(|_| price.on_settlement(Nano(1_000), Nano(1_000), Nano(3_000)));
        assert_eq!((price.lambda(), price.owed()), (100.0, 500.0));
    }

    #[test]
    fn what_was_overspent_is_paid_back_and_what_was_saved_is_spent() {
        let target = Nano(1_000);
        for (before, moves) in [(Nano(51_000), f64::gt as fn(&f64, &f64) -> bool), (Nano(0), f64::lt)] {
            let mut price = ShadowPrice::at(100.0);
            price.on_settlement(target, target, before);
            price.on_decision(target, target);
            assert!(moves(&price.lambda(), &100.0), "{before}: {}", price.lambda());
        }
    }

    #[test]
    fn strides_while_every_call_misses_and_creeps_near_the_target() {
        let moved = |before: usize| {
            let mut price = ShadowPrice::at(100.0);
            (0..before).for_each(|_| price.on_decision(Nano(1_000), Nano(3_000)));
            price.settle_up();
            let at = price.lambda();
            price.on_decision(Nano(1_000), Nano(1_500));
            price.lambda() / at
        };
        // Half a target too much: by the small step and half the stride, then by the small step and the whole stride.
        assert!((moved(0).ln() - (STEP + STRIDE * 0.5) * 0.5).abs() < 1e-9, "{}", moved(0));
        assert!((moved(25).ln() - (STEP + STRIDE) * 0.5).abs() < 1e-9, "{}", moved(25));
    }

    #[test]
    fn nonsense_does_not_move_the_price_out_of_its_bounds() {
        let mut price = ShadowPrice::at(1.0);
        price.on_decision(Nano(0), Nano(0));
        assert_eq!(price, ShadowPrice::at(1.0));
        assert_eq!(ShadowPrice::at(f64::NAN).lambda(), LOWEST);
        let mut price = ShadowPrice::at(HIGHEST);
        price.on_decision(Nano(1), Nano::MAX);
        assert_eq!((price.lambda(), price.owed()), (HIGHEST, LARGEST_DEBT));
        let mut price = ShadowPrice::at(LOWEST);
        (0..1000).for_each(|_| price.on_decision(Nano(1_000), Nano(0)));
        price.on_settlement(Nano(1_000), Nano::MAX, Nano(0));
        assert_eq!((price.lambda(), price.owed()), (LOWEST, -LARGEST_DEBT));
    }
}
