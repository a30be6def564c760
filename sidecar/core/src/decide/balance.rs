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

impl Team {
    /// Ranks the providers among `mask`, all of one model.
    pub(super) fn new(v: &View<'_>, mask: CandMask, cost: impl Fn(usize) -> f64) -> Self {
        let mut team = Self::empty(v);
        team.gather(v, mask, cost);
        team
    }

    /// Nobody yet: to be filled for one model after the other.
    pub(super) fn empty(v: &View<'_>) -> Self {
        Self { way: v.policy.config.balancing, members: SmallVec::new() }
    }

    /// Takes the providers among `mask`, all of one model, in place of those that it had.
    pub(super) fn gather(&mut self, v: &View<'_>, mask: CandMask, cost: impl Fn(usize) -> f64) {
        let alone = mask.0.is_power_of_two();
        self.members.clear();
        for candidate in mask.iter() {
            let target = v.policy.candidates[candidate].target;
            let model = &v.snapshot.targets[target].model;
            self.members.push(Member {
                candidate,
                cost: cost(candidate),
                expected_ms: model.prior.answer_ms(model.prior.output_tokens),
                weight: f64::from(model.weight),
                preferred: model.preferred,
                measured: if alone { Measured::default() } else { (v.measured)(target) },
                share: 1.0,
                merit: 0.0,
            });
        }
        if !alone {
            self.rank(v);
        }
    }

    /// The means of figures over the calls to come.
    pub(super) fn means<const N: usize>(&self, figures: impl Fn(&Member) -> [f64; N]) -> [f64; N] {
        match self.members.as_slice() {
            [one, ..] if one.share == 1.0 => figures(one),
            many => many.iter().filter(|m| m.share > 0.0).fold([0.0; N], |mut sums, m| {
                sums.iter_mut().zip(figures(m)).for_each(|(sum, figure)| *sum += m.share * figure);
                sums
            }),
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
    fn rank(&mut self, v: &View<'_>) {
        match self.way {
            Balancing::RoundRobin => {}
            Balancing::WeightedRoundRobin => self.value(|m| m.weight),
            Balancing::LeastLatency => {
                let peak = OPTIMISM * self.fastest(|m| m.peak);
                self.value(|m| {
                    let peak_ms = m.expected_ms * m.measured.peak.max(peak);
                    -peak_ms * (f64::from(m.measured.in_flight) + 1.0)
                });
            }
            Balancing::HighestAvailability => self.value(|m| available(&m.measured)),
            Balancing::Performance => {
                let slowness = OPTIMISM * self.fastest(|m| m.slowness);
                self.value(|m| {
                    (available(&m.measured) / believed_ms(m, slowness).max(f64::MIN_POSITIVE)).powi(2)
                });
            }
            Balancing::CostOptimized => {
                let slowness = OPTIMISM * self.fastest(|m| m.slowness);
                let to_success = |m: &Member| believed_ms(m, slowness) / available(&m.measured);
                let (dearest, longest) = (self.most(|m| m.cost), self.most(to_success));
                self.value(|m| {
                    COST_WEIGHT * saved(m.cost, dearest) + (1.0 - COST_WEIGHT) * saved(to_success(m), longest)
                });
            }
            Balancing::Pareto => self.value_by_front(v.policy.weights(v.policy.config.objective)),
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

    fn value(&mut self, merit: impl Fn(&Member) -> f64) {
        self.members.iter_mut().for_each(|member| member.merit = merit(member));
    }

    /// Whatever the weights, one that another beats comes after all that none beats.
    fn value_by_front(&mut self, [wa, wc, ws]: [f64; 3]) {
        let slowness = OPTIMISM * self.fastest(|m| m.slowness);
        let ms = |m: &Member| believed_ms(m, slowness);
        let (dearest, slowest) = (self.most(|m| m.cost), self.most(ms));
        let figures: SmallVec<[[f64; 3]; 4]> =
            self.members.iter().map(|m| [available(&m.measured), -m.cost, -ms(m)]).collect();
        self.value(|m| {
            let own = [available(&m.measured), -m.cost, -ms(m)];
            let weighed = wa * own[0] + wc * saved(m.cost, dearest) + ws * saved(ms(m), slowest);
            if figures.iter().any(|other| dominates(other, &own)) { weighed - 2.0 } else { weighed }
        });
    }

    /// The least of a figure over those that were seen; 1 where none was.
    fn fastest(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let seen = self.members.iter().map(|m| &m.measured).filter(|m| m.answers > 0.0);
        let fastest = seen.map(of).fold(f64::INFINITY, f64::min);
        if fastest.is_finite() { fastest } else { 1.0 }
    }

    fn most(&self, of: impl Fn(&Member) -> f64) -> f64 {
        self.members.iter().map(of).filter(|x| x.is_finite()).fold(0.0, f64::max)
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

/// How long an answer is believed to take: what was seen, shrunk to an optimistic belief.
fn believed_ms(member: &Member, slowness: f64) -> f64 {
    let seen = &member.measured;
    member.expected_ms * ((seen.answers * seen.slowness + BELIEF * slowness) / (seen.answers + BELIEF))
}

/// How much less than the most it is, in parts of the most.
fn saved(value: f64, most: f64) -> f64 {
    if most > 0.0 && value.is_finite() { (most - value) / most } else { 0.0 }
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
