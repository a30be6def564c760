//! How long a provider is waited for, and when it is left alone.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{self, rule};

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
