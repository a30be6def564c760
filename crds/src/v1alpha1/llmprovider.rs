//! LLMProvider (`llmp`): a place that serves models, and the key to it.
//!
//! The smallest one has a `type` and a Secret; everything else comes from the catalogue. Whether its references resolve
//! and whether it may be reached are conditions, not rules of the schema.

mod model;
mod simulated;
mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::model::{Capability, Model, Pricing, Prior};
pub use self::simulated::{Outcomes, Simulated, SimulatedFailures};
pub use self::status::{
    LLMProviderStatus, LLMProviderSummary, ModelPrice, ModelState, ModelStatus, PriceSource,
};
use crate::choice::choice;
use crate::schema::{self, member, rule};

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

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("URL", "url"))]
#[x_kube(validation = member("Service", "service"))]
pub struct Endpoint {
    /// URL: an address on a network, set in `url`. Service: a Service of the same namespace, set in `service`.
    #[serde(rename = "type")]
    pub type_: EndpointType,

    /// Base address as an OpenAI SDK takes it, such as `https://llm.example.com/v1`: `/chat/completions` is appended.
    /// Only with type URL. Plain HTTP and private, loopback and link-local addresses are refused unless the operator runs
    /// with `--allow-private-endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::url")]
    pub url: Option<String>,

    /// A Service of the same namespace, called by plain HTTP under `/v1`. Only with type Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceEndpoint>,
}

choice! {
    /// What kind of address an endpoint is.
    pub enum EndpointType {
        /// An absolute URL.
        Url = "URL",
        /// A Service of the same namespace.
        Service = "Service",
    }
}

/// A Service of the provider's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEndpoint {
    /// Name of the Service; it lives in the provider's namespace.
    #[schemars(schema_with = "schema::name")]
    pub name: String,

    /// Port of the Service, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Which key is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("APIKey", "apiKey"))]
pub struct Auth {
    /// APIKey (default): the key of `apiKey` is sent as a bearer token. None: no key is sent.
    #[serde(rename = "type", default)]
    pub type_: AuthType,

    /// Where the key is. Only with type APIKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyAuth>,
}

choice! {
    /// How requests are authenticated.
    pub enum AuthType {
        /// A bearer token.
        ApiKey = "APIKey",
        /// Not at all.
        None = "None",
    }
    default = ApiKey;
}

/// A key in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyAuth {
    /// The Secret that holds the key, in the provider's namespace.
    pub secret_ref: SecretReference,
}

/// One key of a Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret; it lives in the provider's namespace. A missing one makes ResolvedRefs False, reason
    /// SecretMissing.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,

    /// Key inside the Secret. Default: `apiKey`. A missing one makes ResolvedRefs False, reason SecretKeyMissing.
    #[serde(default = "default_secret_key")]
    #[schemars(schema_with = "secret_key")]
    pub key: String,
}

fn default_secret_key() -> String {
    "apiKey".to_owned()
}

fn secret_key(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 253,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[-._a-zA-Z0-9]+$')",
            "message": "write a key of the Secret: letters, digits, dots, hyphens and underscores",
        }],
    })
}

/// Which namespaces may use a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.selector) == (self.from == 'Selector')",
    "set selector when from is Selector, and only then"))]
pub struct AllowedNamespaces {
    /// Same (default): only the provider's own namespace. All: every namespace. Selector: those that `selector` fits.
    #[serde(default)]
    pub from: AllowedFrom,

    /// Labels of the namespaces. Only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    #[x_kube(validation = schema::some_label())]
    pub selector: Option<LabelSelector>,
}

choice! {
    /// Which namespaces are meant.
    pub enum AllowedFrom {
        /// Only the provider's own.
        Same = "Same",
        /// Every one.
        All = "All",
        /// Those that a selector fits.
        Selector = "Selector",
    }
    default = Same;
}

choice! {
    /// Where a shared key may lie.
    pub enum CredentialPlacement {
        /// In the memory of sidecars of consuming namespaces.
        Sidecar = "Sidecar",
    }
}

/// One header added to every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Name of the header, at most 128 characters. Headers that carry credentials, frame the message or name the host
    /// are not allowed.
    #[schemars(schema_with = "header_name")]
    pub name: String,

    /// Value of the header: printable ASCII, at most 1024 characters.
    #[schemars(schema_with = "header_value")]
    pub value: String,
}

fn header_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [
            {
                "rule": "self.matches('^[A-Za-z0-9_-]+$')",
                "message": "write the name of a header: letters, digits, hyphens and underscores",
            },
            {
                "rule": "!(self.lowerAscii() in ['authorization', 'proxy-authorization', 'x-api-key', 'api-key', \
                         'cookie', 'host', 'content-length', 'content-type', 'content-encoding', 'transfer-encoding', \
                         'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'expect'])",
                "message": "this header is set by Pointsman itself; a key belongs into auth",
            },
        ],
    })
}

fn header_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 1024,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([!-~]([ -~]*[!-~])?)?$')",
            "message": "write printable ASCII without spaces at the ends",
        }],
    })
}

/// Limits on waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "[self.connect, self.firstToken, self.idle, self.total].exists(t, !t.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$')) \
     || [self.connect, self.firstToken, self.idle].all(t, duration(t) <= duration(self.total))",
    "total bounds the whole attempt: make it at least as long as connect, firstToken and idle"))]
pub struct Timeouts {
    /// To connect, TLS included. Default: 2s.
    #[serde(default = "default_connect")]
    #[schemars(schema_with = "schema::duration")]
    pub connect: String,

    /// From the sent request to the first content; for an answer that is not streamed, to the whole of it.
    /// Default: 60s. A policy may lower it.
    #[serde(default = "default_first_token")]
    #[schemars(schema_with = "schema::duration")]
    pub first_token: String,

    /// Between two pieces of an answer. Default: 30s.
    #[serde(default = "default_idle")]
    #[schemars(schema_with = "schema::duration")]
    pub idle: String,

    /// For one attempt in all. Default: 10m.
    #[serde(default = "default_total")]
    #[schemars(schema_with = "schema::duration")]
    pub total: String,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: default_connect(),
            first_token: default_first_token(),
            idle: default_idle(),
            total: default_total(),
        }
    }
}

fn default_connect() -> String {
    "2s".to_owned()
}

fn default_first_token() -> String {
    "60s".to_owned()
}

fn default_idle() -> String {
    "30s".to_owned()
}

fn default_total() -> String {
    "10m".to_owned()
}

/// When a model of the provider is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Errors in a row that open the circuit, 1 to 100. Default: 5. A 429 is no such error: it has a cool-down of its own.
    #[serde(default = "default_consecutive_errors")]
    #[schemars(range(min = 1, max = 100))]
    pub consecutive_errors: i32,

    /// How long it stays open the first time; doubled each further time, up to sixty times this. Default: 1s.
    #[serde(default = "default_open_for")]
    #[schemars(schema_with = "schema::duration")]
    pub open_for: String,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { consecutive_errors: default_consecutive_errors(), open_for: default_open_for() }
    }
}

fn default_consecutive_errors() -> i32 {
    5
}

fn default_open_for() -> String {
    "1s".to_owned()
}
