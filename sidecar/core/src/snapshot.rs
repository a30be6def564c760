//! The immutable world that a request sees: objects joined, rules compiled, candidates numbered.

mod build;
mod check;
mod requirement;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman_config::budget::{BudgetConfig, LimitConfig};
use pointsman_config::entry::{Key, Name};
use pointsman_config::policy::{
    Action, Match, Objective, Optimizer, PolicyConfig, Strategy, TextMatch, Weights,
};
use pointsman_config::provider::{ModelConfig, ProviderConfig};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use check::check;
pub use requirement::Unmet;
pub use resolve::{Asked, Route};

/// At most so many candidates (model and provider) per policy: they are bits of a [`CandMask`].
pub const MAX_CANDIDATES: usize = 64;

/// A set of candidates of one policy, by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CandMask(pub u64);

impl CandMask {
    /// The first `count` candidates.
    pub fn first(count: usize) -> Self {
        Self(if count >= 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// Whether candidate `i` is in.
    pub fn has(self, i: usize) -> bool {
        self.0 >> i & 1 == 1
    }

    /// Without candidate `i`.
    pub fn without(self, i: usize) -> Self {
        Self(self.0 & !(1 << i))
    }

    /// With candidate `i`.
    pub fn with(self, i: usize) -> Self {
        Self(self.0 | 1 << i)
    }

    /// How many are in.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether none is in.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The candidates in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let i = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (i < 64).then_some(i)
        })
    }
}

impl std::ops::BitAnd for CandMask {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl std::ops::Not for CandMask {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}

/// Names a target for as long as it exists: live parts (pools, health) carry over by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TargetKey {
    /// The provider.
    pub provider: Name,
    /// The model's name (not the provider's name for it).
    pub model: String,
}

/// Names a limit for as long as it exists: its ledger carries over by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LimitKey {
    /// The budget.
    pub budget: Name,
    /// The limit's name.
    pub limit: String,
}

/// Something in a compiled object that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which object.
    pub key: Key,
    /// Where in it.
    pub path: String,
    /// What to do about it.
    pub message: String,
}

/// The whole world of one data plane.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Policies, by name.
    pub policies: Vec<Policy>,
    /// Providers, by name.
    pub providers: Vec<Provider>,
    /// Every model of every provider.
    pub targets: Vec<Target>,
    /// Budgets, by name.
    pub budgets: Vec<Budget>,
    /// The limits of all budgets, budget by budget.
    pub limits: Vec<Limit>,
    virtual_models: BTreeMap<Arc<str>, usize>,
}

/// A provider.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub config: ProviderConfig,
}

/// One model of one provider.
#[derive(Debug)]
pub struct Target {
    /// Its stable name.
    pub key: TargetKey,
    /// Index into [`Snapshot::providers`].
    pub provider: usize,
    /// The model there.
    pub model: ModelConfig,
}

/// A policy, ready to decide.
#[derive(Debug)]
pub struct Policy {
    /// Its name.
    pub name: Name,
    /// Its uid.
    pub uid: String,
    /// The generation served.
    pub generation: i64,
    /// What it says.
    pub config: PolicyConfig,
    /// The candidates: every model with every provider that serves it.
    pub candidates: Vec<Candidate>,
    /// Candidate models that no provider in reach serves.
    pub unserved: Vec<String>,
    /// Its rules, compiled.
    pub rules: Vec<Rule>,
    /// Index into `candidates` of the one that answers when nothing is chosen.
    pub default: Option<usize>,
    /// Indices into [`Snapshot::limits`] of the limits to whose window its spending is paced.
    pub paced_by: SmallVec<[usize; 4]>,
    /// The candidates of the model that savings are measured against; empty where the policy names none.
    pub baseline: CandMask,
}

