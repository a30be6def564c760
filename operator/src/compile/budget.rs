//! Budget: limits with their amounts and zones, and which calls they count.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use pointsman_config::amount::Amount;
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, LimitConfig, OnExhausted};
use pointsman_config::entry::{Compiled, Kind, Name};
use pointsman_config::window::{Window, time_zone};
use pointsman_crds::shared::Reference;
use pointsman_crds::v1alpha1::Budget;
use pointsman_crds::v1alpha1::budget::{self as api, BudgetSpec};

use super::outcome::{Outcome, name_of, outcome};
use super::policy::{Providers, hint};
use super::problem::{Problems, Reason};
use super::selector;
use super::world::{Labels, World};

/// What else is known of a budget, for scoping and for status.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetFacts {
    /// The namespaces that it covers; absent: its own.
    pub namespaces: Option<LabelSelector>,
    /// Its limits, also of an invalid budget, as far as they can be told.
    pub limits: Vec<LimitConfig>,
    /// How hard it holds.
    pub enforcement: Enforcement,
    /// Shares of a limit at which an Event is written, ascending.
    pub thresholds: Vec<u64>,
    namespace: String,
}

impl BudgetFacts {
    /// Whether it counts calls of a namespace.
    pub fn covers(&self, namespace: &str, labels: &Labels) -> bool {
        match &self.namespaces {
            Some(selector) => selector::fits(selector, labels),
            None => namespace == self.namespace,
        }
    }
}

/// Compiles one budget.
pub(super) fn compile(
    world: &World,
    providers: &Providers,
    policies: &BTreeSet<Name>,
    budget: &Budget,
) -> Outcome<BudgetFacts> {
    let spec = &budget.spec;
    let name = name_of(budget);
    let mut problems = Problems::default();
    if spec.namespace_selector.is_some() && name.namespace != world.root_namespace {
        let message = format!(
            "only a Budget of namespace \"{}\" may count other namespaces: remove namespaceSelector, or create it there",
            world.root_namespace
        );
        problems.add("spec.namespaceSelector", Reason::NotRootNamespace, message);
    }
    selector::check("spec.namespaceSelector", spec.namespace_selector.as_ref(), &mut problems);
    let limits = limits(spec, &mut problems);
    let mut thresholds: Vec<_> =
        spec.thresholds.iter().filter_map(|t| u64::try_from(t.percent).ok()).collect();
    thresholds.sort_unstable();
    let facts = BudgetFacts {
        namespaces: spec.namespace_selector.clone(),
        limits,
        enforcement: enforcement(spec.enforcement),
        thresholds,
        namespace: name.namespace.clone(),
    };
    let known = Known { world, providers, policies, facts: &facts };
    let calls = known.calls(&name.namespace, spec, &mut problems);
    let compiled = Compiled::Budget(BudgetConfig {
        owner: spec.owner.clone(),
        selector: calls,
        limits: facts.limits.clone(),
        enforcement: facts.enforcement,
        on_exhausted: on_exhausted(spec.on_exhausted),
        rights: world.rights,
    });
    outcome(Kind::Budget, budget, Some(compiled), problems, facts)
}

fn limits(spec: &BudgetSpec, problems: &mut Problems) -> Vec<LimitConfig> {
    if spec.limits.is_empty() {
        problems.add("spec.limits", Reason::Invalid, "name at least one limit");
    }
    let mut names = BTreeSet::new();
    let mut limits = Vec::new();
    for (index, limit) in spec.limits.iter().enumerate() {
        let path = format!("spec.limits[{index}]");
        if !names.insert(&limit.name) {
            problems.add(format!("{path}.name"), Reason::Invalid, "give each limit a name of its own");
        }
        let amount = problems.take(&format!("{path}.amount"), Amount::parse(&limit.amount));
        let zone = problems.take(&format!("{path}.timeZone"), time_zone(&limit.time_zone));
        limits.extend(amount.zip(zone).map(|(amount, _)| LimitConfig {
            name: limit.name.clone(),
            amount,
            window: window(limit.window),
            time_zone: limit.time_zone.clone(),
        }));
    }
    limits
}

