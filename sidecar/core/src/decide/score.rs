//! Scores: how good, how dear, how slow each candidate is expected to be, and what the optimizer makes of it.

use pointsman_config::money::Nano;
use pointsman_config::policy::Optimizer;

use super::Considered;
use crate::snapshot::CandMask;

/// What the live candidates span, for normalising.
struct Spread {
    dearest: f64,
    slowest: f64,
}

/// Fills in the score of every live candidate.
///
/// The weighted score is `wq x quality + wc x (c_max - c)/c_max + ws x (t_max - t)/t_max` over the live candidates, with
/// 0/0 counted as 0. An unknown price counts as the dearest.
pub(super) fn score(
    rows: &mut [Considered],
    live: CandMask,
    optimizer: Optimizer,
    weights: [f64; 3],
    lambda: f64,
) {
    let spread = spread(rows, live);
    for i in live.iter() {
        let row = &mut rows[i];
        let cost = row.expected_cost.map_or(spread.dearest, Nano::as_usd);
        row.score = match optimizer {
            Optimizer::MaxScore => weighted(row, cost, &spread, weights),
            Optimizer::Strict => row.quality,
            Optimizer::Cheapest => -cost,
            Optimizer::Fastest => -row.expected_ms,
            Optimizer::ShadowPrice => row.quality - lambda * cost,
        };
    }
}

/// Fills in the weighted score alone.
pub(super) fn score_weighted(rows: &mut [Considered], live: CandMask, weights: [f64; 3]) {
    score(rows, live, Optimizer::MaxScore, weights, 0.0);
}

fn weighted(row: &Considered, cost: f64, spread: &Spread, [wq, wc, ws]: [f64; 3]) -> f64 {
    wq * row.quality + wc * saved(cost, spread.dearest) + ws * saved(row.expected_ms, spread.slowest)
}

fn saved(value: f64, most: f64) -> f64 {
    if most > 0.0 { (most - value) / most } else { 0.0 }
}

fn spread(rows: &[Considered], live: CandMask) -> Spread {
    live.iter().fold(Spread { dearest: 0.0, slowest: 0.0 }, |s, i| Spread {
        dearest: s.dearest.max(rows[i].expected_cost.map_or(0.0, Nano::as_usd)),
        slowest: s.slowest.max(rows[i].expected_ms),
    })
}