/// A candidate of a policy.
#[derive(Debug)]
pub struct Candidate {
    /// Index into [`Snapshot::targets`].
    pub target: usize,
    /// Indices into [`Snapshot::limits`] of the limits that count it.
    pub limits: SmallVec<[usize; 4]>,
    /// Whether the policy names it. One that does not route also serves what else its providers have, when asked by
    /// name.
    pub listed: bool,
    /// The first candidate of the same model.
    pub lead: usize,
    /// Index into the policy's tiers.
    pub tier: Option<usize>,
    /// Its weight among the opponents of OptimalLP.
    pub sampling_weight: f64,
    /// What the policy requires and it cannot show.
    pub unmet: Option<Unmet>,
}

/// A rule with its expressions compiled.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its conditions, ORed.
    pub matches: Vec<(Match, Option<Pattern>)>,
    /// What it does.
    pub action: Action,
    /// The candidates that the action names: by model, provider or tier, or because they meet what it requires.
    pub named: CandMask,
    /// For each candidate what the action requires and it cannot show; empty where it requires nothing.
    pub unmet: Vec<Option<Unmet>>,
}

/// A compiled text condition.
#[derive(Debug)]
pub struct Pattern {
    /// The expression and its scope.
    pub text: TextMatch,
    /// Compiled.
    pub regex: regex::Regex,
}

/// A budget.
#[derive(Debug)]
pub struct Budget {
    /// Its name.
    pub name: Name,
    /// What it says.
    pub config: BudgetConfig,
}

/// One limit of one budget.
#[derive(Debug)]
pub struct Limit {
    /// Its stable name.
    pub key: LimitKey,
    /// Index into [`Snapshot::budgets`].
    pub budget: usize,
    /// What it says.
    pub config: LimitConfig,
}

impl Policy {
    /// How this policy solves the choice, unless a rule says otherwise.
    pub fn optimizer(&self) -> Optimizer {
        self.optimizer_for(self.config.objective)
    }

    /// How this policy solves the choice under an objective: by price, where a balance is wanted and there is money to pace,
    /// unless the policy names another way.
    pub fn optimizer_for(&self, objective: Objective) -> Optimizer {
        let named = self.config.strategy.optimizer.filter(|_| objective == self.config.objective);
        match (named, objective) {
            (None, Objective::Balanced) if self.is_paced() => Optimizer::ShadowPrice,
            _ => default_optimizer(&self.config, objective),
        }
    }

    fn is_paced(&self) -> bool {
        let Strategy { spend_per_thousand_calls, spend_per_window, .. } = &self.config.strategy;
        spend_per_thousand_calls.is_some() || spend_per_window.is_some() || !self.paced_by.is_empty()
    }

    /// The weights of quality, cost and speed; they sum to one.
    pub fn weights(&self, objective: Objective) -> [f64; 3] {
        match self.config.strategy.weights {
            Some(weights) if objective == self.config.objective => normalise(weights),
            _ => objective_weights(objective),
        }
    }
}

/// The optimizer of a policy under an objective. What the policy names goes with its own objective; one that a rule sets
/// instead brings its own.
pub fn default_optimizer(policy: &PolicyConfig, objective: Objective) -> Optimizer {
    if let Some(optimizer) = policy.strategy.optimizer.filter(|_| objective == policy.objective) {
        return optimizer;
    }
    match objective {
        Objective::Balanced if policy.strategy.spend_per_thousand_calls.is_some() => Optimizer::ShadowPrice,
        Objective::Balanced | Objective::Quality => Optimizer::MaxScore,
        Objective::Cost => Optimizer::Strict,
        Objective::Speed => Optimizer::SpeedWeighted,
    }
}

/// The weights (quality, cost, speed) that an objective stands for.
pub fn objective_weights(objective: Objective) -> [f64; 3] {
    match objective {
        Objective::Quality => [0.95, 0.025, 0.025],
        Objective::Cost => [0.10, 0.85, 0.05],
        Objective::Speed => [0.10, 0.05, 0.85],
        Objective::Balanced => [0.50, 0.25, 0.25],
    }
}

fn normalise(weights: Weights) -> [f64; 3] {
    let parts = [weights.quality, weights.cost, weights.speed].map(f64::from);
    let sum: f64 = parts.iter().sum();
    if sum > 0.0 { parts.map(|p| p / sum) } else { objective_weights(Objective::Balanced) }
}
