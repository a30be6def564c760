//! Where a provider is.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, member};

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
