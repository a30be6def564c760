//! What an LLMProvider reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema;

/// What is known of the provider now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LLMProviderStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Accepted, ResolvedRefs, Programmed and Ready; Unhealthy, which is normally False.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// What the printer columns show, ready to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<LLMProviderSummary>,

    /// The first 32 models by name; metrics have them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub models: Vec<ModelStatus>,
}

/// One string per printer column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LLMProviderSummary {
    /// Healthy, RateLimited, CircuitOpen or CredentialRejected; before that the reason why it is not ready, such as
    /// SecretMissing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub state: Option<String>,

    /// Where requests go, such as `https://api.openai.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub endpoint: Option<String>,

    /// Models that answer, of those configured: `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub models: Option<String>,

    /// Money spent since midnight UTC: `$15.08`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub today: Option<String>,

    /// Median time of a call today: `520ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub p50: Option<String>,

    /// Share of attempts that failed today: `0.1%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub errors: Option<String>,

    /// Where the prices come from: `spec`, or `catalogue` with its date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub prices: Option<String>,
}

/// One model of the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Name of the model.
    #[schemars(schema_with = "schema::model")]
    pub model: String,

    /// The price in force. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<ModelPrice>,

    /// How it fares: Healthy, RateLimited (in a cool-down that the provider asked for), CircuitOpen or
    /// CredentialRejected; the worst that a sidecar reports. Absent: no sidecar has called it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ModelState>,
}

/// A price in force, in USD per million tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelPrice {
    /// The day on which the catalogue recorded it. Absent for a price of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<10>")]
    pub as_of: Option<String>,

    /// USD per million input tokens read from the provider's cache. Absent: the price of `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decimal")]
    pub cached_input: Option<String>,

    /// USD per million input tokens.
    #[schemars(schema_with = "schema::decimal")]
    pub input: String,

    /// USD per million output tokens.
    #[schemars(schema_with = "schema::decimal")]
    pub output: String,

    /// Spec: from `spec.models[].pricing`. Catalogue: from the built-in catalogue.
    pub source: PriceSource,
}

choice! {
    /// Where a price comes from.
    pub enum PriceSource {
        /// The object's own spec.
        Spec = "Spec",
        /// The built-in catalogue.
        Catalogue = "Catalogue",
    }
}

choice! {
    /// How a model fares.
    pub enum ModelState {
        /// It answers.
        Healthy = "Healthy",
        /// It asked for a pause.
        RateLimited = "RateLimited",
        /// It is left alone after errors in a row.
        CircuitOpen = "CircuitOpen",
        /// It refused our key.
        CredentialRejected = "CredentialRejected",
    }
}
