//! The finer settings of a policy's choice.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::choice::choice;
use crate::schema::{self, member, rule};
use crate::shared::Optimizer;

/// Finer settings of the choice; what is absent follows from the objective.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "!has(self.optimizer) || self.optimizer != 'Strict' || has(self.maxCostPerCall) || has(self.maxPrice)",
    "optimizer Strict needs a bound: set maxCostPerCall or maxPrice"))]
pub struct Strategy {
    /// MaxScore: highest weighted score. Strict: highest quality within maxCostPerCall or maxPrice. SimpleLP: the mix of
    /// models with the highest expected score (quality for objective Quality, else the weighted score) whose expected cost
    /// is within the bound; one is drawn from it. OptimalLP: the same with the chance to win against the other candidates in
    /// place of the quality. SpeedWeighted: the score between worst and best at 0.6, speed at 0.4. ShadowPrice: highest
    /// quality minus lambda times cost, lambda steered by spend. Pareto: highest weighted score of those that no other
    /// beats in quality, cost and time. Cheapest: lowest cost. Fastest: shortest expected time. MostAvailable: highest
    /// rate of success of late. Default by objective: Strict for Cost (without a bound the highest weighted score, which
    /// is nearly the cheapest); SpeedWeighted for Speed; ShadowPrice for Balanced with a
    /// spendTarget or a Budget to pace; else MaxScore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,

    /// Relative weights of quality, cost and speed in the weighted score. Default: the objective's, also where a rule sets
    /// another objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,

    /// What calls should cost together; ShadowPrice steers towards it. It is no ceiling: that is a Budget. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_target: Option<SpendTarget>,

    /// The most that one call may be expected to cost, in USD, such as `"0.02"`; for SimpleLP and OptimalLP on average.
    /// Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_decimal")]
    pub max_cost_per_call: Option<String>,

    /// The highest price in USD per million tokens, input and output blended 3:1, such as `"5"`. Default: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::positive_decimal")]
    pub max_price: Option<String>,

    /// Cap on output tokens injected where the caller gives none; bounds what a budget reserves. Default: none is
    /// injected, unless a budget that refuses calls must know a bound: then the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_output_tokens: Option<i32>,

    /// What happens when no candidate is within the bounds. Cheapest (default): the cheapest one answers. Error: the
    /// request is refused.
    #[serde(default)]
    pub on_infeasible: OnInfeasible,

    /// Whether SimpleLP and OptimalLP may mix models. Enabled (default): the bound holds on average, and each call draws
    /// its model. Disabled: one model, within the bound by itself, and nothing is drawn.
    #[serde(default)]
    pub sampling: Sampling,
}

choice! {
    /// Whether the linear programs may mix models.
    pub enum Sampling {
        /// Each call draws its model; the bound holds on average.
        Enabled = "Enabled",
        /// One of the models within the bound.
        Disabled = "Disabled",
    }
    default = Enabled;
}

choice! {
    /// What happens when no candidate is within the bounds.
    pub enum OnInfeasible {
        /// The cheapest candidate answers.
        Cheapest = "Cheapest",
        /// The request is refused.
        Error = "Error",
    }
    default = Cheapest;
}

/// Relative weights; they are divided by their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule("self.quality + self.cost + self.speed > 0", "at least one weight must be above zero"))]
pub struct Weights {
    /// Weight of quality, 0 to 1000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub quality: i32,

    /// Weight of low cost, 0 to 1000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub cost: i32,

    /// Weight of speed, 0 to 1000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub speed: i32,
}

/// What calls should cost together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = member("PerThousandCalls", "perThousandCalls"))]
#[x_kube(validation = member("Window", "window"))]
pub struct SpendTarget {
    /// PerThousandCalls: an average over calls, set in `perThousandCalls`. Window: a sum per window, set in `window`; what is
    /// left of it is spread over the calls that are still expected.
    #[serde(rename = "type")]
    pub type_: SpendTargetType,

    /// An average over calls. Only with type PerThousandCalls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_thousand_calls: Option<PerThousandCalls>,

    /// A sum per window. Only with type Window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<SpendWindow>,
}

choice! {
    /// How a spend target is meant.
    pub enum SpendTargetType {
        /// An average over calls.
        PerThousandCalls = "PerThousandCalls",
        /// A sum per window.
        Window = "Window",
    }
}

/// A sum per window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpendWindow {
    /// What the calls of a window should cost together, such as `40 USD`.
    #[schemars(schema_with = "schema::usd_amount")]
    pub amount: String,

    /// The window: Hour, Day, Week or Month, by the calendar of UTC.
    pub per: SpendPer,
}

choice! {
    /// How long a window of spending is.
    pub enum SpendPer {
        /// From minute 0 to minute 0.
        Hour = "Hour",
        /// From midnight to midnight.
        Day = "Day",
        /// From Monday to Monday.
        Week = "Week",
        /// From the first of a month to the next.
        Month = "Month",
    }
}

/// An average over calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PerThousandCalls {
    /// What a thousand calls should cost, such as `0.25 USD`.
    #[schemars(schema_with = "schema::usd_amount")]
    pub amount: String,
}
