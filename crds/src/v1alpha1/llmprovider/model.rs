//! One model of a provider: its names, limits, prices, and what is believed of it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema;

/// One model that a provider serves. What is left out comes from the catalogue, where it knows the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// The name that policies and callers use; the same name at two providers is the same model.
    #[schemars(schema_with = "schema::model")]
    pub name: String,

    /// The name that the provider is asked for. Default: `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "provider_model")]
    pub provider_model: Option<String>,

    /// What the model can do: Chat, Vision (images as input), Tools, StructuredOutput (answers that follow a JSON schema),
    /// Reasoning. A request with images, tools, a JSON schema or a `reasoning_effort` (other than none and minimal) is not
    /// sent to a model that does not list them, and no request to one that does not list Chat: it is no candidate.
    /// Default: the catalogue's, else Chat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub capabilities: Vec<Capability>,

    /// Input plus output tokens that fit, 1 to 100000000. Larger requests are not sent here. Default: the catalogue's,
    /// else no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub context_window: Option<i32>,

    /// The most output tokens of one answer, 1 to 100000000; bounds what a budget reserves. Default: the catalogue's, else
    /// a cautious guess where a budget must know a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i32>,

    /// What tokens cost. Default: the catalogue's; a model that it lacks must say it, else the provider is not ready,
    /// reason PriceUnknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,

    /// What is believed of the model before anything is measured. Default: the catalogue's, else that of an ordinary model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,

    /// The provider's share of the model's calls under balancing WeightedRoundRobin, 1 to 1000; breaks ties under the
    /// others. Default: 1.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: i32,

    /// Whether this provider wins ties among those of the model. Default: false.
    #[serde(default)]
    pub preferred: bool,
}

fn default_weight() -> i32 {
    1
}

choice! {
    /// What a model can do.
    pub enum Capability {
        /// Chat completions.
        Chat = "Chat",
        /// Images as input.
        Vision = "Vision",
        /// Tool calls.
        Tools = "Tools",
        /// Answers that follow a JSON schema.
        StructuredOutput = "StructuredOutput",
        /// Thinking before answering.
        Reasoning = "Reasoning",
    }
}

/// Prices in USD per million tokens, as decimal strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    /// USD per million input tokens, such as `"2.50"`; `"0"` for a model of your own.
    #[schemars(schema_with = "schema::decimal")]
    pub input: String,

    /// USD per million output tokens, reasoning included.
    #[schemars(schema_with = "schema::decimal")]
    pub output: String,

    /// USD per million input tokens read from the provider's cache. Default: the price of `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decimal")]
    pub cached_input: Option<String>,
}

/// What is believed of a model before anything is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prior {
    /// Probability of a good answer, `"0"` to `"1"`. Default: the catalogue's, else 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fraction")]
    pub quality: Option<String>,

    /// Time to the first token, such as `420ms`. Default: the catalogue's, else 600ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub first_token: Option<String>,

    /// Output tokens per second, 1 to 100000. Default: the catalogue's, else 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub tokens_per_second: Option<i32>,

    /// Output tokens of an ordinary answer, 1 to 1000000. Default: the catalogue's, else 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub output_tokens: Option<i32>,

    /// How often the model is met among the opponents of OptimalLP, 0 to 1000. Default: the catalogue's, else 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub sampling_weight: Option<i32>,
}

fn provider_model(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 256,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[!-~]+$')",
            "message": "write the provider's name for the model: printable ASCII without spaces",
        }],
    })
}
