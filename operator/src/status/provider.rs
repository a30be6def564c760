//! What an LLMProvider reports.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_config::entry::{Key, Kind, Name};
use pointsman_config::money::{Nano, PricePerMillion};
use pointsman_crds::v1alpha1::llmprovider::{
    LLMProviderStatus, LLMProviderSummary, ModelPrice, ModelState, ModelStatus, PriceSource,
};
use pointsman_crds::{ConditionType, Reason};

use super::Scene;
use super::conditions::{dated, nacked, ready};
use super::figures;
use super::programmed::programmed;
use crate::accounts::{Health, median_ms};
use crate::compile::{ModelFacts, Outcome, PriceOrigin, ProviderFacts, Verdict};

/// The most rows of models.
const MOST_ROWS: usize = 32;

impl Scene<'_> {
    /// The status of a provider; none for one that was not compiled.
    pub fn provider(&self, name: &Name, previous: Option<&LLMProviderStatus>) -> Option<LLMProviderStatus> {
        let outcome = self.compiled.providers.get(name)?;
        let before: &[Condition] = previous.map_or(&[], |status| &status.conditions);
        let holders = self.coverage.holders.get(&Key { kind: Kind::Provider, name: name.clone() });
        let [accepted, resolved] = outcome.verdicts();
        let idle = (Reason::Programmed, "No connected sidecar needs it yet.");
        let programmed = programmed(&outcome.entry, holders, idle, before);
        let health = self.accounts.health(name);
        let ready = ready(
            [&accepted, &resolved, &programmed],
            "Valid, resolved, and with every sidecar that needs it.",
        );
        let summary = self.provider_summary(name, outcome, &health, &ready);
        let refusals = holders.map_or(&[][..], |holders| &holders.refusals);
        let verdicts = vec![accepted, resolved, programmed, ready, unhealthy(&health), nacked(refusals)];
        Some(LLMProviderStatus {
            observed_generation: Some(outcome.entry.generation),
            conditions: dated(verdicts, before, outcome.entry.generation, self.now),
            summary: Some(summary),
            models: outcome.facts.models.iter().take(MOST_ROWS).map(|model| row(model, &health)).collect(),
        })
    }

    fn provider_summary(
        &self,
        name: &Name,
        outcome: &Outcome<ProviderFacts>,
        health: &BTreeMap<&str, Health>,
        ready: &Verdict,
    ) -> LLMProviderSummary {
        let calls = self.calls_of_provider(name);
        let worst = health.values().max().copied().unwrap_or(Health::Healthy);
        let models = &outcome.facts.models;
        let answers = |model: &&ModelFacts| {
            health.get(model.config.name.as_str()).is_none_or(|health| *health == Health::Healthy)
        };
        let answering = if outcome.is_valid() { models.iter().filter(answers).count() } else { 0 };
        let state = if ready.status { state(worst).as_str() } else { ready.reason.as_str() };
        LLMProviderSummary {
            state: Some(state.to_owned()),
            endpoint: Some(outcome.facts.endpoint.clone()),
            models: Some(format!("{answering}/{}", models.len())),
            today: Some(figures::money(calls.cost)),
            p50: Some(figures::time(median_ms(&calls.latencies))),
            errors: Some(figures::fine_percent(calls.failures, calls.requests + calls.failures)),
            prices: Some(prices(models)),
        }
    }
}

fn unhealthy(health: &BTreeMap<&str, Health>) -> Verdict {
    let sick: Vec<_> = health.iter().filter(|(_, health)| **health != Health::Healthy).collect();
    let Some((_, worst)) = sick.iter().max_by_key(|(_, health)| **health) else {
        return Verdict::new(ConditionType::Unhealthy, false, Reason::Healthy, "No sidecar reports trouble.");
    };
    let reason = match worst {
        Health::Healthy => Reason::Healthy,
        Health::RateLimited => Reason::RateLimited,
        Health::CircuitOpen => Reason::CircuitOpen,
        Health::CredentialRejected => Reason::CredentialRejected,
    };
    let told: Vec<_> =
        sick.iter().take(8).map(|(model, health)| format!("{model} {}", state(**health))).collect();
    Verdict::new(ConditionType::Unhealthy, true, reason, told.join(", "))
}

fn state(health: Health) -> ModelState {
    match health {
        Health::Healthy => ModelState::Healthy,
        Health::RateLimited => ModelState::RateLimited,
        Health::CircuitOpen => ModelState::CircuitOpen,
        Health::CredentialRejected => ModelState::CredentialRejected,
    }
}

fn row(model: &ModelFacts, health: &BTreeMap<&str, Health>) -> ModelStatus {
    let usd = |price: PricePerMillion| {
        let text = Nano(price.0).to_string();
        text.strip_suffix(".00").map_or_else(|| text.clone(), ToOwned::to_owned)
    };
    let price = model.config.prices.zip(model.price_origin).map(|(prices, origin)| ModelPrice {
        as_of: match origin {
            PriceOrigin::Spec => None,
            PriceOrigin::Catalogue(day) => Some(day.to_string()),
        },
        cached_input: prices.cached_input.map(usd),
        input: usd(prices.input),
        output: usd(prices.output),
        source: match origin {
            PriceOrigin::Spec => PriceSource::Spec,
            PriceOrigin::Catalogue(_) => PriceSource::Catalogue,
        },
    });
    let state = health.get(model.config.name.as_str()).map(|health| state(*health));
    ModelStatus { model: model.config.name.clone(), price, state }
}

/// `catalogue 2026-11-14`, `spec`, `spec (free)`, `catalogue 2026-11-14 + spec`, with the unknown ones counted.
fn prices(models: &[ModelFacts]) -> String {
    let from_catalogue = models.iter().filter_map(|model| match model.price_origin {
        Some(PriceOrigin::Catalogue(day)) => Some(day),
        _ => None,
    });
    let of_spec = || models.iter().filter(|model| model.price_origin == Some(PriceOrigin::Spec));
    let free = of_spec().all(|model| model.config.prices.is_some_and(|prices| prices.is_free()));
    let unknown = models.iter().filter(|model| model.price_origin.is_none()).count();
    let mut parts = Vec::new();
    parts.extend(from_catalogue.max().map(|day| format!("catalogue {day}")));
    if of_spec().next().is_some() {
        parts.push(if free { "spec (free)" } else { "spec" }.to_owned());
    }
    if unknown > 0 {
        parts.push(format!("{unknown} unknown"));
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(" + ") }
}
