//! LLMProvider (`llmp`): a place that serves models, and the key to it.
//!
//! The smallest one has a `type` and a Secret; everything else comes from the catalogue. Whether its references resolve
//! and whether it may be reached are conditions, not rules of the schema.

mod auth;
mod data_policy;
mod endpoint;
mod header;
mod model;
mod sharing;
mod simulated;
mod status;
mod waiting;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::auth::{ApiKeyAuth, Auth, AuthType, SecretReference};
pub use self::data_policy::{DataPolicy, Retention, Training};
pub use self::endpoint::{Endpoint, EndpointType, ServiceEndpoint};
pub use self::header::Header;
pub use self::model::{Capability, Model, Pricing, Prior};
pub use self::sharing::{AllowedFrom, AllowedNamespaces, CredentialPlacement};
pub use self::simulated::{Outcomes, Simulated, SimulatedFailures};
pub use self::status::{
    LLMProviderStatus, LLMProviderSummary, ModelPrice, ModelState, ModelStatus, PriceSource,
};
pub use self::waiting::{CircuitBreaker, Timeouts};
use crate::choice::choice;
use crate::schema::rule;

/// A place that serves models: which API, where, with which credential, at which prices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "pointsman.dev",
    version = "v1alpha1",
    kind = "LLMProvider",
    plural = "llmproviders",
    shortname = "llmp",
    category = "pointsman",
    category = "llm",
    namespaced,
    status = "LLMProviderStatus",
    derive = "PartialEq",
    doc = "A place that serves models: which API, where, with which credential, at which prices.",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type","description":"The API that the provider speaks."}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status","description":"Whether the spec is valid, resolved and in use."}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.summary.state","description":"How the provider fares."}"#,
    printcolumn = r#"{"name":"Models","type":"string","jsonPath":".status.summary.models","description":"Models that answer, of those configured."}"#,
    printcolumn = r#"{"name":"Today","type":"string","jsonPath":".status.summary.today","description":"Money spent since midnight UTC."}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"P50","type":"string","jsonPath":".status.summary.p50","description":"Median time of a call today.","priority":1}"#,
    printcolumn = r#"{"name":"Errors","type":"string","jsonPath":".status.summary.errors","description":"Share of attempts that failed today.","priority":1}"#,
    printcolumn = r#"{"name":"Prices","type":"string","jsonPath":".status.summary.prices","description":"Where the prices come from.","priority":1}"#,
    printcolumn = r#"{"name":"Endpoint","type":"string","jsonPath":".status.summary.endpoint","description":"Where requests go.","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "self.type == 'Simulated' || !has(self.simulated)",
    "simulated belongs to type Simulated: remove it, or set type: Simulated"))]
#[x_kube(validation = rule(
    "self.type != 'Simulated' || (!has(self.endpoint) && !has(self.auth))",
    "a Simulated provider runs inside the data plane: remove endpoint and auth"))]
#[x_kube(validation = rule(
    "!(self.type in ['Ollama', 'VLLM', 'TGI', 'OpenAICompatible']) || has(self.endpoint)",
    "types Ollama, VLLM, TGI and OpenAICompatible have no address of their own: set endpoint"))]
#[x_kube(validation = rule(
    "self.type in ['Ollama', 'VLLM', 'TGI', 'OpenAICompatible', 'Simulated'] || has(self.auth)",
    "this type wants a key: set auth.apiKey.secretRef.name, or auth.type: None to send none"))]
#[x_kube(validation = rule(
    "!(self.type in ['Ollama', 'VLLM', 'TGI', 'OpenAICompatible', 'Simulated']) || has(self.models)",
    "the catalogue does not know what a provider of this type serves: list its models"))]
#[x_kube(validation = rule(
    "!has(self.allowedNamespaces) || self.allowedNamespaces.from == 'Same' || has(self.credentialPlacement)",
    "a provider shared with other namespaces must say where its key may lie: set credentialPlacement"))]
pub struct LLMProviderSpec {
    /// The API that the provider speaks. Decides the default endpoint, the catalogue's models and prices, and how the
    /// cap on output tokens is spelled. One of OpenAI, Gemini, DashScope, DeepSeek, Volcengine, Mistral, Groq, Together,
    /// Fireworks, OpenRouter, XAI, Ollama, VLLM, TGI, OpenAICompatible (anything else that speaks the OpenAI dialect)
    /// and Simulated (a provider inside the data plane, for trying things out without a key).
    #[serde(rename = "type")]
    pub type_: ProviderType,

    /// Where requests go. Default: the address of `type`; types Ollama, VLLM, TGI and OpenAICompatible have none and
    /// need it.
    /// A host other than the type's own must be named in the Secret's annotation `pointsman.dev/allowed-hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,

    /// Which key is sent. Required for hosted types; absent, no key is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,

    /// Which namespaces may name this provider in their policies. Default: only its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

    /// Where the key may lie once other namespaces use the provider; required with `allowedNamespaces.from` other than
    /// Same. Sidecar: pods of the consuming namespaces hold it in memory. Absent: Sidecar, in its own namespace only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_placement: Option<CredentialPlacement>,

    /// What the provider does with data, for policies that require something. Default: not known, so that a policy that
    /// requires anything does not send here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_policy: Option<DataPolicy>,

    /// Headers added to every request, at most 16; they win over headers of the same name that the caller sends.
    /// Values are no place for secrets. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = rule(
        "self.all(a, self.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii()))",
        "name each header once: upper and lower case are the same"))]
    pub headers: Vec<Header>,

    /// How long to wait for what. A policy may lower `firstToken`, never raise it.
    #[serde(default)]
    pub timeouts: Timeouts,

    /// When a model of this provider is left alone for a while.
    #[serde(default)]
    pub circuit_breaker: CircuitBreaker,

    /// What the provider serves, 1 to 64 models keyed by `name`. Default: the catalogue's models of `type`; types Ollama,
    /// VLLM, TGI, OpenAICompatible and Simulated are in no catalogue and need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<Model>,

    /// How a provider of type Simulated behaves. Only with that type; absent, it answers from the models' priors and
    /// never fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
}

choice! {
    /// The API that a provider speaks.
    pub enum ProviderType {
        /// api.openai.com
        OpenAi = "OpenAI",
        /// Google's Gemini API, its OpenAI-compatible surface.
        Gemini = "Gemini",
        /// Alibaba Cloud Model Studio.
        DashScope = "DashScope",
        /// api.deepseek.com
        DeepSeek = "DeepSeek",
        /// Volcengine Ark.
        Volcengine = "Volcengine",
        /// api.mistral.ai
        Mistral = "Mistral",
        /// api.groq.com
        Groq = "Groq",
        /// api.together.xyz
        Together = "Together",
        /// api.fireworks.ai
        Fireworks = "Fireworks",
        /// openrouter.ai
        OpenRouter = "OpenRouter",
        /// api.x.ai
        XAi = "XAI",
        /// An Ollama server.
        Ollama = "Ollama",
        /// A vLLM server.
        Vllm = "VLLM",
        /// A Text Generation Inference server.
        Tgi = "TGI",
        /// Any other server that speaks the OpenAI dialect.
        OpenAiCompatible = "OpenAICompatible",
        /// A provider that the data plane itself runs.
        Simulated = "Simulated",
    }
}
