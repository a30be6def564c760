//! Spreads calls over the providers of one model: seven ways, their formulas in `docs/balancing.md`.
//!
//! What a provider has not shown of late is believed in its favour ([`OPTIMISM`]), so that it is tried, and tried again
//! once what was seen of it is old. Ties go to the preferred provider, then to the weightier, then to the earlier one.

use pointsman_config::policy::Balancing;
use smallvec::SmallVec;

use super::View;
use super::pareto::dominates;
use crate::measured::Measured;
use crate::snapshot::CandMask;

/// The outcomes that a belief is worth against what was seen.
const BELIEF: f64 = 1.0;
/// An unseen provider is believed to take so much of the time of the fastest that was seen.
const OPTIMISM: f64 = 0.5;
/// How CostOptimized weighs cost against the time to a success.
const COST_WEIGHT: f64 = 0.7;

/// One provider of the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Position among the policy's candidates.
    pub(super) candidate: usize,
    /// Expected cost of the call in USD; infinite where unknown.
    pub(super) cost: f64,
    /// Time of an ordinary answer by the prior, in milliseconds.
    pub(super) expected_ms: f64,
    /// Its weight among the providers.
    pub(super) weight: f64,
    /// Whether it wins ties.
    pub(super) preferred: bool,
    /// What was seen of it.
    pub(super) measured: Measured,
    /// Share of the calls that it gets as things stand.
    pub(super) share: f64,
    merit: f64,
}

/// The providers of one model, best first.
pub(super) struct Team {
    way: Balancing,
    members: SmallVec<[Member; 4]>,
}

/// What is believed and seen of a provider together.
struct Belief {
    available: f64,
    ms: f64,
    peak_ms: f64,
}

impl Team {
    /// Ranks the providers among `mask`, all of one model.
    pub(super) fn new(v: &View<'_>, mask: CandMask, cost: impl Fn(usize) -> f64) -> Self {
        let way = v.policy.config.balancing;
        let alone = mask.0.is_power_of_two();
        let member = |candidate: usize| {
            let target = v.policy.candidates[candidate].target;
            let model = &v.snapshot.targets[target].model;
            Member {
                candidate,
                cost: cost(candidate),
                expected_ms: model.prior.answer_ms(model.prior.output_tokens),
                weight: f64::from(model.weight),
                preferred: model.preferred,
                measured: if alone { Measured::default() } else { (v.measured)(target) },
                share: 1.0,
                merit: 0.0,
            }
        };
        let mut team = Self { way, members: mask.iter().map(member).collect() };
        if !alone {
            team.rank(v.policy.weights(v.policy.config.objective));
        }
        team
    }

    /// The mean of a figure over the calls to come.
    pub(super) fn mean(&self, figure: impl Fn(&Member) -> f64) -> f64 {
        match self.members.as_slice() {
            [one] => figure(one),
            many => many.iter().filter(|m| m.share > 0.0).map(|m| m.share * figure(m)).sum(),
        }
    }

    /// The candidates, best first.
    pub(super) fn ranked(&self) -> SmallVec<[u8; 8]> {
        self.members.iter().map(|member| member.candidate as u8).collect()
    }

    /// The providers in the order in which they are to be tried, and the probability with which the first was drawn.
    ///
    /// `draw` is from 0..1; `turn` counts the calls that were spread before.
    pub(super) fn order(&self, draw: f64, turn: u64) -> (SmallVec<[usize; 4]>, f64) {
        let count = self.members.len();
        let (first, probability) = match self.way {
            _ if count < 2 => (0, 1.0),
            Balancing::RoundRobin => ((turn % count as u64) as usize, 1.0),
            Balancing::WeightedRoundRobin => (self.in_turn(turn), 1.0),
            Balancing::LeastLatency => {
                let first = better_of_two(count, draw);
                (first, self.members[first].share)
            }
            Balancing::Performance => {
                let first = drawn(self.members.iter().map(|m| m.share), draw);
                (first, self.members[first].share)
            }
            Balancing::CostOptimized | Balancing::HighestAvailability | Balancing::Pareto => (0, 1.0),
        };
        let rest = |i: &usize| *i != first;
        let after = match self.way {
            Balancing::RoundRobin => (0..count).map(|i| (first + i) % count).filter(rest).collect(),
            _ => (0..count).filter(rest).collect::<SmallVec<[usize; 4]>>(),
        };
        let order = std::iter::once(first).chain(after).map(|i| self.members[i].candidate).collect();
        (order, probability)
    }

