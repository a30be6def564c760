//! What a provider does with data, and what policies require of it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, rule};

/// What a provider does with data. As a requirement: what it must show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.region) || has(self.retention) || has(self.training)",
    "set region, retention or training"))]
pub struct DataPolicy {
    /// Where data is kept and handled, such as `EU`; compared exactly. Default: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub region: Option<String>,

    /// How long data is kept: None (not beyond the answer), Limited or Unlimited. A requirement is met by it or a shorter
    /// one. Default: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,

    /// Whether models are trained on data: Never or Allowed. A requirement of Never is met by Never alone.
    /// Default: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

choice! {
    /// How long a provider keeps data.
    pub enum Retention {
        /// Not beyond the answer.
        None = "None",
        /// For a limited time.
        Limited = "Limited",
        /// Without a limit.
        Unlimited = "Unlimited",
    }
}

choice! {
    /// Whether a provider trains models on data.
    pub enum Training {
        /// Never.
        Never = "Never",
        /// It may.
        Allowed = "Allowed",
    }
}
