//! Tiers: classes of candidates, from which rules and the difficulty of a text choose.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema;

/// A class of candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// What candidates and rules call it; unique in the policy.
    #[schemars(schema_with = "schema::name")]
    pub name: String,

    /// Texts at least this complex are for this tier, such as `"0.45"`, where the scorer says how complex they are.
    /// Default: none; a tier without any threshold is the lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fraction")]
    pub min_complexity: Option<String>,

    /// Conversations of at least so many tokens are for this tier, where nobody says how complex they are. Tokens as
    /// OpenAI's tiktoken counts them, 4 more per message and 2 in all. Default: none; a tier without any threshold is the
    /// lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub min_tokens: Option<i32>,
}

choice! {
    /// How calls are spread over the providers of one model.
    pub enum Balancing {
        /// In turn.
        RoundRobin = "RoundRobin",
        /// In turn, by weight.
        WeightedRoundRobin = "WeightedRoundRobin",
        /// The faster of two that are drawn.
        LeastLatency = "LeastLatency",
        /// Drawn by speed and rate of success.
        Performance = "Performance",
        /// Mostly the cheapest, weighed against the time to a success.
        CostOptimized = "CostOptimized",
        /// The highest rate of success.
        HighestAvailability = "HighestAvailability",
        /// By the objective's weights, of those that no other beats in everything.
        Pareto = "Pareto",
    }
    default = Pareto;
}
