//! Which other namespaces may use a provider, and where its key may then lie.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, rule};

/// Which namespaces may use a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "has(self.selector) == (self.from == 'Selector')",
    "set selector when from is Selector, and only then"))]
pub struct AllowedNamespaces {
    /// Same (default): only the provider's own namespace. All: every namespace. Selector: those that `selector` fits.
    #[serde(default)]
    pub from: AllowedFrom,

    /// Labels of the namespaces. Only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    #[x_kube(validation = schema::some_label())]
    pub selector: Option<LabelSelector>,
}

choice! {
    /// Which namespaces are meant.
    pub enum AllowedFrom {
        /// Only the provider's own.
        Same = "Same",
        /// Every one.
        All = "All",
        /// Those that a selector fits.
        Selector = "Selector",
    }
    default = Same;
}

choice! {
    /// Where a shared key may lie.
    pub enum CredentialPlacement {
        /// In the memory of sidecars of consuming namespaces.
        Sidecar = "Sidecar",
    }
}
