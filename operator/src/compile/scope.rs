//! What one sidecar gets: the policies that its pod takes virtual models from, and what they name.
//!
//! The unit of binding is (pod, virtual model). Of the policies that select a pod and answer for a virtual model, the
//! winner is: one of the pod's namespace with a selector, then one without, then the root namespace's without; then the
//! higher priority; then the name that sorts first. An invalid policy binds like a valid one: its sidecars keep its last
//! good version, and a pod never slips under another policy because somebody made a typing mistake.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::policy::{Action, CandidateConfig, Mode, PolicyConfig};

use super::CompiledWorld;
use super::outcome::Outcome;
use super::policy::PolicyFacts;
use super::provider::SecretKey;
use super::selector;
use super::synthesized;
use super::world::Pod;

/// Which policy answers for each virtual model of a pod.
pub type Binding<'a> = BTreeMap<&'a str, &'a Name>;

/// How near a policy is to a pod; nearer ranks sort first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Selector,
    NamespaceDefault,
    RootDefault,
}

/// Finds the winner for each virtual model of a pod.
pub fn bind<'a>(compiled: &'a CompiledWorld, pod: &Pod) -> Binding<'a> {
    let mut contenders: Vec<_> = compiled
        .policies
        .iter()
        .filter_map(|(name, policy)| Some((rank(compiled, pod, name, &policy.facts)?, name, &policy.facts)))
        .collect();
    contenders.sort_by_key(|(rank, name, facts)| (*rank, Reverse(facts.priority), *name));
    let mut binding = Binding::new();
    for (_, name, facts) in contenders {
        for model in &facts.virtual_models {
            binding.entry(model.as_str()).or_insert(name);
        }
    }
    binding
}

/// Whether a policy selects a pod, and how near it is.
fn rank(compiled: &CompiledWorld, pod: &Pod, name: &Name, facts: &PolicyFacts) -> Option<Rank> {
    let own = name.namespace == pod.namespace;
    match &facts.selector {
        Some(selector) => (own && selector::fits(selector, &pod.labels)).then_some(Rank::Selector),
        None if own => Some(Rank::NamespaceDefault),
        None => (name.namespace == compiled.root_namespace).then_some(Rank::RootDefault),
    }
}

/// Whether a policy selects a pod at all, won or lost.
pub fn selects(compiled: &CompiledWorld, pod: &Pod, policy: &Name) -> bool {
    compiled.policies.get(policy).is_some_and(|outcome| rank(compiled, pod, policy, &outcome.facts).is_some())
}

