//! LLMProvider: where it is, which key goes there, what it serves at which price.

mod credential;
mod endpoint;
mod models;

use pointsman_config::duration;
use pointsman_config::entry::{Compiled, Kind};
use pointsman_config::provider::{
    CircuitBreaker, CredentialName, DataPolicy, Header, OutputCapField, ProviderConfig, Retention,
    SimulatedUpstream, Timeouts, Training, Upstream,
};
use pointsman_crds::v1alpha1::LLMProvider;
use pointsman_crds::v1alpha1::llmprovider::{
    self as api, AllowedFrom, AllowedNamespaces, LLMProviderSpec, ProviderType,
};
use pointsman_models::provider_defaults;

use super::outcome::{Outcome, name_of, outcome};
use super::problem::{Problems, Reason};
use super::selector;
use super::world::{Labels, World};

pub use credential::{SecretKey, referenced_secret};
pub(super) use models::number;
pub use models::{ModelFacts, PriceOrigin};

/// What else is known of a provider, for status and for scoping.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderFacts {
    /// Where requests go, as `https://api.openai.com`; `simulated` for a simulated one.
    pub endpoint: String,
    /// What it serves; also of an invalid provider, as far as it can be told.
    pub models: Vec<ModelFacts>,
    /// Whether the spec lists models itself.
    pub lists_models: bool,
    /// The key that it needs, if its Secret lets it go to the endpoint.
    pub credential: Option<SecretKey>,
    consent: Option<AllowedNamespaces>,
    namespace: String,
    provider_type: &'static str,
}

impl ProviderFacts {
    /// Whether a namespace may use the provider.
    pub fn permits(&self, namespace: &str, labels: &Labels) -> bool {
        let Some(consent) = &self.consent else { return namespace == self.namespace };
        namespace == self.namespace
            || match consent.from {
                AllowedFrom::Same => false,
                AllowedFrom::All => true,
                AllowedFrom::Selector => consent.selector.as_ref().is_some_and(|s| selector::fits(s, labels)),
            }
    }

    /// The type as manifests spell it.
    pub fn provider_type(&self) -> &'static str {
        self.provider_type
    }

    /// Whether it serves a model of this name.
    pub fn serves(&self, model: &str) -> bool {
        self.models.iter().any(|served| served.config.name == model)
    }
}

/// Compiles one provider.
pub(super) fn compile(world: &World, provider: &LLMProvider) -> Outcome<ProviderFacts> {
    let spec = &provider.spec;
    let name = name_of(provider);
    let mut problems = Problems::default();
    let place = endpoint::resolve(world, &name.namespace, spec, &mut problems);
    let credential = credential::resolve(world, &name.namespace, spec, place.as_ref(), &mut problems);
    let models = models::fill(world.today, spec, &mut problems);
    check_consent(spec, &mut problems);
    let upstream = match spec.type_ {
        ProviderType::Simulated => simulated(spec, &mut problems).map(Upstream::Simulated),
        _ => place.clone().map(Upstream::Http),
    };
    let timeouts = timeouts(spec, &mut problems);
    let circuit_breaker = circuit_breaker(spec, &mut problems);
    let facts = ProviderFacts {
        endpoint: place.as_ref().map_or_else(|| "simulated".to_owned(), endpoint::display),
        models,
        lists_models: !spec.models.is_empty(),
        credential: credential.as_ref().map(|(key, _)| key.clone()),
        consent: spec.allowed_namespaces.clone(),
        namespace: name.namespace.clone(),
        provider_type: spec.type_.as_str(),
    };
    let compiled =
        upstream.zip(timeouts).zip(circuit_breaker).map(|((upstream, timeouts), circuit_breaker)| {
            Compiled::Provider(ProviderConfig {
                provider_type: facts.provider_type.to_owned(),
                output_cap_field: output_cap_field(facts.provider_type),
                upstream,
                credential: credential
                    .map(|(key, version)| CredentialName { reference: key.to_string(), version }),
                headers: headers(spec),
                timeouts,
                circuit_breaker,
                models: facts.models.iter().map(|model| model.config.clone()).collect(),
                data_policy: data_policy(spec.data_policy.as_ref()),
                labels: provider.metadata.labels.clone().unwrap_or_default(),
            })
        });
    outcome(Kind::Provider, provider, compiled, problems, facts)
}

