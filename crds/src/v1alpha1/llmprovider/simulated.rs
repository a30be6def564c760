//! How a provider of type Simulated behaves.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A provider that the data plane itself runs on a loopback socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// Recorded answers to recorded prompts. Default: none; every prompt gets an answer of the length of the model's prior.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Outcomes>,

    /// By how much every wait is shortened: `"10"` makes an answer of 5 s take 500 ms. Default: `"1"`.
    #[serde(default = "default_clock_factor")]
    #[schemars(schema_with = "schema::positive_decimal")]
    pub clock_factor: String,

    /// Failures on purpose, evenly spread and the same in every run. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<SimulatedFailures>,
}

/// Where recorded answers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    /// Path of a file of JSON lines, absolute or relative to the folder of the manifests, at most 1024 characters.
    #[schemars(schema_with = "schema::text::<1024>")]
    pub file: String,
}

/// Failures on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedFailures {
    /// The share of calls that fail, `"0"` to `"1"`.
    #[schemars(schema_with = "schema::fraction")]
    pub rate: String,

    /// The HTTP status with which they fail, 400 to 599. Default: 503.
    #[serde(default = "default_status")]
    #[schemars(range(min = 400, max = 599))]
    pub status: i32,
}

fn default_clock_factor() -> String {
    "1".to_owned()
}

fn default_status() -> i32 {
    503
}
