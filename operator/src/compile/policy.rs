//! RoutingPolicy: candidates resolved to providers in reach, expressions checked, strings turned into values.

mod candidates;
mod requirement;
mod rules;
mod scorer;
mod strategy;
mod tiers;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use pointsman_config::entry::{Compiled, Kind, Name};
use pointsman_config::policy::{self, ModelAlias, PolicyConfig, Resilience};
use pointsman_crds::v1alpha1::RoutingPolicy;
use pointsman_crds::v1alpha1::routingpolicy::{self as api, RoutingPolicySpec};

use super::outcome::{Outcome, name_of, outcome};
use super::problem::{Problems, Reason};
use super::provider::{ProviderFacts, positive};
use super::selector;
use super::world::{Labels, World};

pub(super) use candidates::hint;
use strategy::objective;

/// What else is known of a policy, for binding and for status.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyFacts {
    /// Which pods of the namespace use it; absent: all of them.
    pub selector: Option<LabelSelector>,
    /// Decides between policies of one rank.
    pub priority: i32,
    /// What it answers for.
    pub virtual_models: Vec<String>,
    /// Every candidate's name, resolved or not.
    pub candidates: Vec<String>,
    /// The providers that its candidates name and those of its own namespace: what a version of it may need.
    pub in_reach: BTreeSet<Name>,
    /// The objective as people wrote it.
    pub objective: &'static str,
    /// The mode as people wrote it.
    pub mode: api::Mode,
    /// What savings are measured against, where the spec says so.
    pub baseline: Option<String>,
}

fn in_reach(providers: &Providers, policy: &Name, resolved: &[policy::CandidateConfig]) -> BTreeSet<Name> {
    let named = resolved.iter().flat_map(|candidate| &candidate.providers);
    let own = providers.keys().filter(|provider| provider.namespace == policy.namespace);
    named.chain(own).cloned().collect()
}

/// Compiled providers by name.
pub(super) type Providers = BTreeMap<Name, Outcome<ProviderFacts>>;

/// Compiles one policy.
pub(super) fn compile(world: &World, providers: &Providers, policy: &RoutingPolicy) -> Outcome<PolicyFacts> {
    let spec = &policy.spec;
    let name = name_of(policy);
    let mut problems = Problems::default();
    selector::check("spec.targetSelector", spec.target_selector.as_ref(), &mut problems);
    check_names(spec, &mut problems);
    let nowhere = Labels::new();
    let reach = candidates::Reach {
        providers,
        namespace: &name.namespace,
        labels: world.namespaces.get(&name.namespace).unwrap_or(&nowhere),
    };
    let resolved = candidates::resolve(&reach, &spec.candidates, &mut problems);
    let baseline = baseline(policy);
    let facts = PolicyFacts {
        selector: spec.target_selector.clone(),
        priority: spec.priority,
        virtual_models: spec.virtual_models.clone(),
        candidates: spec.candidates.iter().map(|candidate| candidate.model.clone()).collect(),
        in_reach: in_reach(providers, &name, &resolved),
        objective: spec.objective.as_str(),
        mode: spec.mode,
        baseline: baseline.clone().or_else(|| spec.default_model.clone()),
    };
    let rules = rules::compile(&reach, spec, &resolved, &mut problems);
    let strategy = strategy::compile(spec.strategy.as_ref(), &mut problems);
    let tiers = tiers::compile(spec, &mut problems);
    let resilience = resilience(spec, &mut problems);
    let scorer = scorer::compile(spec, &mut problems);
    let is_resolved = |model: &String| resolved.iter().any(|candidate| candidate.model == *model);
    let parts = strategy.zip(resilience).zip(tiers).filter(|_| !resolved.is_empty());
    let compiled = parts.map(|((strategy, resilience), tiers)| {
        Compiled::Policy(PolicyConfig {
            virtual_models: spec.virtual_models.clone(),
            mode: mode(spec.mode),
            tiers,
            requires: spec.requires.as_ref().map(requirement::requirement).unwrap_or_default(),
            default_model: spec.default_model.clone().filter(is_resolved),
            baseline: baseline.clone().filter(is_resolved),
            caller_overrides: spec.caller_overrides.iter().copied().map(caller_override).collect(),
            requested_model: requested_model(spec.requested_model),
            model_aliases: aliases(spec).filter(|alias| is_resolved(&alias.model)).collect(),
            rules,
            objective: objective(spec.objective),
            strategy,
            balancing: tiers::balancing(spec.balancing),
            scorer: scorer.clone(),
            session: scorer::session(spec.session.as_ref()),
            resilience,
            annotate: annotate(spec.annotate),
            recording: recording(spec.recording.level),
            candidates: resolved.clone(),
        })
    });
    outcome(Kind::Policy, policy, compiled, problems, facts)
}

