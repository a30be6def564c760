//! ABTest (`abt`): variants of one policy to compare.
//!
//! Only drafts for now: a draft is checked (its policy exists, its models are candidates) and changes no traffic.

mod status;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::status::{ABTestStatus, ABTestSummary};
use crate::choice::choice;
use crate::schema::{self, member, rule};
use crate::shared::{LocalReference, Objective, Optimizer};

/// Variants of one policy to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "pointsman.dev",
    version = "v1alpha1",
    kind = "ABTest",
    plural = "abtests",
    shortname = "abt",
    category = "pointsman",
    category = "llm",
    namespaced,
    status = "ABTestStatus",
    derive = "PartialEq",
    doc = "Variants of one policy to compare.",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.summary.state","description":"What the test does."}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status","description":"Whether the spec is valid, resolved and in use."}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Policy","type":"string","jsonPath":".status.summary.policy","description":"The policy under test.","priority":1}"#,
    printcolumn = r#"{"name":"Variants","type":"string","jsonPath":".status.summary.variants","description":"The variants and their shares.","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "self.variants.exists(v, v.name == self.controlName)",
    "controlName must be the name of a variant"))]
#[x_kube(validation = rule(
    "self.variants.all(v, v.name == self.controlName || has(v.override))",
    "a variant other than the control needs an override, else there is nothing to compare"))]
pub struct ABTestSpec {
    /// The policy under test, in the same namespace. One that does not exist makes ResolvedRefs False, reason
    /// PolicyNotFound.
    pub policy_ref: LocalReference,

    /// What is wanted. Draft (default): the test is checked and changes no traffic.
    #[serde(default)]
    pub state: ABTestState,

    /// The variant that the others are compared with; the name of one of them.
    #[schemars(schema_with = "schema::name")]
    pub control_name: String,

    /// What is compared, 2 to 4, keyed by `name`.
    #[schemars(length(min = 2, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = rule("self.exists(v, v.weight > 0)", "at least one variant needs a weight above zero"))]
    pub variants: Vec<Variant>,
}

choice! {
    /// What is wanted of a test.
    pub enum ABTestState {
        /// It is checked and changes no traffic.
        Draft = "Draft",
    }
    default = Draft;
}

/// One way to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// Name of the variant.
    #[schemars(schema_with = "schema::name")]
    pub name: String,

    /// Share of the units relative to the other variants' weights, 0 to 1000.
    #[schemars(range(min = 0, max = 1000))]
    pub weight: i32,

    /// What this variant does otherwise than the policy. Absent: nothing, which only makes sense for the control.
    #[serde(rename = "override", default, skip_serializing_if = "Option::is_none")]
    pub override_: Option<VariantOverride>,
}

/// What a variant does otherwise: a type and the member of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("Model", "model"))]
#[x_kube(validation = member("Strategy", "strategy"))]
pub struct VariantOverride {
    /// Model: one candidate answers every call, set in `model`. Strategy: the policy chooses by other settings, set in
    /// `strategy`.
    #[serde(rename = "type")]
    pub type_: OverrideType,

    /// The candidate that answers. Only with type Model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<OverrideModel>,

    /// The settings that differ. Only with type Strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<VariantStrategy>,
}

choice! {
    /// What a variant replaces.
    pub enum OverrideType {
        /// The choice, by one candidate.
        Model = "Model",
        /// The settings of the choice.
        Strategy = "Strategy",
    }
}

/// The candidate that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideModel {
    /// A candidate of the policy. Another name makes ResolvedRefs False, reason UnknownModel.
    #[schemars(schema_with = "schema::model")]
    pub name: String,
}

/// The settings that differ from the policy's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.objective) || has(self.optimizer) || has(self.maxCostPerCall)",
    "set objective, optimizer or maxCostPerCall"))]
pub struct VariantStrategy {
    /// Balanced, Quality, Cost or Speed. Default: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,

    /// MaxScore, Strict, Cheapest, Fastest or ShadowPrice. Default: the policy's, or with `objective` that objective's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,

    /// The most that one call may be expected to cost, in USD, such as `"0.005"`. Default: the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_decimal")]
    pub max_cost_per_call: Option<String>,
}
