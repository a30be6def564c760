//! What a Budget reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What is known of the budget now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Accepted, ResolvedRefs, Programmed and Ready; Exhausted and CountingOnly, which are normally False.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// What the printer columns show, ready to be read; of the limit that is used up most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<BudgetSummary>,

    /// What the budget promises, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub guarantee: Option<String>,

    /// Where each limit stands, at most 32 rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["for".into(), "limit".into()]))]
    pub limits: Vec<LimitStatus>,

    /// The BudgetLedger in the root namespace that holds what was spent. Absent until something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub ledger_name: Option<String>,
}

/// One string per printer column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSummary {
    /// OnTrack, AtRisk (the forecast is above the limit) or Exhausted; or the reason why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub state: Option<String>,

    /// The limit that is used up most: `$2000/Month`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub limit: Option<String>,

    /// What it has spent in its window: `$1204.18`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub spent: Option<String>,

    /// That as a share of the limit: `60%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub used: Option<String>,

    /// What it will have spent by the end of the window at today's pace: `$1893`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub forecast: Option<String>,

    /// When the window ends: `Dec 1`, `00:00`, `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub resets_at: Option<String>,

    /// Granted or reserved, and not yet spent: `$11.30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub held: Option<String>,

    /// The pace of spending: `$2.96`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub burn_per_hour: Option<String>,

    /// When these figures were true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub as_of: Option<String>,
}

/// Where one limit stands; quantities are decimal strings in the limit's own unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// For whom the amount holds: the Budget's namespace, or `all` for one over several namespaces.
    #[serde(rename = "for")]
    #[schemars(schema_with = "schema::text::<253>")]
    pub for_: String,

    /// Name of the limit.
    #[schemars(schema_with = "schema::name")]
    pub limit: String,

    /// What is left in this window.
    #[schemars(schema_with = "schema::cell")]
    pub remaining: String,

    /// Reserved for calls that run now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub reserved: Option<String>,

    /// When the window ends, in the limit's time zone. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub resets_at: Option<String>,

    /// What was spent in this window.
    #[schemars(schema_with = "schema::cell")]
    pub spent: String,

    /// The part of `spent` that was estimated, because no usage was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::cell")]
    pub uncertain: Option<String>,
}