/// What savings are measured against, but for the default model: what the spec says, or where it says nothing and the
/// models are ours to choose, the candidate that callers named most before.
fn baseline(policy: &RoutingPolicy) -> Option<String> {
    let spec = &policy.spec;
    if spec.baseline.is_some() || spec.default_model.is_some() || spec.mode != api::Mode::Route {
        return spec.baseline.clone();
    }
    let named = policy.status.as_ref()?.most_named.clone()?;
    spec.candidates.iter().any(|candidate| candidate.model == named).then_some(named)
}

fn aliases(spec: &RoutingPolicySpec) -> impl Iterator<Item = ModelAlias> + '_ {
    spec.model_aliases.iter().map(|alias| ModelAlias { name: alias.name.clone(), model: alias.model.clone() })
}

fn resilience(spec: &RoutingPolicySpec, problems: &mut Problems) -> Option<Resilience> {
    let first_token_ms = match &spec.resilience.first_token {
        Some(text) => {
            let read = positive("spec.resilience.firstToken", text, problems)?;
            Some(u64::try_from(read.as_millis()).unwrap_or(u64::MAX))
        }
        None => None,
    };
    let attempts = u32::try_from(spec.resilience.attempts).ok().filter(|attempts| (1..=6).contains(attempts));
    if attempts.is_none() {
        problems.add("spec.resilience.attempts", Reason::Invalid, "write 1 to 6 attempts");
    }
    Some(Resilience { attempts: attempts?, first_token_ms })
}

/// Holds the names of a policy apart; the schema promises most of it to those who come through an API server.
fn check_names(spec: &RoutingPolicySpec, problems: &mut Problems) {
    let candidates: BTreeSet<_> = spec.candidates.iter().map(|candidate| candidate.model.as_str()).collect();
    let mut invalid = |path: String, message: &str| problems.add(path, Reason::Invalid, message);
    if spec.candidates.is_empty() || spec.candidates.len() > 64 {
        invalid("spec.candidates".to_owned(), "name 1 to 64 candidates");
    }
    if candidates.len() < spec.candidates.len() {
        invalid("spec.candidates".to_owned(), "name each model once");
    }
    if spec.virtual_models.is_empty() {
        invalid("spec.virtualModels".to_owned(), "name at least one virtual model, such as auto");
    }
    for (index, model) in spec.virtual_models.iter().enumerate() {
        if candidates.contains(model.as_str()) {
            let message = "a virtual model may not have the name of a candidate: rename one of them";
            invalid(format!("spec.virtualModels[{index}]"), message);
        }
    }
    if spec.default_model.as_deref().is_some_and(|model| !candidates.contains(model)) {
        invalid("spec.defaultModel".to_owned(), "defaultModel must be one of the candidates");
    }
    if spec.baseline.as_deref().is_some_and(|model| !candidates.contains(model)) {
        invalid("spec.baseline".to_owned(), "baseline must be one of the candidates");
    }
    for (index, alias) in spec.model_aliases.iter().enumerate() {
        if !candidates.contains(alias.model.as_str()) {
            invalid(
                format!("spec.modelAliases[{index}].model"),
                "an alias must stand for one of the candidates",
            );
        }
        if candidates.contains(alias.name.as_str()) || spec.virtual_models.contains(&alias.name) {
            let message = "an alias may not have the name of a candidate or of a virtual model: rename it";
            invalid(format!("spec.modelAliases[{index}].name"), message);
        }
    }
}

fn mode(mode: api::Mode) -> policy::Mode {
    match mode {
        api::Mode::Route => policy::Mode::Route,
        api::Mode::Observe => policy::Mode::Observe,
        api::Mode::Disabled => policy::Mode::Disabled,
    }
}

fn caller_override(what: api::CallerOverride) -> policy::CallerOverride {
    match what {
        api::CallerOverride::Objective => policy::CallerOverride::Objective,
        api::CallerOverride::MaxCost => policy::CallerOverride::MaxCost,
        api::CallerOverride::Candidates => policy::CallerOverride::Candidates,
    }
}

fn requested_model(requested: api::RequestedModel) -> policy::RequestedModel {
    match requested {
        api::RequestedModel::Use => policy::RequestedModel::Use,
        api::RequestedModel::Override => policy::RequestedModel::Override,
    }
}

fn annotate(annotate: api::Annotate) -> policy::Annotate {
    match annotate {
        api::Annotate::Headers => policy::Annotate::Headers,
        api::Annotate::Body => policy::Annotate::Body,
    }
}

fn recording(level: api::RecordingLevel) -> policy::Recording {
    match level {
        api::RecordingLevel::None => policy::Recording::None,
        api::RecordingLevel::Metadata => policy::Recording::Metadata,
    }
}
