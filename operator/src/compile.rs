//! From objects to what sidecars obey: validates, resolves and fills in, object by object. Pure: no client, no clock.
//!
//! ```text
//! World ──► compile ──► CompiledWorld { per object: Outcome { entry, problems, facts } } ──► scope(pod) ──► entries
//! ```
//!
//! A wrong object is no error: it gets problems, which become conditions (or lines of `pointsman check`), and its entry is
//! Invalid. No object's problems touch another's entry.

mod abtest;
mod budget;
mod outcome;
mod policy;
mod problem;
mod provider;
mod scope;
mod selector;
mod synthesized;
#[cfg(test)]
pub(crate) mod tests;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::budget::LimitConfig;
use pointsman_config::entry::{Entry, Name};

use crate::accounts::LimitKey;

pub use abtest::TestOutcome;
pub use budget::BudgetFacts;
pub use outcome::{Outcome, Verdict, name_of};
pub use policy::PolicyFacts;
pub use problem::{Aspect, Problem};
pub use provider::{ModelFacts, PriceOrigin, ProviderFacts, SecretKey, referenced_secret};
pub use scope::{Binding, bind, scope, scope_credentials, selects};
pub use selector::fits;
pub use world::{ALLOWED_HOSTS, Labels, Pod, SecretFacts, SecretState, World, allowed_hosts};

/// Every object, compiled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompiledWorld {
    /// The operator's own namespace.
    pub root_namespace: String,
    /// LLMProviders.
    pub providers: BTreeMap<Name, Outcome<ProviderFacts>>,
    /// RoutingPolicies.
    pub policies: BTreeMap<Name, Outcome<PolicyFacts>>,
    /// Budgets.
    pub budgets: BTreeMap<Name, Outcome<BudgetFacts>>,
    /// ABTests.
    pub tests: BTreeMap<Name, TestOutcome>,
}

impl CompiledWorld {
    /// Every entry, of every namespace: what a sidecar for all of them would get, unbound. In order of keys.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let providers = self.providers.values().map(|outcome| &outcome.entry);
        let policies = self.policies.values().map(|outcome| &outcome.entry);
        providers.chain(policies).chain(self.budgets.values().map(|outcome| &outcome.entry))
    }
}

impl CompiledWorld {
    /// Every limit of every budget, also of invalid ones as far as they can be told.
    pub fn limits(&self) -> BTreeMap<LimitKey, LimitConfig> {
        let budgets = self.budgets.iter();
        let limits =
            budgets.flat_map(|(name, budget)| budget.facts.limits.iter().map(move |limit| (name, limit)));
        limits
            .map(|(name, limit)| {
                (LimitKey { budget: name.clone(), limit: limit.name.clone() }, limit.clone())
            })
            .collect()
    }
}

/// Compiles every object of a world.
pub fn compile(world: &World) -> CompiledWorld {
    let providers: BTreeMap<_, _> =
        world.providers.iter().map(|object| (name_of(object), provider::compile(world, object))).collect();
    let policies: BTreeMap<_, _> = world
        .policies
        .iter()
        .map(|object| (name_of(object), policy::compile(world, &providers, object)))
        .collect();
    let names: BTreeSet<_> = policies.keys().cloned().collect();
    let budgets = world
        .budgets
        .iter()
        .map(|object| (name_of(object), budget::compile(world, &providers, &names, object)));
    let tests = world.tests.iter().map(|object| (name_of(object), abtest::compile(&policies, object)));
    CompiledWorld {
        root_namespace: world.root_namespace.clone(),
        budgets: budgets.collect(),
        tests: tests.collect(),
        providers,
        policies,
    }
}
