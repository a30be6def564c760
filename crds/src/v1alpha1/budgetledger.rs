//! BudgetLedger: what was spent under one Budget. The operator's own; nobody writes it by hand.
//!
//! Lives in the root namespace without an owner, so that it outlives its Budget. What a sidecar reports is cumulative per
//! incarnation, so a row only ever grows, and merging is taking the larger number.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::budget::Window;
use crate::choice::choice;
use crate::schema;

/// What was spent under one Budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "pointsman.dev",
    version = "v1alpha1",
    kind = "BudgetLedger",
    plural = "budgetledgers",
    namespaced,
    no_spec,
    derive = "PartialEq",
    doc = "What was spent under one Budget; kept by the operator in its own namespace. Deleting it forgets the spending."
)]
#[serde(rename_all = "camelCase")]
pub struct BudgetLedgerData {
    /// The Budget whose spending this is.
    pub budget: BudgetKey,

    /// Its limits, at most 32, keyed by `limit`; a limit that left the Budget keeps its row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["limit".into()]))]
    pub limits: Vec<LimitLedger>,
}

/// Names a Budget, whether or not it exists now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetKey {
    /// Namespace of the Budget.
    #[schemars(schema_with = "schema::namespace")]
    pub namespace: String,

    /// Name of the Budget.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

/// The windows of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitLedger {
    /// Name of the limit.
    #[schemars(schema_with = "schema::name")]
    pub limit: String,

    /// What is counted: USD (in nano-USD), Tokens or Requests.
    pub unit: Unit,

    /// Length of the windows.
    pub window: Window,

    /// The current window and the one before it (for late reports), keyed by `windowId`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["windowId".into()]))]
    pub windows: Vec<WindowLedger>,
}

choice! {
    /// What a limit counts.
    pub enum Unit {
        /// Money, in nano-USD.
        Usd = "USD",
        /// Input plus output tokens.
        Tokens = "Tokens",
        /// Attempts sent to a provider.
        Requests = "Requests",
    }
}

/// What was spent in one window: `closed` plus the sum over `instances`; the same for what was estimated of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowLedger {
    /// Names the window: its start in UTC, or `total`.
    #[schemars(schema_with = "schema::text::<64>")]
    pub window_id: String,

    /// Spent by incarnations that have ended and have no row any more, as a whole number.
    #[schemars(schema_with = "schema::big_integer")]
    pub closed: String,

    /// The part of `closed` that was estimated. Default: 0.
    #[schemars(schema_with = "schema::big_integer")]
    #[serde(default = "nothing")]
    pub closed_uncertain: String,

    /// Spent by incarnations that may still report, at most 500, keyed by `podUid` and `incarnation`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["podUid".into(), "incarnation".into()]))]
    pub instances: Vec<InstanceLedger>,
}

/// Ledgers that were written before this was kept.
fn nothing() -> String {
    "0".to_owned()
}

/// What one incarnation of one sidecar has spent in the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceLedger {
    /// The pod's uid, from its reviewed token.
    #[schemars(schema_with = "schema::text::<64>")]
    pub pod_uid: String,

    /// Which start of the process, as the sidecar said.
    #[schemars(schema_with = "schema::text::<64>")]
    pub incarnation: String,

    /// Spent since that start, in this window: nano-USD, tokens or requests.
    #[schemars(schema_with = "schema::big_integer")]
    pub spent: String,

    /// The part of `spent` that was estimated.
    #[schemars(schema_with = "schema::big_integer")]
    pub uncertain: String,
}
