//! What a candidate must show to be considered.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{self, rule};
use crate::v1alpha1::llmprovider::{Capability, DataPolicy};

/// What a candidate must show. What its provider does not say, it cannot show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.dataPolicy) || has(self.labels) || has(self.capabilities)",
    "require dataPolicy, labels or capabilities"))]
pub struct Requirement {
    /// What the provider does with data: the same region, a retention at most as long, training at most as permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_policy: Option<DataPolicy>,

    /// Labels that the LLMProvider object must have, at most 8, keyed by `key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub labels: Vec<RequiredLabel>,

    /// What the model must be able to do, beyond what the request itself needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub capabilities: Vec<Capability>,
}

/// A label that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredLabel {
    /// Its key.
    #[schemars(schema_with = "schema::label_key")]
    pub key: String,

    /// Its exact value.
    #[schemars(schema_with = "schema::text::<63>")]
    pub value: String,
}
