//! One model of one provider, as listed.

use pointsman_config::money::{PricePerMillion, Prices};
use pointsman_config::provider::Capabilities;
use serde::{Deserialize, Deserializer};

use crate::date::Date;
use crate::prior::{self, SourcedPrior};

/// Something that a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Capability {
    /// Answer a conversation.
    Chat,
    /// Take images.
    Vision,
    /// Call tools.
    Tools,
    /// Follow a JSON schema.
    StructuredOutput,
    /// Think before it answers.
    Reasoning,
}

/// One model of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The provider type, spelled as in the API.
    pub provider: &'static str,
    /// The name that the provider is asked for.
    pub name: &'static str,
    /// The name of the same model wherever it is served; what policies and callers use unless a provider renames it.
    pub canonical: &'static str,
    /// USD per million tokens, for prompts within [`Entry::context_window`].
    pub prices: Prices,
    /// Tokens that surely fit at these prices. Where long prompts cost more, the window ends where the higher price
    /// begins: a longer one needs its own price in the LLMProvider.
    pub context_window: u64,
    /// The most output tokens, never above the window.
    pub max_output_tokens: u64,
    /// What it can do; [`Capability::Chat`] is always among them.
    pub capabilities: Vec<Capability>,
    /// The id of the source of these facts.
    pub source: &'static str,
    /// The day of the source.
    pub as_of: Date,
    /// The day from which the provider no longer serves it, where announced.
    pub retires: Option<Date>,
}

impl Entry {
    /// Whether the model does this.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// What requests may need of it, as the data plane compares it.
    pub fn beyond_chat(&self) -> Capabilities {
        Capabilities {
            vision: self.has(Capability::Vision),
            tools: self.has(Capability::Tools),
            structured_output: self.has(Capability::StructuredOutput),
            reasoning: self.has(Capability::Reasoning),
        }
    }

    /// Whether the provider has stopped serving it by this day.
    pub fn is_retired(&self, today: Date) -> bool {
        self.retires.is_some_and(|day| day <= today)
    }

    /// What is believed of it before anything is measured.
    pub fn prior(&self) -> SourcedPrior {
        prior::prior_of(self.canonical)
    }

    pub(super) fn place(&self) -> (&str, &str) {
        (self.provider, self.name)
    }
}

/// The line of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Listed {
    provider: &'static str,
    name: &'static str,
    canonical: &'static str,
    #[serde(deserialize_with = "price")]
    input: PricePerMillion,
    #[serde(deserialize_with = "price")]
    output: PricePerMillion,
    #[serde(default, deserialize_with = "some_price")]
    cached_input: Option<PricePerMillion>,
    context_window: u64,
    max_output_tokens: u64,
    capabilities: Vec<Capability>,
    source: &'static str,
    as_of: Date,
    retires: Option<Date>,
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PricePerMillion, D::Error> {
    PricePerMillion::parse_usd(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn some_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PricePerMillion>, D::Error> {
    price(deserializer).map(Some)
}

impl Deserialize<'static> for Entry {
    fn deserialize<D: Deserializer<'static>>(deserializer: D) -> Result<Self, D::Error> {
        Listed::deserialize(deserializer).map(Self::from)
    }
}

impl From<Listed> for Entry {
    fn from(listed: Listed) -> Self {
        Self {
            provider: listed.provider,
            name: listed.name,
            canonical: listed.canonical,
            prices: Prices { input: listed.input, output: listed.output, cached_input: listed.cached_input },
            context_window: listed.context_window,
            max_output_tokens: listed.max_output_tokens,
            capabilities: listed.capabilities,
            source: listed.source,
            as_of: listed.as_of,
            retires: listed.retires,
        }
    }
}