    /// Fills in merits and shares, and sorts by merit.
    fn rank(&mut self, weights: [f64; 3]) {
        let fastest = |of: fn(&Measured) -> f64| {
            let seen = self.members.iter().map(|m| &m.measured).filter(|m| m.answers > 0.0);
            let fastest = seen.map(of).fold(f64::INFINITY, f64::min);
            if fastest.is_finite() { fastest } else { 1.0 }
        };
        let (slowness, peak) = (fastest(|m| m.slowness), fastest(|m| m.peak));
        let beliefs: SmallVec<[Belief; 4]> =
            self.members.iter().map(|m| believed(m, OPTIMISM * slowness, OPTIMISM * peak)).collect();
        let most = |of: &dyn Fn(usize) -> f64| {
            (0..beliefs.len()).map(of).filter(|x| x.is_finite()).fold(0.0, f64::max)
        };
        let saved = |value: f64, most: f64| {
            if most > 0.0 && value.is_finite() { (most - value) / most } else { 0.0 }
        };
        let to_success = |i: usize| beliefs[i].ms / beliefs[i].available;
        let costs: SmallVec<[f64; 4]> = self.members.iter().map(|m| m.cost).collect();
        let (dearest, slowest) = (most(&|i| costs[i]), most(&|i| beliefs[i].ms));
        let (longest, [wa, wc, ws]) = (most(&to_success), weights);
        let beaten = |i: usize| {
            let figures = |i: usize| [beliefs[i].available, -costs[i], -beliefs[i].ms];
            (0..costs.len()).any(|other| dominates(&figures(other), &figures(i)))
        };
        for (i, member) in self.members.iter_mut().enumerate() {
            let belief = &beliefs[i];
            member.merit = match self.way {
                Balancing::RoundRobin => 0.0,
                Balancing::WeightedRoundRobin => member.weight,
                Balancing::LeastLatency => -belief.peak_ms * (f64::from(member.measured.in_flight) + 1.0),
                Balancing::Performance => (belief.available / belief.ms.max(f64::MIN_POSITIVE)).powi(2),
                Balancing::CostOptimized => {
                    COST_WEIGHT * saved(costs[i], dearest)
                        + (1.0 - COST_WEIGHT) * saved(to_success(i), longest)
                }
                Balancing::HighestAvailability => belief.available,
                Balancing::Pareto => {
                    let weighed = wa * belief.available
                        + wc * saved(costs[i], dearest)
                        + ws * saved(belief.ms, slowest);
                    // Whatever the weights, one that another beats comes after all that none beats.
                    if beaten(i) { weighed - 2.0 } else { weighed }
                }
            };
        }
        if self.way != Balancing::RoundRobin {
            self.members.sort_by(|a, b| {
                b.merit
                    .total_cmp(&a.merit)
                    .then_with(|| b.preferred.cmp(&a.preferred))
                    .then_with(|| b.weight.total_cmp(&a.weight))
                    .then_with(|| a.candidate.cmp(&b.candidate))
            });
        }
        self.share();
    }

    fn share(&mut self) {
        let count = self.members.len();
        let sum = |of: fn(&Member) -> f64, members: &[Member]| members.iter().map(of).sum::<f64>();
        let (weights, merits) = (sum(|m| m.weight, &self.members), sum(|m| m.merit, &self.members));
        for (rank, member) in self.members.iter_mut().enumerate() {
            member.share = match self.way {
                Balancing::RoundRobin => 1.0 / count as f64,
                Balancing::WeightedRoundRobin => member.weight / weights,
                // Of all pairs, those in which it is the better one.
                Balancing::LeastLatency => 2.0 * (count - 1 - rank) as f64 / (count * (count - 1)) as f64,
                Balancing::Performance => member.merit / merits,
                Balancing::CostOptimized | Balancing::HighestAvailability | Balancing::Pareto => {
                    if rank == 0 { 1.0 } else { 0.0 }
                }
            };
        }
    }

    /// Whose turn it is by weight: in as many turns as the weights sum up to, each comes as often as it weighs, spread out.
    fn in_turn(&self, turn: u64) -> usize {
        let total: u64 = self.members.iter().map(|m| m.weight as u64).sum();
        if total == 0 {
            return 0;
        }
        let place = (u128::from(turn) * u128::from(stride(total)) % u128::from(total)) as u64;
        let mut passed = 0;
        let at = self.members.iter().position(|m| {
            passed += m.weight as u64;
            place < passed
        });
        at.unwrap_or(0)
    }
}

/// What was seen, shrunk to an optimistic belief.
fn believed(member: &Member, slowness: f64, peak: f64) -> Belief {
    let seen = &member.measured;
    let shrunk = |mean: f64, weight: f64, belief: f64| (weight * mean + BELIEF * belief) / (weight + BELIEF);
    Belief {
        available: shrunk(seen.success, seen.outcomes, 1.0),
        ms: member.expected_ms * shrunk(seen.slowness, seen.answers, slowness),
        peak_ms: member.expected_ms * seen.peak.max(peak),
    }
}

/// The success rate that is believed of a target that was seen so.
pub(super) fn available(seen: &Measured) -> f64 {
    (seen.outcomes * seen.success + BELIEF) / (seen.outcomes + BELIEF)
}

/// A step without a common factor with `total`, near its golden section: multiples of it visit every place, far apart.
fn stride(total: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let golden = (total as f64 * 0.618_033_988_749_895) as u64;
    (golden.max(1)..=total).find(|step| gcd(*step, total) == 1).unwrap_or(1)
}

/// Draws two of `count` ranks, each pair alike, and takes the better rank.
fn better_of_two(count: usize, draw: f64) -> usize {
    let pairs = count * (count - 1) / 2;
    let mut place = ((draw * pairs as f64) as usize).min(pairs - 1);
    for better in 0..count {
        let with_it = count - 1 - better;
        if place < with_it {
            return better;
        }
        place -= with_it;
    }
    0
}

/// Draws by shares that sum to one.
fn drawn(shares: impl Iterator<Item = f64>, draw: f64) -> usize {
    let mut passed = 0.0;
    let mut last = 0;
    for (i, share) in shares.enumerate() {
        passed += share;
        if draw < passed {
            return i;
        }
        if share > 0.0 {
            last = i;
        }
    }
    last
}
