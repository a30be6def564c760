//! A provider as the sidecar needs it: where to send, with which credential, which models at which price.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::money::Prices;

/// One LLMProvider, compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderConfig {
    /// The type as the object says it, such as `OpenAI`; a label for people and telemetry.
    pub provider_type: String,
    /// How the provider spells the cap on output tokens.
    pub output_cap_field: OutputCapField,
    /// Where it is.
    pub upstream: Upstream,
    /// Which key to send; none sends no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialName>,
    /// Headers added to every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// When to stop using a model of this provider for a while.
    pub circuit_breaker: CircuitBreaker,
    /// What it serves.
    pub models: Vec<ModelConfig>,
    /// What it does with data, as far as it says.
    #[serde(default)]
    pub data_policy: DataPolicy,
    /// Labels of the object, for policies that require some.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What a provider does with data. What is absent is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataPolicy {
    /// Where it keeps and handles data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How long it keeps data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether it trains on data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

impl DataPolicy {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a provider keeps data; the shortest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Retention {
    /// Not beyond the answer.
    None,
    /// For a limited time.
    Limited,
    /// Without a limit.
    Unlimited,
}

/// Whether a provider trains on data; the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Training {
    /// Never.
    Never,
    /// It may.
    Allowed,
}

/// The field in which a provider takes the cap on output tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputCapField {
    /// `max_tokens`
    MaxTokens,
    /// `max_completion_tokens`
    MaxCompletionTokens,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Upstream {
    /// A server with an HTTP address.
    Http(HttpEndpoint),
    /// A provider that the data plane itself runs on a loopback socket.
    Simulated(SimulatedUpstream),
}

/// An HTTP address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpEndpoint {
    /// TLS or not.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before `/chat/completions`, without a final slash: `/v1`.
    pub base_path: String,
    /// Whether private, loopback and link-local addresses may be connected to.
    pub allow_private: bool,
}

/// A simulated provider: real HTTP on a loopback socket, invented answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedUpstream {
    /// A file of recorded outcomes, one JSON object per line; absolute, or relative to the data plane's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes_file: Option<String>,
    /// By how much every wait is shortened.
    pub clock_factor: f64,
    /// The share of calls that fail, 0 to 1.
    pub failure_rate: f64,
    /// The status with which they fail.
    pub failure_status: u16,
}

/// Names a credential and its version; the secret itself travels apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialName {
    /// `namespace/secret/key`
    pub reference: String,
    /// Changes when the secret's content changes.
    pub version: String,
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Lower-case name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Limits on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// To connect, TLS included.
    #[serde(with = "millis")]
    pub connect: Duration,
    /// From the sent request to the first content.
    #[serde(with = "millis")]
    pub first_token: Duration,
    /// Between two pieces of an answer.
    #[serde(with = "millis")]
    pub idle: Duration,
    /// For the whole attempt.
    #[serde(with = "millis")]
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

/// When a target is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Errors in a row that open the circuit.
    pub consecutive_errors: u32,
    /// How long it stays open the first time; doubled each time, up to sixty times this.
    #[serde(with = "millis")]
    pub open_for: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { consecutive_errors: 5, open_for: Duration::from_secs(1) }
    }
}

/// One model of a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelConfig {
    /// The name that policies and callers use.
    pub name: String,
    /// The name that the provider is asked for.
    pub provider_model: String,
    /// What it costs; a model without a known price cannot be charged to a budget in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// Input plus output tokens that fit, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most output tokens that it gives, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What it can do beyond chat.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What is believed of it before anything is measured.
    pub prior: Prior,
    /// Its share among the providers of one model.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// Whether it wins ties among the providers of one model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preferred: bool,
}

fn one() -> u32 {
    1
}

fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// What a model can do beyond plain chat, and what a request needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Images as input.
    pub vision: bool,
    /// Tool calls.
    pub tools: bool,
    /// Answers that follow a JSON schema.
    pub structured_output: bool,
    /// Thinking before answering; no request needs it, policies may require it.
    pub reasoning: bool,
}

impl Capabilities {
    /// Whether it is plain chat.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is believed of a model before anything is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// Probability of a good answer, 0 to 1.
    pub quality: f64,
    /// Milliseconds to the first token.
    pub first_token_ms: f64,
    /// Output tokens per second.
    pub tokens_per_second: f64,
    /// Output tokens of an ordinary answer.
    pub output_tokens: f64,
    /// Its weight among the opponents of OptimalLP: how often it is met.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub sampling_weight: u32,
}

impl Default for Prior {
    /// What an unknown model gets: mediocre, neither fast nor slow.
    fn default() -> Self {
        Self {
            quality: 0.5,
            first_token_ms: 600.0,
            tokens_per_second: 60.0,
            output_tokens: 300.0,
            sampling_weight: 1,
        }
    }
}

impl Prior {
    /// Milliseconds to a whole answer of `output_tokens`.
    pub fn answer_ms(&self, output_tokens: f64) -> f64 {
        self.first_token_ms + output_tokens / self.tokens_per_second.max(0.001) * 1000.0
    }
}

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}
