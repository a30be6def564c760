//! What a provider serves: the spec's models, filled up from the catalogue, or the catalogue's own.

use std::ops::RangeInclusive;

use pointsman_config::duration;
use pointsman_config::money::{PricePerMillion, Prices};
use pointsman_config::provider::{Capabilities, ModelConfig, Prior};
use pointsman_crds::v1alpha1::llmprovider::{self as api, Capability, LLMProviderSpec};
use pointsman_models::{Catalogue, Date, Entry};

use crate::compile::problem::{Problems, Reason};

/// One model with the origin of its price.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// As sidecars get it.
    pub config: ModelConfig,
    /// Where the price comes from; none where it is unknown.
    pub price_origin: Option<PriceOrigin>,
    /// Whether `auto` chooses among it where there is no policy.
    pub recommended: bool,
}

/// Where a price comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceOrigin {
    /// The object's own spec.
    Spec,
    /// The catalogue, as of this day.
    Catalogue(Date),
}

/// Lists the models of a provider in order of name.
pub(super) fn fill(today: Date, spec: &LLMProviderSpec, problems: &mut Problems) -> Vec<ModelFacts> {
    let type_ = spec.type_.as_str();
    let mut models: Vec<_> = if spec.models.is_empty() {
        catalogue_models(type_, today)
    } else {
        let listed = spec.models.iter().enumerate();
        // Only chat is served: what cannot chat is nobody's candidate.
        let chats = |model: &api::Model| {
            model.capabilities.is_empty() || model.capabilities.contains(&Capability::Chat)
        };
        listed
            .filter(|(_, model)| chats(model))
            .filter_map(|(index, model)| from_spec(type_, index, model, problems))
            .collect()
    };
    if models.is_empty() && spec.models.is_empty() {
        let message =
            format!("the catalogue does not know what a provider of type {type_} serves: list its models");
        problems.add("spec.models", Reason::Invalid, message);
    }
    models.sort_by(|a, b| a.config.name.cmp(&b.config.name));
    models
}

fn catalogue_models(type_: &str, today: Date) -> Vec<ModelFacts> {
    let catalogue = Catalogue::shipped();
    let recommended: Vec<_> = catalogue.recommended_on(type_, today).iter().map(|entry| entry.name).collect();
    let living = catalogue.models_of(type_).iter().filter(|entry| !entry.is_retired(today));
    let facts = |entry: &Entry| ModelFacts {
        config: ModelConfig {
            name: entry.canonical.to_owned(),
            provider_model: entry.name.to_owned(),
            prices: Some(entry.prices),
            context_window: Some(entry.context_window),
            max_output_tokens: Some(entry.max_output_tokens),
            capabilities: entry.beyond_chat(),
            prior: entry.prior().prior,
            weight: 1,
            preferred: false,
        },
        price_origin: Some(PriceOrigin::Catalogue(entry.as_of)),
        recommended: recommended.contains(&entry.name),
    };
    living.map(facts).collect()
}

fn from_spec(type_: &str, index: usize, model: &api::Model, problems: &mut Problems) -> Option<ModelFacts> {
    let path = format!("spec.models[{index}]");
    let provider_model = model.provider_model.clone().unwrap_or_else(|| model.name.clone());
    let known = Catalogue::shipped()
        .model(type_, &provider_model)
        .or_else(|| Catalogue::shipped().model(type_, &model.name));
    let (prices, price_origin) = match (&model.pricing, known) {
        (Some(pricing), _) => (Some(prices(&path, pricing, problems)?), Some(PriceOrigin::Spec)),
        (None, Some(entry)) => (Some(entry.prices), Some(PriceOrigin::Catalogue(entry.as_of))),
        (None, None) => {
            let message = format!(
                "the price of \"{}\" is in no catalogue: set pricing.input and pricing.output",
                model.name
            );
            problems.add(format!("{path}.pricing"), Reason::PriceUnknown, message);
            (None, None)
        }
    };
    let config = ModelConfig {
        name: model.name.clone(),
        provider_model,
        prices,
        context_window: model.context_window.map(tokens).or(known.map(|entry| entry.context_window)),
        max_output_tokens: model.max_output_tokens.map(tokens).or(known.map(|entry| entry.max_output_tokens)),
        capabilities: capabilities(model, known),
        prior: prior(&path, model, known, problems)?,
        weight: u32::try_from(model.weight).unwrap_or(1).max(1),
        preferred: model.preferred,
    };
    Some(ModelFacts { config, price_origin, recommended: true })
}

fn tokens(count: i32) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

fn capabilities(model: &api::Model, known: Option<&Entry>) -> Capabilities {
    if model.capabilities.is_empty() {
        return known.map(Entry::beyond_chat).unwrap_or_default();
    }
    let has = |capability| model.capabilities.contains(&capability);
    Capabilities {
        vision: has(Capability::Vision),
        tools: has(Capability::Tools),
        structured_output: has(Capability::StructuredOutput),
        reasoning: has(Capability::Reasoning),
    }
}

fn prices(path: &str, pricing: &api::Pricing, problems: &mut Problems) -> Option<Prices> {
    let mut read = |field: &str, text: &str| {
        problems.take(&format!("{path}.pricing.{field}"), PricePerMillion::parse_usd(text))
    };
    let (input, output) = (read("input", &pricing.input), read("output", &pricing.output));
    let cached_input = match &pricing.cached_input {
        Some(text) => Some(read("cachedInput", text)?),
        None => None,
    };
    Some(Prices { input: input?, output: output?, cached_input })
}

fn prior(path: &str, model: &api::Model, known: Option<&Entry>, problems: &mut Problems) -> Option<Prior> {
    let believed = known.map_or_else(Prior::default, |entry| entry.prior().prior);
    let Some(own) = &model.prior else { return Some(believed) };
    let quality = match &own.quality {
        Some(text) => number(&format!("{path}.prior.quality"), text, 0.0..=1.0, problems)?,
        None => believed.quality,
    };
    let first_token_ms = match &own.first_token {
        Some(text) => {
            problems.take(&format!("{path}.prior.firstToken"), duration::parse(text))?.as_secs_f64() * 1000.0
        }
        None => believed.first_token_ms,
    };
    Some(Prior {
        quality,
        first_token_ms,
        tokens_per_second: own.tokens_per_second.map_or(believed.tokens_per_second, f64::from),
        output_tokens: own.output_tokens.map_or(believed.output_tokens, f64::from),
        sampling_weight: own
            .sampling_weight
            .and_then(|w| u32::try_from(w).ok())
            .unwrap_or(believed.sampling_weight),
    })
}

/// A decimal number within a range.
pub(in crate::compile) fn number(
    path: &str,
    text: &str,
    range: RangeInclusive<f64>,
    problems: &mut Problems,
) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let read = text.parse::<f64>().ok().filter(|value| digits && range.contains(value));
    if read.is_none() {
        let message = format!("\"{text}\" is not a number between {} and {}", range.start(), range.end());
        problems.add(path, Reason::Invalid, message);
    }
    read
}
