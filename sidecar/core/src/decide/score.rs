//! What each optimizer makes of the contenders, and which one it takes.

use pointsman_config::policy::{Objective, Optimizer, Sampling};
use smallvec::SmallVec;

use super::View;
use super::contenders::{Bounds, Contender, availability, win_rates};
use super::lp::{self, Point};
use super::pareto::dominates;
use super::scores::Scores;

/// How the choice among contenders is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    pub(super) objective: Objective,
    pub(super) optimizer: Optimizer,
    /// Of quality, cost and speed.
    pub(super) weights: [f64; 3],
    /// Quality per USD.
    pub(super) lambda: f64,
    pub(super) bounds: Bounds,
    pub(super) sampling: Sampling,
}

/// The contenders in the order in which they are to be tried.
#[derive(Debug)]
pub(super) struct Ranking {
    /// Positions among the contenders, the pick first.
    pub(super) order: SmallVec<[usize; 16]>,
    /// Probability with which the first was drawn.
    pub(super) probability: f64,
    /// How many at the end of `order` another contender beats in everything.
    pub(super) dominated: usize,
}

impl Aim {
    /// Whether the bounds bind the average of a mix instead of each call.
    pub(super) fn mixes(&self) -> bool {
        matches!(self.optimizer, Optimizer::SimpleLp | Optimizer::OptimalLp)
            && self.sampling == Sampling::Enabled
            && self.bounds.any()
    }

    /// Scores the contenders and ranks them; none where no mix is within the bounds.
    ///
    /// Ties go to the cheaper, then to the earlier. What is not a number is never chosen.
    pub(super) fn rank(
        &self,
        v: &View<'_>,
        scores: &Scores<'_>,
        all: &mut [Contender],
        draw: f64,
    ) -> Option<Ranking> {
        self.score(v, scores, all);
        let finite = (0..all.len()).filter(|i| all[*i].score.is_finite());
        if self.mixes() {
            return self.mix(all, finite.collect(), draw);
        }
        let dominated = match self.optimizer {
            Optimizer::Pareto => beaten(all),
            _ => 0,
        };
        let order = sorted(all, finite, |i| dominated >> i & 1 == 1);
        Some(Ranking { order, probability: 1.0, dominated: dominated.count_ones() as usize })
    }

    /// Draws from the best mix. What is too dear by itself stands by only if it is part of the mix.
    fn mix(&self, all: &[Contender], order: SmallVec<[usize; 16]>, draw: f64) -> Option<Ranking> {
        let payable: SmallVec<[usize; 16]> = order.into_iter().filter(|i| all[*i].load.is_finite()).collect();
        let points: SmallVec<[Point; 16]> =
            payable.iter().map(|&i| Point { score: all[i].score, cost: all[i].load }).collect();
        let mix = lp::solve(&points)?;
        let (drawn, probability) = mix.draw(draw);
        let stands_by = |at: &usize| *at == mix.low || *at == mix.high || points[*at].cost <= 1.0;
        let first = payable[drawn];
        let order = sorted(all, (0..payable.len()).filter(stands_by).map(|at| payable[at]), |i| i != first);
        Some(Ranking { order, probability, dominated: 0 })
    }

    /// Fills in the scores.
    ///
    /// The weighted score is `wq x quality + wc x (c_max - c)/c_max + ws x (t_max - t)/t_max` over the contenders, with 0/0
    /// counted as 0 and an unknown price as the dearest. It stands in for the quality under every objective but Quality.
    fn score(&self, v: &View<'_>, scores: &Scores<'_>, all: &mut [Contender]) {
        let spread = Spread::of(all);
        let Self { objective, weights, .. } = *self;
        let weighted = |c: &Contender, quality: f64| spread.weighted(c, quality, weights);
        let aimed = |c: &Contender, quality: f64| match objective {
            Objective::Quality => quality,
            Objective::Balanced | Objective::Cost | Objective::Speed => weighted(c, quality),
        };
        let each = |all: &mut [Contender], score: &dyn Fn(&Contender) -> f64| {
            all.iter_mut().for_each(|c| c.score = score(c));
        };
        match self.optimizer {
            Optimizer::Strict | Optimizer::SimpleLp | Optimizer::OptimalLp if !self.bounds.any() => {
                each(all, &|c| weighted(c, c.quality));
            }
            Optimizer::MaxScore | Optimizer::Pareto => each(all, &|c| weighted(c, c.quality)),
            Optimizer::Strict => each(all, &|c| c.quality),
            Optimizer::SimpleLp => each(all, &|c| aimed(c, c.quality)),
            Optimizer::OptimalLp => {
                let rates = win_rates(v, scores, all);
                all.iter_mut().zip(rates).for_each(|(c, rate)| c.score = aimed(c, rate));
            }
            Optimizer::SpeedWeighted => {
                each(all, &|c| aimed(c, c.quality));
                speed_weighted(all, spread.slowest);
            }
            Optimizer::Cheapest => each(all, &|c| -spread.cost(c)),
            Optimizer::Fastest => each(all, &|c| -c.ms),
            Optimizer::MostAvailable => each(all, &|c| availability(v, c)),
            Optimizer::ShadowPrice => each(all, &|c| c.quality - self.lambda * spread.cost(c)),
        }
    }
}