fn output_cap_field(provider_type: &str) -> OutputCapField {
    provider_defaults(provider_type).map_or(OutputCapField::MaxTokens, |defaults| defaults.output_cap_field)
}

/// What a provider does with data, or must do, in the contract's words.
pub(super) fn data_policy(said: Option<&api::DataPolicy>) -> DataPolicy {
    let Some(api::DataPolicy { region, retention, training }) = said else { return DataPolicy::default() };
    DataPolicy {
        region: region.clone(),
        retention: retention.map(|retention| match retention {
            api::Retention::None => Retention::None,
            api::Retention::Limited => Retention::Limited,
            api::Retention::Unlimited => Retention::Unlimited,
        }),
        training: training.map(|training| match training {
            api::Training::Never => Training::Never,
            api::Training::Allowed => Training::Allowed,
        }),
    }
}

fn headers(spec: &LLMProviderSpec) -> Vec<Header> {
    let lower = |name: &str| name.to_ascii_lowercase();
    spec.headers.iter().map(|h| Header { name: lower(&h.name), value: h.value.clone() }).collect()
}

fn timeouts(spec: &LLMProviderSpec, problems: &mut Problems) -> Option<Timeouts> {
    let mut read = |field: &str, text: &str| positive(&format!("spec.timeouts.{field}"), text, problems);
    let [connect, first_token, idle, total] = [
        read("connect", &spec.timeouts.connect),
        read("firstToken", &spec.timeouts.first_token),
        read("idle", &spec.timeouts.idle),
        read("total", &spec.timeouts.total),
    ];
    Some(Timeouts { connect: connect?, first_token: first_token?, idle: idle?, total: total? })
}

fn circuit_breaker(spec: &LLMProviderSpec, problems: &mut Problems) -> Option<CircuitBreaker> {
    let breaker = &spec.circuit_breaker;
    let open_for = positive("spec.circuitBreaker.openFor", &breaker.open_for, problems)?;
    let consecutive_errors =
        u32::try_from(breaker.consecutive_errors.max(1)).expect("at least one is not negative");
    Some(CircuitBreaker { consecutive_errors, open_for })
}

/// A duration above zero.
pub(super) fn positive(path: &str, text: &str, problems: &mut Problems) -> Option<std::time::Duration> {
    let read = problems.take(path, duration::parse(text))?;
    if read.is_zero() {
        problems.add(path, Reason::Invalid, "write a duration above zero, such as 10s");
        return None;
    }
    Some(read)
}

fn simulated(spec: &LLMProviderSpec, problems: &mut Problems) -> Option<SimulatedUpstream> {
    let simulated = spec.simulated.as_ref();
    let factor = simulated.map_or("1", |s| s.clock_factor.as_str());
    let failures = simulated.and_then(|s| s.failures.as_ref());
    let clock_factor = models::number("spec.simulated.clockFactor", factor, 0.000_000_001..=1e9, problems);
    let rate = failures.map_or("0", |f| f.rate.as_str());
    let failure_rate = models::number("spec.simulated.failures.rate", rate, 0.0..=1.0, problems);
    Some(SimulatedUpstream {
        outcomes_file: simulated.and_then(|s| s.outcomes.as_ref()).map(|o| o.file.clone()),
        clock_factor: clock_factor?,
        failure_rate: failure_rate?,
        failure_status: failures.and_then(|f| u16::try_from(f.status).ok()).unwrap_or(503),
    })
}

fn check_consent(spec: &LLMProviderSpec, problems: &mut Problems) {
    let Some(consent) = &spec.allowed_namespaces else { return };
    selector::check("spec.allowedNamespaces.selector", consent.selector.as_ref(), problems);
    if consent.from != AllowedFrom::Same && spec.credential_placement.is_none() {
        let message =
            "a provider shared with other namespaces must say where its key may lie: set credentialPlacement";
        problems.add("spec.credentialPlacement", Reason::Invalid, message);
    }
}
