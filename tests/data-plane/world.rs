//! A data plane, its objects, and the providers behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use pointsman_config::amount::Amount;
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, LimitConfig, OnExhausted, Rights};
use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::money::{PricePerMillion, Prices};
use pointsman_config::policy::{
    Annotate, Balancing, CandidateConfig, Mode, Objective, PolicyConfig, Recording, RequestedModel,
    Requirement, Resilience, ScorerConfig, Strategy,
};
use pointsman_config::provider::{
    Capabilities, CircuitBreaker, CredentialName, DataPolicy, HttpEndpoint, ModelConfig, OutputCapField,
    Prior, ProviderConfig, Timeouts, Upstream,
};
use pointsman_config::window::Window;
use pointsman_sidecar::{Config, Credential, Handle, Secret, Sidecar, Update};
use pointsman_test_support::provider::{Model, Price, Provider};

use crate::store::Memory;

/// Prices of every model here, in both worlds: 1.25, 0.125 and 10 USD per million.
pub(crate) const PRICE: Price =
    Price { input: 1_250_000_000, cached_input: 125_000_000, output: 10_000_000_000 };

/// A running data plane.
pub(crate) struct World {
    pub(crate) sidecar: Handle,
    pub(crate) address: SocketAddr,
}

impl World {
    /// Starts a data plane with these objects.
    pub(crate) async fn start(objects: Objects) -> Result<Self> {
        Self::start_with(Config { rights: Some(Box::new(Memory::default())), ..Config::default() }, objects)
            .await
    }

    pub(crate) async fn start_with(config: Config, objects: Objects) -> Result<Self> {
        let sidecar = Sidecar::start(config)?;
        let address = sidecar.data_addrs()[0];
        let applied = sidecar.apply(objects.update()).await;
        assert_eq!(applied.problems, []);
        Ok(Self { sidecar, address })
    }
}

/// The objects of a world, changed before they are sent.
#[derive(Clone)]
pub(crate) struct Objects {
    pub(crate) providers: Vec<(&'static str, ProviderConfig)>,
    pub(crate) policy: PolicyConfig,
    pub(crate) budgets: Vec<(&'static str, BudgetConfig)>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) generation: i64,
}

impl Objects {
    /// Policy `shop/default` over these models, each named with the provider that serves it, the first one the best.
    pub(crate) fn new(models: &[(&'static str, &Provider, &'static str)]) -> Self {
        let mut objects = Self {
            providers: Vec::new(),
            policy: policy(),
            budgets: Vec::new(),
            credentials: Vec::new(),
            generation: 1,
        };
        for (rank, (name, provider, model)) in models.iter().enumerate() {
            provider.serve(model, Model::priced(PRICE));
            objects.add(name, provider, model, 0.9 - rank as f64 * 0.1);
        }
        objects
    }

    fn add(&mut self, name: &'static str, provider: &Provider, served: &str, quality: f64) {
        let at = self.providers.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.providers.push((name, at(provider)));
            self.providers.len() - 1
        });
        self.providers[at].1.models.push(model(served, quality));
        let provider = Name::new("shop", name);
        match self.policy.candidates.iter_mut().find(|c| c.model == served) {
            Some(candidate) => candidate.providers.push(provider),
            None => {
                let candidate = CandidateConfig {
                    model: served.to_owned(),
                    providers: vec![provider],
                    tier: None,
                    weight: None,
                };
                self.policy.candidates.push(candidate);
            }
        }
    }

    /// Adds a budget with one limit.
    pub(crate) fn budget(mut self, name: &'static str, amount: &str, window: Window) -> Self {
        self.budgets.push((name, budget(amount, window)));
        self
    }

    /// Gives a provider a key.
    pub(crate) fn key(mut self, provider: &str, key: &str) -> Self {
        let name = CredentialName { reference: format!("shop/{provider}/key"), version: "1".to_owned() };
        let known = self.providers.iter_mut().find(|(known, _)| *known == provider).unwrap();
        known.1.credential = Some(name.clone());
        self.credentials.push(Credential { name, secret: Secret::new(key) });
        self
    }

    /// Changes every provider.
    pub(crate) fn each(mut self, change: impl Fn(&mut ProviderConfig)) -> Self {
        self.providers.iter_mut().for_each(|(_, provider)| change(provider));
        self
    }

