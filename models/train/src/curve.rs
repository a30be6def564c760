//! Quality against spend: what a way of choosing would have earned at every price, and what a blind mix earns.

use crate::solve::Table;

/// (mean cost, mean quality) per call.
pub type Point = (f64, f64);

/// Shares of the strongest model's cost at which curves are compared.
pub const SPENDS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

const PRICES: usize = 240;

/// What really happened, for every call and model.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// How good each answer was.
    pub quality: &'a Table,
    /// What each call cost.
    pub cost: &'a Table,
}

impl Truth<'_> {
    /// Means per model.
    pub fn models(&self) -> Vec<Point> {
        let mean = |table: &Table, column: usize| {
            (0..table.rows()).map(|row| table.row(row)[column]).sum::<f64>() / table.rows().max(1) as f64
        };
        (0..self.quality.columns).map(|i| (mean(self.cost, i), mean(self.quality, i))).collect()
    }

    /// The model of the highest quality; the cheaper of equals.
    pub fn strongest(&self) -> Point {
        let better = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1).then(b.0.total_cmp(&a.0));
        self.models().iter().max_by(better).copied().unwrap_or_default()
    }

    /// What comes of these choices.
    pub fn of(&self, choices: impl Iterator<Item = usize>) -> Point {
        let (mut cost, mut quality, mut count) = (0.0, 0.0, 0.0);
        for (row, choice) in choices.enumerate() {
            cost += self.cost.row(row)[choice];
            quality += self.quality.row(row)[choice];
            count += 1.0;
        }
        if count > 0.0 { (cost / count, quality / count) } else { (0.0, 0.0) }
    }
}

/// The choice at one price: the highest quality less the price of its cost; the cheaper, then the first of equals.
pub fn choice(quality: &[f64], cost: &[f64], price: f64) -> usize {
    let worth = |i: usize| quality[i] - price * cost[i];
    let better = |a: &usize, b: &usize| {
        worth(*a).total_cmp(&worth(*b)).then(cost[*b].total_cmp(&cost[*a])).then(b.cmp(a))
    };
    (0..quality.len()).max_by(better).unwrap_or_default()
}

