//! The policy of a namespace that has none: `auto` chooses among what its providers recommend.

use std::collections::BTreeMap;

use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::policy::{
    Annotate, Balancing, CandidateConfig, Mode, Objective, PolicyConfig, Recording, RequestedModel,
    Requirement, Resilience, ScorerConfig, Strategy,
};

use super::CompiledWorld;
use super::world::Pod;

/// What people see where there is no RoutingPolicy of their own.
const NAME: &str = "default";
/// The most candidates of a policy.
const MOST_CANDIDATES: usize = 64;

/// A policy over the recommended models of the namespace's providers; none where it has no provider.
pub(super) fn policy(compiled: &CompiledWorld, pod: &Pod) -> Option<Entry> {
    let namespace = &pod.namespace;
    if compiled.policies.keys().any(|name| name.namespace == *namespace) {
        return None;
    }
    let mut candidates: BTreeMap<&str, Vec<Name>> = BTreeMap::new();
    for (name, provider) in compiled.providers.iter().filter(|(name, _)| name.namespace == *namespace) {
        for model in provider.facts.models.iter().filter(|model| model.recommended) {
            candidates.entry(&model.config.name).or_default().push(name.clone());
        }
    }
    let candidates = candidates.into_iter().take(MOST_CANDIDATES);
    let candidates: Vec<_> = candidates
        .map(|(model, providers)| CandidateConfig {
            model: model.to_owned(),
            providers,
            tier: None,
            weight: None,
        })
        .collect();
    (!candidates.is_empty()).then(|| Entry {
        key: Key { kind: Kind::Policy, name: Name::new(namespace, NAME) },
        uid: format!("synthesized/{namespace}"),
        generation: 0,
        state: State::Valid(Compiled::Policy(over(candidates))),
    })
}

fn over(candidates: Vec<CandidateConfig>) -> PolicyConfig {
    PolicyConfig {
        virtual_models: vec!["auto".to_owned()],
        mode: Mode::Route,
        candidates,
        tiers: Vec::new(),
        requires: Requirement::default(),
        default_model: None,
        baseline: None,
        caller_overrides: Vec::new(),
        requested_model: RequestedModel::Use,
        model_aliases: Vec::new(),
        rules: Vec::new(),
        objective: Objective::Balanced,
        strategy: Strategy::default(),
        balancing: Balancing::default(),
        resilience: Resilience { attempts: 3, first_token_ms: None },
        annotate: Annotate::Headers,
        scorer: ScorerConfig::default(),
        session: None,
        recording: Recording::Metadata,
    }
}