    /// Changes the policy.
    pub(crate) fn policy(mut self, change: impl FnOnce(&mut PolicyConfig)) -> Self {
        change(&mut self.policy);
        self
    }

    pub(crate) fn update(&self) -> Update {
        let mut entries: Vec<Entry> = Vec::new();
        for (name, provider) in &self.providers {
            entries.push(self.entry(Kind::Provider, name, Compiled::Provider(provider.clone())));
        }
        for (name, budget) in &self.budgets {
            entries.push(self.entry(Kind::Budget, name, Compiled::Budget(budget.clone())));
        }
        entries.push(self.entry(Kind::Policy, "default", Compiled::Policy(self.policy.clone())));
        Update { entries, credentials: self.credentials.clone() }
    }

    fn entry(&self, kind: Kind, name: &str, compiled: Compiled) -> Entry {
        let key = Key { kind, name: Name::new("shop", name) };
        Entry {
            uid: format!("{kind:?}-{name}"),
            key,
            generation: self.generation,
            state: State::Valid(compiled),
        }
    }
}

fn policy() -> PolicyConfig {
    PolicyConfig {
        virtual_models: vec!["auto".to_owned()],
        mode: Mode::Route,
        candidates: Vec::new(),
        tiers: Vec::new(),
        requires: Requirement::default(),
        default_model: None,
        baseline: None,
        caller_overrides: Vec::new(),
        requested_model: RequestedModel::Use,
        model_aliases: Vec::new(),
        rules: Vec::new(),
        objective: Objective::Quality,
        strategy: Strategy::default(),
        balancing: Balancing::default(),
        resilience: Resilience { attempts: 3, first_token_ms: None },
        annotate: Annotate::Headers,
        scorer: ScorerConfig::default(),
        session: None,
        recording: Recording::Metadata,
    }
}

fn at(provider: &Provider) -> ProviderConfig {
    let tls = provider.ca_pem().is_some();
    ProviderConfig {
        provider_type: "OpenAICompatible".to_owned(),
        output_cap_field: OutputCapField::MaxTokens,
        upstream: Upstream::Http(HttpEndpoint {
            tls,
            host: if tls { "localhost".to_owned() } else { provider.address().ip().to_string() },
            port: provider.address().port(),
            base_path: "/v1".to_owned(),
            allow_private: true,
        }),
        credential: None,
        headers: Vec::new(),
        timeouts: Timeouts {
            connect: Duration::from_secs(20),
            first_token: Duration::from_secs(20),
            idle: Duration::from_secs(20),
            total: Duration::from_secs(60),
        },
        circuit_breaker: CircuitBreaker { consecutive_errors: 100, open_for: Duration::from_secs(1) },
        models: Vec::new(),
        data_policy: DataPolicy::default(),
        labels: BTreeMap::default(),
    }
}

fn model(name: &str, quality: f64) -> ModelConfig {
    ModelConfig {
        name: name.to_owned(),
        provider_model: name.to_owned(),
        prices: Some(Prices {
            input: PricePerMillion(PRICE.input),
            output: PricePerMillion(PRICE.output),
            cached_input: Some(PricePerMillion(PRICE.cached_input)),
        }),
        context_window: Some(200_000),
        max_output_tokens: Some(1000),
        capabilities: Capabilities { vision: false, tools: true, structured_output: true, reasoning: false },
        prior: Prior {
            quality,
            first_token_ms: 100.0,
            tokens_per_second: 100.0,
            output_tokens: 60.0,
            sampling_weight: 1,
        },
        weight: 1,
        preferred: false,
    }
}

pub(crate) fn budget(amount: &str, window: Window) -> BudgetConfig {
    BudgetConfig {
        owner: Some("team-search, #llm-budget".to_owned()),
        selector: BudgetSelector::default(),
        limits: vec![LimitConfig {
            name: "cap".to_owned(),
            amount: Amount::parse(amount).unwrap(),
            window,
            time_zone: "Europe/Berlin".to_owned(),
        }],
        enforcement: Enforcement::Strict,
        on_exhausted: OnExhausted::Degrade,
        rights: Rights::Local,
    }
}