/// The curve of one price over all calls: one point per price, by rising cost.
pub fn by_price(predicted: &Table, expected: &Table, truth: Truth<'_>) -> Vec<Point> {
    let mut points: Vec<Point> = prices(expected)
        .into_iter()
        .map(|price| {
            truth.of((0..predicted.rows()).map(|row| choice(predicted.row(row), expected.row(row), price)))
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points
}

/// Prices from "cost is nothing" to "quality is nothing", for costs of this size.
pub fn prices(expected: &Table) -> Vec<f64> {
    let largest = expected.numbers.iter().copied().fold(0.0, f64::max);
    let unit = if largest > 0.0 { 1.0 / largest } else { 1.0 };
    let steps = (0..PRICES).map(|i| unit * 10f64.powf(-3.0 + 6.5 * i as f64 / (PRICES - 1) as f64));
    std::iter::once(0.0).chain(steps).collect()
}

/// The curve that knows the answers: luck is in it, since every model answered once.
pub fn oracle(expected: &Table, truth: Truth<'_>) -> Vec<Point> {
    by_price(truth.quality, expected, truth)
}

/// The best that mixing models blindly earns: the upper hull of the models, by rising cost.
pub fn blind(models: &[Point]) -> Vec<Point> {
    let mut sorted = models.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut hull: Vec<Point> = Vec::new();
    for point in sorted {
        if hull.last().is_some_and(|best| point.1 <= best.1) {
            continue;
        }
        while let [.., a, b] = hull[..] {
            if (b.1 - a.1) * (point.0 - a.0) > (point.1 - a.1) * (b.0 - a.0) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The quality of a curve at a cost: between points a mix of both, beyond its ends that of the end.
pub fn quality_at(curve: &[Point], cost: f64) -> f64 {
    let after = curve.partition_point(|point| point.0 <= cost);
    match (after.checked_sub(1).map(|i| curve[i]), curve.get(after)) {
        (Some(before), Some(next)) => {
            before.1 + (next.1 - before.1) * (cost - before.0) / (next.0 - before.0)
        }
        (Some(last), None) => last.1,
        (None, Some(first)) => first.1,
        (None, None) => f64::NAN,
    }
}

/// The least cost at which a curve reaches a quality.
pub fn cost_for(curve: &[Point], quality: f64) -> Option<f64> {
    let at = curve.iter().position(|point| point.1 >= quality)?;
    let Some(before) = at.checked_sub(1).map(|i| curve[i]) else { return Some(curve[at].0) };
    Some(before.0 + (curve[at].0 - before.0) * (quality - before.1) / (curve[at].1 - before.1))
}

/// How much better a curve is than the blind mix at each of [`SPENDS`].
pub fn gains(curve: &[Point], mix: &[Point], strongest: Point) -> [f64; 10] {
    SPENDS.map(|share| quality_at(curve, share * strongest.0) - quality_at(mix, share * strongest.0))
}

/// The share of the gap between two models that is recovered, averaged over all shares of calls to the strong one, when
/// calls go to it by falling `worth`: 0.5 is a coin.
pub fn recovered_gap(worth: &[f64], weak: &[f64], strong: &[f64]) -> f64 {
    let n = worth.len();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
    let (low, high) = (mean(weak), mean(strong));
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
    let (mut quality, mut area, mut last) = (low, 0.0, 0.0);
    for i in order {
        quality += (strong[i] - weak[i]) / n as f64;
        let gap = (quality - low) / (high - low);
        area += (gap + last) / 2.0 / n as f64;
        last = gap;
    }
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: usize, numbers: &[f64]) -> Table {
        Table { numbers: numbers.to_vec(), columns }
    }

    #[test]
    fn the_blind_mix_is_the_upper_hull() {
        let models = [(1.0, 0.5), (2.0, 0.55), (3.0, 0.9), (2.5, 0.4), (5.0, 0.9), (6.0, 1.0)];
        assert_eq!(blind(&models), [(1.0, 0.5), (3.0, 0.9), (6.0, 1.0)]);
    }

    #[test]
    fn a_curve_is_read_between_its_points_and_held_at_its_ends() {
        let curve = [(1.0, 0.5), (3.0, 0.9)];
        assert_eq!([0.0, 1.0, 2.0, 9.0].map(|cost| quality_at(&curve, cost)), [0.5, 0.5, 0.7, 0.9]);
        assert!(cost_for(&curve, 0.7).is_some_and(|cost| (cost - 2.0).abs() < 1e-9));
        assert_eq!((cost_for(&curve, 0.2), cost_for(&curve, 0.95)), (Some(1.0), None));
    }

    #[test]
    fn who_knows_the_answers_pays_only_where_it_helps() {
        let quality = table(2, &[0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        let cost = table(2, &[1.0, 5.0, 1.0, 5.0, 1.0, 5.0]);
        let truth = Truth { quality: &quality, cost: &cost };
        let best = cost_for(&oracle(&cost, truth), 2.0 / 3.0).expect("it reaches the best");
        assert!((best - 7.0 / 3.0).abs() < 1e-9, "{best}");
        assert_eq!(truth.strongest(), (5.0, 2.0 / 3.0));
    }

    #[test]
    fn equals_go_to_the_cheaper() {
        assert_eq!(choice(&[0.5, 0.5], &[2.0, 1.0], 0.0), 1);
        assert_eq!(choice(&[0.5, 0.9], &[1.0, 2.0], 0.3), 1);
        assert_eq!(choice(&[0.5, 0.9], &[1.0, 2.0], 0.5), 0);
    }

    #[test]
    fn a_coin_recovers_half_of_the_gap_and_knowledge_more() {
        let weak: Vec<f64> = (0..1000).map(|i| f64::from(u8::from(i % 2 == 0))).collect();
        let strong = vec![1.0; 1000];
        let knowing: Vec<f64> = weak.iter().map(|weak| 1.0 - weak).collect();
        assert!((recovered_gap(&vec![0.0; 1000], &weak, &strong) - 0.5).abs() < 0.01);
        assert!((recovered_gap(&knowing, &weak, &strong) - 0.75).abs() < 0.01);
    }
}