/// Everything that the sidecar of a pod gets, in order of keys.
pub fn scope(compiled: &CompiledWorld, pod: &Pod) -> Vec<Entry> {
    let policies = policies(compiled, pod);
    let providers: BTreeSet<_> = policies.iter().flat_map(|entry| needed(compiled, pod, entry)).collect();
    let mut entries: Vec<_> =
        providers.iter().filter_map(|name| Some(compiled.providers.get(name)?.entry.clone())).collect();
    entries.extend(policies);
    let budgets = compiled.budgets.values();
    let covering = budgets.filter(|budget| budget.facts.covers(&pod.namespace, &pod.namespace_labels));
    entries.extend(covering.map(|budget| budget.entry.clone()));
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// The keys that the entries name; each is sent only to those whose entries name it.
pub fn scope_credentials(compiled: &CompiledWorld, entries: &[Entry]) -> BTreeSet<SecretKey> {
    let providers = entries.iter().filter(|entry| entry.key.kind == Kind::Provider);
    let facts = providers.filter_map(|entry| compiled.providers.get(&entry.key.name));
    facts.filter_map(|provider| provider.facts.credential.clone()).collect()
}

/// The policies that won something in this pod, narrowed to what they won.
fn policies(compiled: &CompiledWorld, pod: &Pod) -> Vec<Entry> {
    let mut won: BTreeMap<&Name, Vec<String>> = BTreeMap::new();
    for (model, name) in bind(compiled, pod) {
        won.entry(name).or_default().push(model.to_owned());
    }
    if won.is_empty() {
        return synthesized::policy(compiled, pod).into_iter().collect();
    }
    let narrowed = won
        .into_iter()
        .filter_map(|(name, models)| Some(narrow(compiled, pod, compiled.policies.get(name)?, models)));
    narrowed.collect()
}

fn narrow(
    compiled: &CompiledWorld,
    pod: &Pod,
    outcome: &Outcome<PolicyFacts>,
    virtual_models: Vec<String>,
) -> Entry {
    let mut entry = outcome.entry.clone();
    if let State::Valid(Compiled::Policy(policy)) = &mut entry.state {
        policy.virtual_models = virtual_models;
        keep_permitted(compiled, pod, &outcome.entry.key, policy);
        if policy.candidates.is_empty() {
            let message =
                format!("no provider of its candidates may be used in namespace \"{}\"", pod.namespace);
            entry.state = State::Invalid { message };
        }
    }
    entry
}

/// A key goes into a pod only where its provider's consent covers the pod's namespace. The root namespace's own providers
/// serve every pod that a policy of the root namespace reaches.
fn is_permitted(compiled: &CompiledWorld, pod: &Pod, policy: &Key, provider: &Name) -> bool {
    let organisations =
        provider.namespace == compiled.root_namespace && policy.name.namespace == compiled.root_namespace;
    let facts = compiled.providers.get(provider).map(|outcome| &outcome.facts);
    organisations || facts.is_some_and(|facts| facts.permits(&pod.namespace, &pod.namespace_labels))
}

/// Narrows a policy to the providers that may be used in a pod.
fn keep_permitted(compiled: &CompiledWorld, pod: &Pod, policy: &Key, config: &mut PolicyConfig) {
    for candidate in &mut config.candidates {
        candidate.providers.retain(|provider| is_permitted(compiled, pod, policy, provider));
    }
    config.candidates.retain(|candidate| !candidate.providers.is_empty());
    let candidates = config.candidates.clone();
    let served = |model: &str| candidates.iter().any(|candidate| candidate.model == model);
    config.default_model.take_if(|model| !served(model));
    config.baseline.take_if(|model| !served(model));
    config.model_aliases.retain(|alias| served(&alias.model));
    config.rules.retain_mut(|rule| still_applies(&mut rule.action, &candidates));
}

/// Narrows an action to the candidates that are left; tells whether anything of it is.
fn still_applies(action: &mut Action, candidates: &[CandidateConfig]) -> bool {
    match action {
        Action::UseModel { model } => candidates.iter().any(|candidate| candidate.model == *model),
        Action::UseProvider { provider } => {
            candidates.iter().any(|candidate| candidate.providers.contains(provider))
        }
        Action::Exclude { models } => {
            models.retain(|model| candidates.iter().any(|candidate| candidate.model == *model));
            !models.is_empty()
        }
        Action::UseTier { tier } => candidates.iter().any(|candidate| candidate.tier.as_ref() == Some(tier)),
        Action::Require { .. } | Action::OverrideStrategy { .. } | Action::Reject { .. } => true,
    }
}

/// The providers that a policy needs here. Of an invalid one the sidecar serves its last good version, which may name any
/// provider in reach; one that observes or is disabled serves whatever those have.
fn needed(compiled: &CompiledWorld, pod: &Pod, entry: &Entry) -> BTreeSet<Name> {
    let facts = compiled.policies.get(&entry.key.name).map(|policy| &policy.facts);
    match (&entry.state, facts) {
        (State::Valid(Compiled::Policy(policy)), facts) if facts.is_none() || policy.mode == Mode::Route => {
            policy.candidates.iter().flat_map(|candidate| candidate.providers.iter().cloned()).collect()
        }
        (_, Some(facts)) => {
            let permitted = |provider: &&Name| is_permitted(compiled, pod, &entry.key, provider);
            facts.in_reach.iter().filter(permitted).cloned().collect()
        }
        (_, None) => BTreeSet::new(),
    }
}
