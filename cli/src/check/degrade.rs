//! Does a budget that is told to degrade have anything to degrade to?
//!
//! A cheaper candidate, a free one, or one that the budget does not count is a step between the pick and a refusal. Where
//! a policy has none, Degrade is Reject under another name. Nobody is told so who only left the default standing.

use pointsman_config::amount::Unit;
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, OnExhausted};
use pointsman_config::entry::{Compiled, Name, State};
use pointsman_config::money::Prices;
use pointsman_config::policy::{Mode, PolicyConfig};
use pointsman_operator::compile::{CompiledWorld, Labels};

use crate::manifests::Manifest;

/// Where it is written.
pub(super) const PATH: &str = "spec.onExhausted";

/// Names the first policy in which a budget can only refuse.
pub(super) fn dead_end(world: &CompiledWorld, manifest: &Manifest) -> Option<String> {
    if manifest.kind != "Budget" || !is_written(manifest) {
        return None;
    }
    let budget = world.budgets.get(&Name::new(&manifest.namespace, &manifest.name))?;
    let State::Valid(Compiled::Budget(config)) = &budget.entry.state else { return None };
    if !degrades(config) {
        return None;
    }
    // Labels of namespaces stand in no folder.
    let covers = |name: &Name| budget.facts.covers(&name.namespace, &Labels::new());
    world.policies.iter().filter(|(name, _)| covers(name)).find_map(|(name, policy)| {
        let State::Valid(Compiled::Policy(policy)) = &policy.entry.state else { return None };
        let only = only_price(world, &config.selector, name, policy)?;
        Some(format!(
            "nothing to degrade to: policy {name} has no cheaper candidate than \"{only}\", so the only step is 429; \
             add one, or say onExhausted: Reject if that is meant"
        ))
    })
}

/// A default has no place of its own.
fn is_written(manifest: &Manifest) -> bool {
    manifest.locate(PATH) != manifest.locate("spec")
}

/// Whether calls get cheaper before they are refused. Of tokens and requests every candidate takes its share.
fn degrades(budget: &BudgetConfig) -> bool {
    budget.on_exhausted == OnExhausted::Degrade
        && budget.enforcement != Enforcement::Soft
        && budget.limits.iter().any(|limit| limit.amount.unit == Unit::Usd)
}

/// The first candidate of a policy in which every one is counted and costs the same.
fn only_price<'a>(
    world: &CompiledWorld,
    selector: &BudgetSelector,
    name: &Name,
    policy: &'a PolicyConfig,
) -> Option<&'a str> {
    if policy.mode != Mode::Route {
        return None;
    }
    let mut first: Option<(&str, Prices)> = None;
    for candidate in &policy.candidates {
        for provider in &candidate.providers {
            let prices = prices(world, provider, &candidate.model)?;
            let (_, known) = first.get_or_insert((&candidate.model, prices));
            if *known != prices || prices.is_free() || !counts(selector, name, provider, &candidate.model) {
                return None;
            }
        }
    }
    first.map(|(model, _)| model)
}

/// Whether a budget counts calls of a policy to a model of a provider.
fn counts(selector: &BudgetSelector, policy: &Name, provider: &Name, model: &str) -> bool {
    let fits = |names: &[Name], name: &Name| names.is_empty() || names.contains(name);
    fits(&selector.policies, policy)
        && fits(&selector.providers, provider)
        && (selector.models.is_empty() || selector.models.iter().any(|counted| counted == model))
}

/// None where they are unknown, which is told elsewhere.
fn prices(world: &CompiledWorld, provider: &Name, model: &str) -> Option<Prices> {
    let facts = &world.providers.get(provider)?.facts;
    facts.models.iter().find(|served| served.config.name == model)?.config.prices
}
