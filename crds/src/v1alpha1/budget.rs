//! Budget (`bgt`): a ceiling on money, tokens or requests per calendar window.
//!
//! What has been spent lives in a BudgetLedger keyed by namespace, name and limit: deleting and re-creating a Budget does
//! not refill it.

mod status;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::status::{BudgetStatus, BudgetSummary, LimitStatus};
use crate::choice::choice;
use crate::schema::{self, rule};
use crate::shared::Reference;

/// A ceiling on money, tokens or requests per calendar window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "pointsman.dev",
    version = "v1alpha1",
    kind = "Budget",
    plural = "budgets",
    shortname = "bgt",
    category = "pointsman",
    category = "llm",
    namespaced,
    status = "BudgetStatus",
    derive = "PartialEq",
    doc = "A ceiling on money, tokens or requests per calendar window.",
    validation = rule("size(self.metadata.name) <= 63", "a Budget's name has at most 63 characters: its ledger is named after it"),
    printcolumn = r#"{"name":"Limit","type":"string","jsonPath":".status.summary.limit","description":"The limit that is used up most."}"#,
    printcolumn = r#"{"name":"Spent","type":"string","jsonPath":".status.summary.spent","description":"What it has spent in its window."}"#,
    printcolumn = r#"{"name":"Used","type":"string","jsonPath":".status.summary.used","description":"That as a share of the limit."}"#,
    printcolumn = r#"{"name":"Forecast","type":"string","jsonPath":".status.summary.forecast","description":"What it will have spent by the end of the window at today's pace."}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.summary.state","description":"How the budget fares."}"#,
    printcolumn = r#"{"name":"Resets","type":"string","jsonPath":".status.summary.resetsAt","description":"When the window ends."}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Held","type":"string","jsonPath":".status.summary.held","description":"Granted or reserved, and not yet spent.","priority":1}"#,
    printcolumn = r#"{"name":"Per-Hour","type":"string","jsonPath":".status.summary.burnPerHour","description":"The pace of spending.","priority":1}"#,
    printcolumn = r#"{"name":"Enforcement","type":"string","jsonPath":".spec.enforcement","description":"How hard the budget holds.","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSpec {
    /// Whom to ask, said in refusals: 1 to 128 characters. Default: nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<128>")]
    pub owner: Option<String>,

    /// The namespaces whose calls are counted, together. Only in the root namespace (the operator's own); elsewhere
    /// Accepted is False, reason NotRootNamespace. Empty: all namespaces. Absent: the Budget's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    pub namespace_selector: Option<LabelSelector>,

    /// Which of their calls are counted. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<CallSelector>,

    /// The ceilings, 1 to 8, keyed by `name`; a call must fit under all of them. The name is the ledger's key: editing an
    /// amount keeps what was spent, renaming starts anew.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub limits: Vec<Limit>,

    /// Strict: the worst case is reserved before every attempt, so the limit is never exceeded. Hybrid (default): what is
    /// likely is reserved while there is room, the worst case near the limit; the bound on overspend is in
    /// `status.guarantee`. Soft: calls are counted and reported, none is refused. With several budgets on one call the
    /// strictest wins.
    #[serde(default)]
    pub enforcement: Enforcement,

    /// What happens to a call that no longer fits. Degrade (default): candidates that do not fit fall away, and when none
    /// is left the call is refused with 429. Reject: it is refused as soon as the chosen candidate does not fit. Notify:
    /// it is served, and conditions and events say so. With several budgets on one call the strictest wins.
    #[serde(default)]
    pub on_exhausted: OnExhausted,

    /// Shares of a limit at which an Event is written, at most 8, keyed by `percent`. Default: 50, 80 and 100.
    #[serde(default = "default_thresholds")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["percent".into()]))]
    pub thresholds: Vec<Threshold>,
}

/// Which calls are counted: fields are ANDed, the entries of one field are ORed, an absent field fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.models) || has(self.policies) || has(self.providerRefs)",
    "set models, policies or providerRefs; leave selector out to count every call"))]
pub struct CallSelector {
    /// Models that answer, 1 to 64. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::models")]
    pub models: Vec<String>,

    /// RoutingPolicies by which the calls come, 1 to 16. Default: all. One that does not exist makes ResolvedRefs False,
    /// reason PolicyNotFound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = schema::distinct_references())]
    pub policies: Vec<Reference>,

    /// LLMProviders that serve, 1 to 16. Default: all. One that does not exist makes ResolvedRefs False, reason
    /// UnknownProvider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = schema::distinct_references())]
    pub provider_refs: Vec<Reference>,
}

/// One ceiling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "self.window == oldSelf.window",
    "a limit keeps its window: add a limit of another name, and remove this one"))]
#[x_kube(validation = rule(
    "[' USD', ' Tokens', ' Requests'].all(unit, self.amount.endsWith(unit) == oldSelf.amount.endsWith(unit))",
    "a limit keeps its unit: add a limit of another name, and remove this one"))]
pub struct Limit {
    /// Name of the limit; the ledger's key.
    #[schemars(schema_with = "schema::name")]
    pub name: String,

    /// How much: `500 USD` (up to 9 decimals), `2000000 Tokens` (input plus output) or `600 Requests` (attempts sent to a
    /// provider). The number may be edited, the unit not. A change holds at once and keeps what was spent.
    #[schemars(schema_with = "schema::amount")]
    pub amount: String,

    /// Minute, Hour, Day, Week (from Monday), Month or Total (for ever), by the calendar of `timeZone`. Cannot be changed.
    pub window: Window,

    /// Time zone of the tz database whose calendar counts. Default: UTC. An unknown one makes Accepted False, reason
    /// Invalid. Changing it starts the window of the new zone.
    #[serde(default = "default_time_zone")]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: String,
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

choice! {
    /// The calendar window of a limit.
    pub enum Window {
        /// From second 0 to second 0.
        Minute = "Minute",
        /// From minute 0 to minute 0.
        Hour = "Hour",
        /// From midnight to midnight.
        Day = "Day",
        /// From Monday's midnight to Monday's midnight.
        Week = "Week",
        /// From the first of a month to the first of the next.
        Month = "Month",
        /// For ever.
        Total = "Total",
    }
}

choice! {
    /// How hard a budget holds.
    pub enum Enforcement {
        /// Never exceeded.
        Strict = "Strict",
        /// Exceeded by a stated bound at most.
        Hybrid = "Hybrid",
        /// Counted only.
        Soft = "Soft",
    }
    default = Hybrid;
}

choice! {
    /// What happens to a call that no longer fits.
    pub enum OnExhausted {
        /// Cheaper candidates answer while they fit.
        Degrade = "Degrade",
        /// It is refused.
        Reject = "Reject",
        /// It is served, and said.
        Notify = "Notify",
    }
    default = Degrade;
}

/// A share of a limit at which an Event is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Threshold {
    /// Percent of a limit, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,
}

fn default_thresholds() -> Vec<Threshold> {
    [50, 80, 100].map(|percent| Threshold { percent }).to_vec()
}
