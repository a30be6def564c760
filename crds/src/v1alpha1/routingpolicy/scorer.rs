//! How the text of a call is scored, and how conversations are recognised.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, member, rule};

/// How the text of a call is scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule("!has(self.model) || self.kind == 'Embedding'", "model goes with kind Embedding only"))]
pub struct Scorer {
    /// Embedding (default): a routing model says how likely each candidate answers this text well. TokenLength: the length
    /// of the conversation in tokens picks a tier. Prior: every candidate keeps its prior quality, whatever the text.
    #[serde(default)]
    pub kind: ScorerKind,

    /// The routing model: the name of its folder in the data plane's folder of models. One that cannot be loaded is
    /// replaced by the shipped one. Only with kind Embedding. Default: the shipped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub model: Option<String>,
}

choice! {
    /// What scores the text of a call.
    pub enum ScorerKind {
        /// A routing model of static token embeddings.
        Embedding = "Embedding",
        /// The length of the conversation in tokens, which picks a tier.
        TokenLength = "TokenLength",
        /// Nothing: candidates keep their prior quality.
        Prior = "Prior",
    }
    default = Embedding;
}

/// How the calls of one conversation are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("Header", "header"))]
pub struct Session {
    /// Header: by the value of a header, named in `header`.
    #[serde(rename = "type")]
    pub type_: SessionType,

    /// The header whose value names the conversation. Only with type Header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<SessionHeader>,
}

choice! {
    /// By what calls of one conversation are recognised.
    pub enum SessionType {
        /// By the value of a header.
        Header = "Header",
    }
}

/// A header that names the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionHeader {
    /// The header's name, such as `x-session-id`, in any case.
    #[schemars(schema_with = "header_name")]
    pub name: String,
}

fn header_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[A-Za-z0-9_-]+$')",
            "message": "write the name of a header: letters, digits, hyphens and underscores",
        }],
    })
}
