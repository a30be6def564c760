//! Headers added to every request.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

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
