//! Which key a provider is sent.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, member};

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
