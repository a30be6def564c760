//! What a RoutingPolicy reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Mode;
use crate::schema;

/// What is known of the policy now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingPolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Accepted, ResolvedRefs, Programmed and Ready; Conflicted, Nacked and RestartRequired, which are normally False.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// What the printer columns show, ready to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<RoutingPolicySummary>,

    /// Pods and sidecars that the policy reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane: Option<DataPlaneStatus>,

    /// The mode in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeStatus>,

    /// The price of money inside the choice. Absent unless ShadowPrice decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_price: Option<ShadowPriceStatus>,

    /// What feedback says of the scorer. Absent where no routing model scores, or no sidecar is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer: Option<ScorerStatus>,

    /// The candidate that callers named most, today and yesterday or the last time that they named any; it stays while the mode
    /// is Route. Savings are measured against it where the spec has neither baseline nor defaultModel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub most_named: Option<String>,

    /// What the choice saved today, or would have saved. Absent until a call was compared with the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub savings: Option<SavingsStatus>,

    /// The 32 models with most calls today, by name; metrics have them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub models: Vec<PolicyModelStatus>,
}

/// One string per printer column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingPolicySummary {
    /// Serving, Observing, Disabled, NoPods, NotWired or SidecarsBehind; before that the reason why it is not ready, such as
    /// UnknownModel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub state: Option<String>,

    /// The virtual models that the policy answers for: `auto,support`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub virtual_models: Option<String>,

    /// Pods that run this generation, of those selected: `12/12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub pods: Option<String>,

    /// Share of today's calls whose model was chosen: `95%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub routed: Option<String>,

    /// Money spent since midnight UTC: `$38.21`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub today: Option<String>,

    /// Shares of the models in today's calls: `gpt-4o-mini 71%, gpt-4o 29%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub models: Option<String>,

    /// What one point of quality is worth per 1000 calls: `$0.11/pt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub price: Option<String>,

    /// Saved since midnight UTC against the baseline: `$64.51 (74%)`; while `mode` is Observe what would have been saved:
    /// `($29.80)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub saved: Option<String>,

    /// What savings are measured against: a model's name, or `own choice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub baseline: Option<String>,
}

/// Pods and sidecars that the policy reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataPlaneStatus {
    /// Pods with a sidecar that take at least one virtual model from this policy.
    #[schemars(range(min = 0))]
    pub matched: i32,

    /// Of them, pods whose sidecar is connected.
    #[schemars(range(min = 0))]
    pub connected: i32,

    /// Of them, pods whose sidecar serves this generation.
    #[schemars(range(min = 0))]
    pub synced: i32,

    /// Of them, pods whose sidecar refused the newest configuration.
    #[schemars(range(min = 0))]
    pub nacked: i32,

    /// Of them, pods whose application has called.
    #[schemars(range(min = 0))]
    pub wired: i32,

    /// Of them, pods whose application has not called yet.
    #[schemars(range(min = 0))]
    pub silent: i32,

    /// Of them, pods that had a call refused since their sidecar started. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub refused: i32,

    /// Of them, pods whose sidecar comes from older settings of the operator; a restart renews it. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub sidecars_outdated: i32,
}

/// The mode in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModeStatus {
    /// Route, Observe or Disabled, as the sidecars were last told.
    pub effective: Mode,
}

/// The price of money inside the choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowPriceStatus {
    /// Quality per USD, as a decimal string; the mean over sidecars.
    #[schemars(schema_with = "schema::cell")]
    pub lambda: String,

    /// The same in words: `one point of quality is worth $0.11 per 1000 calls`.
    #[schemars(schema_with = "schema::cell")]
    pub meaning: String,
}

/// What feedback says of the scorer, over the connected sidecars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScorerStatus {
    /// Calls with feedback, since each sidecar began to watch this scorer.
    #[schemars(range(min = 0))]
    pub feedback: i64,

    /// Name and version of the routing model; of several, the one that most sidecars have.
    #[schemars(schema_with = "schema::cell")]
    pub model: String,

    /// `Unproven`, `Helps`, or `Harms`: then every prompt is given the models' means. Where sidecars differ, how many of
    /// them say what: `Harms in 1 of 3, Unproven in 2 of 3`.
    #[schemars(schema_with = "schema::cell")]
    pub verdict: String,

    /// How much of a score's deviation from the model's mean is believed, 0 to 1, as a decimal string; the mean.
    #[schemars(schema_with = "schema::cell")]
    pub weight: String,
}

/// What the choice saved since midnight UTC, or would have saved while `mode` is Observe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavingsStatus {
    /// What it is measured against: a model's name, or `own choice` for what the application asked for itself.
    #[schemars(schema_with = "schema::cell")]
    pub baseline: String,

    /// What the compared calls cost at the baseline, in USD, as a decimal string.
    #[schemars(schema_with = "schema::cell")]
    pub baseline_cost: String,

    /// Predicted quality of the baseline on these calls, 0 to 1, as a decimal string; the mean.
    #[schemars(schema_with = "schema::cell")]
    pub baseline_quality: String,

    /// How many calls were compared.
    #[schemars(range(min = 0))]
    pub calls: i64,

    /// What they cost by the choice, in USD, as a decimal string; expected while `mode` is Observe.
    #[schemars(schema_with = "schema::cell")]
    pub cost: String,

    /// How it is reckoned: `same calls at the baseline's prices and answer lengths`.
    #[schemars(schema_with = "schema::cell")]
    pub method: String,

    /// Predicted quality of the choice on these calls, 0 to 1, as a decimal string; the mean.
    #[schemars(schema_with = "schema::cell")]
    pub quality: String,

    /// The difference in USD, as a decimal string; below zero where the choice was dearer.
    #[schemars(schema_with = "schema::cell")]
    pub saved: String,
}

/// One model in today's calls of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyModelStatus {
    /// Name of the model.
    #[schemars(schema_with = "schema::model")]
    pub model: String,

    /// Median time of a call: `520ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub p50: Option<String>,

    /// Calls that it answered.
    #[schemars(range(min = 0))]
    pub requests: i64,

    /// Share of the calls, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub share: i32,

    /// What they cost, in USD, as a decimal string.
    #[schemars(schema_with = "schema::cell")]
    pub spent: String,
}