/// What a selector's names are looked up in.
struct Known<'a> {
    world: &'a World,
    providers: &'a Providers,
    policies: &'a BTreeSet<Name>,
    facts: &'a BudgetFacts,
}

impl Known<'_> {
    fn calls(&self, namespace: &str, spec: &BudgetSpec, problems: &mut Problems) -> BudgetSelector {
        let Some(selector) = &spec.selector else { return BudgetSelector::default() };
        let full = |reference: &Reference| {
            Name::new(reference.namespace.as_deref().unwrap_or(namespace), &reference.name)
        };
        let policies: Vec<_> = selector.policies.iter().map(full).collect();
        let providers: Vec<_> = selector.provider_refs.iter().map(full).collect();
        for (index, policy) in policies.iter().enumerate().filter(|(_, name)| !self.policies.contains(*name))
        {
            let message = format!("RoutingPolicy \"{policy}\" does not exist{}", self.policy_hint(policy));
            problems.add(format!("spec.selector.policies[{index}]"), Reason::PolicyNotFound, message);
        }
        for (index, provider) in
            providers.iter().enumerate().filter(|(_, name)| !self.providers.contains_key(*name))
        {
            let message = format!("LLMProvider \"{provider}\" does not exist");
            problems.add(format!("spec.selector.providerRefs[{index}]"), Reason::UnknownProvider, message);
        }
        self.check_models(&selector.models, &providers, problems);
        BudgetSelector { models: selector.models.clone(), policies, providers }
    }

    fn policy_hint(&self, policy: &Name) -> String {
        let siblings = self.policies.iter().filter(|name| name.namespace == policy.namespace);
        hint(&policy.name, siblings.map(|name| name.name.as_str()))
    }

    /// A model counts as known when a provider of a covered namespace, of the root namespace or of the selector has it.
    fn check_models(&self, models: &[String], named: &[Name], problems: &mut Problems) {
        let in_reach = self.providers.iter().filter(|(name, _)| {
            let none = Labels::new();
            let labels = self.world.namespaces.get(&name.namespace).unwrap_or(&none);
            named.contains(name)
                || name.namespace == self.world.root_namespace
                || self.facts.covers(&name.namespace, labels)
        });
        let served: BTreeSet<_> = in_reach
            .flat_map(|(_, outcome)| outcome.facts.models.iter().map(|m| m.config.name.as_str()))
            .collect();
        for (index, model) in models.iter().enumerate().filter(|(_, model)| !served.contains(model.as_str()))
        {
            let message =
                format!("no LLMProvider in reach serves \"{model}\"{}", hint(model, served.iter().copied()));
            problems.add(format!("spec.selector.models[{index}]"), Reason::UnknownModel, message);
        }
    }
}

fn window(window: api::Window) -> Window {
    match window {
        api::Window::Minute => Window::Minute,
        api::Window::Hour => Window::Hour,
        api::Window::Day => Window::Day,
        api::Window::Week => Window::Week,
        api::Window::Month => Window::Month,
        api::Window::Total => Window::Total,
    }
}

fn enforcement(enforcement: api::Enforcement) -> Enforcement {
    match enforcement {
        api::Enforcement::Strict => Enforcement::Strict,
        api::Enforcement::Hybrid => Enforcement::Hybrid,
        api::Enforcement::Soft => Enforcement::Soft,
    }
}

fn on_exhausted(on_exhausted: api::OnExhausted) -> OnExhausted {
    match on_exhausted {
        api::OnExhausted::Degrade => OnExhausted::Degrade,
        api::OnExhausted::Reject => OnExhausted::Reject,
        api::OnExhausted::Notify => OnExhausted::Notify,
    }
}