/// `0.6 n + 0.4 v` with `n = (s - min) / (max - min + 1e-8)` and `v = (t_max - t) / t_max`.
fn speed_weighted(all: &mut [Contender], slowest: f64) {
    let (min, max) = all
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), c| (min.min(c.score), max.max(c.score)));
    for c in all {
        c.score = 0.6 * (c.score - min) / (max - min + 1e-8) + 0.4 * saved(c.ms, slowest);
    }
}

/// What the contenders span, for normalising.
struct Spread {
    dearest: f64,
    slowest: f64,
}

impl Spread {
    fn of(all: &[Contender]) -> Self {
        let known = |cost: f64| if cost.is_finite() { cost } else { 0.0 };
        all.iter().fold(Self { dearest: 0.0, slowest: 0.0 }, |s, c| Self {
            dearest: s.dearest.max(known(c.cost)),
            slowest: s.slowest.max(c.ms),
        })
    }

    /// An unknown price counts as the dearest.
    fn cost(&self, c: &Contender) -> f64 {
        c.cost.min(self.dearest)
    }

    fn weighted(&self, c: &Contender, quality: f64, [wq, wc, ws]: [f64; 3]) -> f64 {
        wq * quality + wc * saved(self.cost(c), self.dearest) + ws * saved(c.ms, self.slowest)
    }
}

fn saved(value: f64, most: f64) -> f64 {
    if most > 0.0 { (most - value) / most } else { 0.0 }
}

/// Those that are `late` come last; else the higher score, then the cheaper, then the earlier.
fn sorted(
    all: &[Contender],
    these: impl Iterator<Item = usize>,
    late: impl Fn(usize) -> bool,
) -> SmallVec<[usize; 16]> {
    let key =
        |i: usize| (late(i), u128::from(!rising(all[i].score)) << 64 | u128::from(rising(all[i].cost)), i);
    let mut keys: SmallVec<[(bool, u128, usize); 24]> = these.map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, _, i)| i).collect()
}

/// A number that is larger where `x` is, by `total_cmp`.
fn rising(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Those that another beats in quality, cost and time, as bits.
fn beaten(all: &[Contender]) -> u64 {
    let figures = |c: &Contender| [c.quality, -c.cost, -c.ms];
    let is_beaten = |c: &Contender| all.iter().any(|other| dominates(&figures(other), &figures(c)));
    all.iter().enumerate().filter(|(_, c)| is_beaten(c)).fold(0, |mask, (i, _)| mask | 1 << i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::CandMask;

    #[test]
    fn speed_weighted_gives_the_published_check_values() {
        let contender = |score, ms| Contender {
            mask: CandMask::first(1),
            ranked: SmallVec::new(),
            lead: 0,
            quality: 0.5,
            cost: 0.0,
            load: 0.0,
            ms,
            score,
        };
        let mut all = [contender(1.7, 2100.0), contender(1.4, 1000.0), contender(1.0, 500.0)];
        speed_weighted(&mut all, 2100.0);
        let found = all.map(|c| (c.score * 1000.0).round());
        assert_eq!(found, [600.0, 552.0, 305.0]);
        // Nobody takes any time: no speed, and no 0/0.
        let mut all = [contender(1.0, 0.0), contender(1.0, 0.0)];
        speed_weighted(&mut all, 0.0);
        assert_eq!(all.map(|c| c.score), [0.0, 0.0]);
    }
}
