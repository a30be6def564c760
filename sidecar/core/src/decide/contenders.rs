//! The models among the live candidates. A model is chosen first, its provider second; until then a model has the mean
//! figures of its providers, by the shares that balancing gives them.

use pointsman_config::money::{Nano, PricePerMillion};
use smallvec::SmallVec;

use super::balance::{Team, available};
use super::scores::{Scale, Scores};
use super::{Considered, View};
use crate::snapshot::CandMask;

/// What the odds of a quality are kept within, so that certainty stays a number.
const SUREST: f64 = 1e9;

/// One model that may be chosen.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    /// Its live candidates.
    pub(super) mask: CandMask,
    /// The same, best first, where there are several.
    pub(super) ranked: SmallVec<[u8; 8]>,
    /// The first candidate of the model, live or not.
    pub(super) lead: usize,
    /// Probability of a good answer.
    pub(super) quality: f64,
    /// Expected cost in USD; infinite where unknown.
    pub(super) cost: f64,
    /// Expected cost or price in parts of the bound, whichever is more; infinite where unknown, 0 without a bound.
    pub(super) load: f64,
    /// Expected time of the answer in milliseconds.
    pub(super) ms: f64,
    /// What the optimizer compares; larger is better.
    pub(super) score: f64,
}

/// The models, in the order of the policy.
pub(super) type Contenders = SmallVec<[Contender; 16]>;

/// What a policy allows one call to cost, and per token.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub(super) cost: Option<Nano>,
    pub(super) price: Option<PricePerMillion>,
}

impl Bounds {
    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.cost.is_some() || self.price.is_some()
    }

    /// How much of what is allowed a candidate takes; up to 1 is within. What is not known is too much.
    pub(super) fn load(&self, v: &View<'_>, row: &Considered) -> f64 {
        let part = |of: u64, most: u64| match (of, most) {
            (0, _) => 0.0,
            (of, most) => of as f64 / most as f64,
        };
        let cost = self
            .cost
            .map_or(0.0, |most| row.expected_cost.map_or(f64::INFINITY, |cost| part(cost.0, most.0)));
        let price = self.price.map_or(0.0, |most| {
            let prices = v.snapshot.targets[row.target].model.prices;
            prices.map_or(f64::INFINITY, |prices| part(prices.blended().0, most.0))
        });
        cost.max(price)
    }

    /// The candidates of `live` that are within.
    pub(super) fn within(&self, v: &View<'_>, rows: &[Considered], live: CandMask) -> CandMask {
        if !self.any() {
            return live;
        }
        live.iter().filter(|i| self.load(v, &rows[*i]) <= 1.0).fold(CandMask::default(), CandMask::with)
    }
}

/// The models of the candidates in `mask`. A candidate whose figures are no numbers is left out.
pub(super) fn contenders(v: &View<'_>, rows: &[Considered], mask: CandMask, bounds: &Bounds) -> Contenders {
    let mut all = Contenders::with_capacity(mask.0.count_ones() as usize);
    for i in mask.iter().filter(|i| is_comparable(&rows[*i])) {
        let lead = v.policy.candidates[i].lead;
        match all.iter_mut().rev().find(|contender| contender.lead == lead) {
            Some(known) => known.mask = known.mask.with(i),
            None => all.push(Contender {
                mask: CandMask::default().with(i),
                ranked: SmallVec::new(),
                lead,
                quality: rows[i].quality,
                cost: usd(&rows[i]),
                load: bounds.load(v, &rows[i]),
                ms: rows[i].expected_ms,
                score: f64::NEG_INFINITY,
            }),
        }
    }
    let mut team = Team::empty(v);
    for contender in all.iter_mut().filter(|c| !c.mask.0.is_power_of_two()) {
        team.gather(v, contender.mask, |i| usd(&rows[i]));
        [contender.quality, contender.cost, contender.load, contender.ms] = team.means(|m| {
            let row = &rows[m.candidate];
            [row.quality, m.cost, bounds.load(v, row), row.expected_ms]
        });
        contender.ranked = team.ranked();
    }
    all
}

/// The providers of one model, ranked.
pub(super) fn team(v: &View<'_>, rows: &[Considered], mask: CandMask) -> Team {
    Team::new(v, mask, |i| usd(&rows[i]))
}

fn usd(row: &Considered) -> f64 {
    row.expected_cost.map_or(f64::INFINITY, Nano::as_usd)
}

fn is_comparable(row: &Considered) -> bool {
    (0.0..=1.0).contains(&row.quality) && row.expected_ms.is_finite() && row.expected_ms >= 0.0
}

/// The success rate that is believed of a model: the mean of its providers.
pub(super) fn availability(v: &View<'_>, contender: &Contender) -> f64 {
    let of = |i: usize| available(&(v.measured)(v.policy.candidates[i].target));
    let count = contender.mask.0.count_ones();
    contender.mask.iter().map(of).sum::<f64>() / f64::from(count.max(1))
}

/// For each contender the chance to win against the others as they are met: `sum of q_j x sigmoid(theta_i - theta_j)`.
///
/// Theta is the Bradley-Terry coefficient where the scorer gives one, else the logit of the quality; q are the sampling
/// weights divided by their sum.
pub(super) fn win_rates(v: &View<'_>, scores: &Scores<'_>, all: &[Contender]) -> SmallVec<[f64; 16]> {
    let strength =
        |c: &Contender| match (scores.scale, scores.coefficient(c.mask.iter().next().unwrap_or(c.lead))) {
            (Scale::BradleyTerry { .. }, Some(theta)) => theta.exp(),
            (Scale::BradleyTerry { offset, slope }, None) if slope != 0.0 => {
                ((odds(c.quality).ln() - offset) / slope).exp()
            }
            (Scale::BradleyTerry { .. } | Scale::Probability, _) => odds(c.quality),
        };
    let strengths: SmallVec<[f64; 16]> =
        all.iter().map(|c| strength(c).clamp(1.0 / SUREST, SUREST)).collect();
    let weight = |c: &Contender| v.policy.candidates[c.lead].sampling_weight;
    let total: f64 = all.iter().map(weight).sum();
    let share = |c: &Contender| if total > 0.0 { weight(c) / total } else { 1.0 / all.len() as f64 };
    let shares: SmallVec<[f64; 16]> = all.iter().map(share).collect();
    strengths.iter().map(|own| wins(*own, &strengths, &shares)).collect()
}

/// `sum of share x own / (own + other)`, in four sums at once: divisions that do not wait for each other.
fn wins(own: f64, strengths: &[f64], shares: &[f64]) -> f64 {
    let (others, rest) = strengths.as_chunks::<4>();
    let (parts, of_rest) = shares.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (others, parts) in others.iter().zip(parts) {
        for i in 0..4 {
            sums[i] += parts[i] * own / (own + others[i]);
        }
    }
    let rest: f64 = rest.iter().zip(of_rest).map(|(other, share)| share * own / (own + other)).sum();
    sums.iter().sum::<f64>() + rest
}

fn odds(quality: f64) -> f64 {
    (quality / (1.0 - quality)).clamp(1.0 / SUREST, SUREST)
}
