//! Types that more than one kind uses.
#![expect(unreachable_pub, reason = "the KubeSchema derive copies each public type into a function")]

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema;

/// The API group of every kind.
pub const GROUP: &str = "pointsman.dev";
/// The API version of every kind.
pub const VERSION: &str = "v1alpha1";

/// Names an object that may live in another namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// Name of the object.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,

    /// Namespace of the object. Default: the namespace of the object that holds this reference.
    /// Any other namespace must consent (`spec.allowedNamespaces` of an LLMProvider), else ResolvedRefs is False with
    /// reason NotPermitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::namespace")]
    pub namespace: Option<String>,
}

/// Names an object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalReference {
    /// Name of the object; it lives in the namespace of the object that holds this reference.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}

choice! {
    /// What a policy strives for: the one knob.
    pub enum Objective {
        /// Half quality, the rest cost and speed.
        Balanced = "Balanced",
        /// Nearly quality alone.
        Quality = "Quality",
        /// Nearly cost alone.
        Cost = "Cost",
        /// Nearly speed alone.
        Speed = "Speed",
    }
    default = Balanced;
}

choice! {
    /// How the choice among candidates is solved.
    pub enum Optimizer {
        /// The highest weighted score.
        MaxScore = "MaxScore",
        /// The highest quality within a cost.
        Strict = "Strict",
        /// The mix of models with the highest expected score at an expected cost within the bound.
        SimpleLp = "SimpleLP",
        /// The mix with the highest chance to win against the other candidates, within the bound.
        OptimalLp = "OptimalLP",
        /// The score between the worst and the best at 0.6, the speed at 0.4.
        SpeedWeighted = "SpeedWeighted",
        /// The highest weighted score of those that no other beats in quality, cost and time.
        Pareto = "Pareto",
        /// The highest rate of success of late.
        MostAvailable = "MostAvailable",
        /// The lowest cost.
        Cheapest = "Cheapest",
        /// The shortest expected time.
        Fastest = "Fastest",
        /// The highest quality minus lambda times cost, lambda steered by what is spent.
        ShadowPrice = "ShadowPrice",
    }
}
