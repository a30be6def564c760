//! RoutingPolicy (`rpol`): how the pods that it selects choose among models.
//!
//! The smallest one lists its candidates. Which providers serve them, and which policy wins where several select the same
//! pod, is found out by the operator and said in conditions.

mod requirement;
mod rules;
mod scorer;
mod status;
mod strategy;
mod tiers;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::requirement::{RequiredLabel, Requirement};
pub use self::rules::{
    Action, ActionType, ComplexityRange, Exclude, HeaderMatch, Match, MetadataMatch, OverrideStrategy, Pii,
    Reject, RoutingRule, TextMatch, TextScope, TokenRange, UseModel, UseTier,
};
pub use self::scorer::{Scorer, ScorerKind, Session, SessionHeader, SessionType};
pub use self::status::{
    DataPlaneStatus, ModeStatus, PolicyModelStatus, RoutingPolicyStatus, RoutingPolicySummary, SavingsStatus,
    ScorerStatus, ShadowPriceStatus,
};
pub use self::strategy::{
    OnInfeasible, PerThousandCalls, Sampling, SpendPer, SpendTarget, SpendTargetType, SpendWindow, Strategy,
    Weights,
};
pub use self::tiers::{Balancing, Tier};
use crate::choice::choice;
use crate::schema::{self, rule};
use crate::shared::{Objective, Reference};

/// How the pods that it selects choose among models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "pointsman.dev",
    version = "v1alpha1",
    kind = "RoutingPolicy",
    plural = "routingpolicies",
    shortname = "rpol",
    category = "pointsman",
    category = "llm",
    namespaced,
    status = "RoutingPolicyStatus",
    derive = "PartialEq",
    doc = "How the pods that it selects choose among models.",
    printcolumn = r#"{"name":"Objective","type":"string","jsonPath":".spec.objective","description":"What the policy strives for."}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status","description":"Whether the spec is valid, resolved and in use."}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.summary.state","description":"What the policy does."}"#,
    printcolumn = r#"{"name":"Pods","type":"string","jsonPath":".status.summary.pods","description":"Pods that run this generation, of those selected."}"#,
    printcolumn = r#"{"name":"Routed","type":"string","jsonPath":".status.summary.routed","description":"Share of today's calls whose model was chosen; the others named one."}"#,
    printcolumn = r#"{"name":"Today","type":"string","jsonPath":".status.summary.today","description":"Money spent since midnight UTC."}"#,
    printcolumn = r#"{"name":"Saved","type":"string","jsonPath":".status.summary.saved","description":"Saved since midnight UTC against the baseline; in brackets what would have been saved, while mode is Observe."}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Models","type":"string","jsonPath":".status.summary.models","description":"Shares of the models in today's calls.","priority":1}"#,
    printcolumn = r#"{"name":"Price","type":"string","jsonPath":".status.summary.price","description":"What one point of quality is worth per 1000 calls.","priority":1}"#,
    printcolumn = r#"{"name":"Baseline","type":"string","jsonPath":".status.summary.baseline","description":"What savings are measured against.","priority":1}"#
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule(
    "!has(self.defaultModel) || self.candidates.exists(c, c.model == self.defaultModel)",
    "defaultModel must be one of the candidates"))]
#[x_kube(validation = rule(
    "!has(self.baseline) || self.candidates.exists(c, c.model == self.baseline)",
    "baseline must be one of the candidates"))]
#[x_kube(validation = rule(
    "self.virtualModels.all(v, !self.candidates.exists(c, c.model == v))",
    "a virtual model may not have the name of a candidate: rename one of them"))]
#[x_kube(validation = rule(
    "!has(self.modelAliases) || self.modelAliases.all(a, self.candidates.exists(c, c.model == a.model))",
    "modelAliases: each model must be one of the candidates"))]
#[x_kube(validation = rule(
    "!has(self.modelAliases) || self.modelAliases.all(a, !(a.name in self.virtualModels) \
     && !self.candidates.exists(c, c.model == a.name))",
    "an alias may not have the name of a candidate or of a virtual model: rename it"))]
#[x_kube(validation = rule(
    "!has(self.rules) || self.rules.all(r, !has(r.action.useModel) \
     || self.candidates.exists(c, c.model == r.action.useModel.model))",
    "rules: useModel.model must be one of the candidates"))]
#[x_kube(validation = rule(
    "!has(self.rules) || self.rules.all(r, !has(r.action.exclude) \
     || r.action.exclude.models.all(m, self.candidates.exists(c, c.model == m)))",
    "rules: exclude.models must be among the candidates"))]
#[x_kube(validation = rule(
    "!has(self.scorer) || self.scorer.kind != 'TokenLength' || (has(self.tiers) \
     && self.tiers.exists(t, has(t.minTokens)))",
    "scorer: kind TokenLength needs tiers with minTokens"))]
#[x_kube(validation = rule(
    "self.candidates.all(c, !has(c.tier) || (has(self.tiers) && self.tiers.exists(t, t.name == c.tier)))",
    "candidates: each tier must be one of spec.tiers"))]
#[x_kube(validation = rule(
    "!has(self.rules) || self.rules.all(r, !has(r.action.useTier) \
     || self.candidates.exists(c, has(c.tier) && c.tier == r.action.useTier.name))",
    "rules: useTier.name must be the tier of a candidate"))]
pub struct RoutingPolicySpec {
    /// Route (default): a model is chosen for every call. Observe: a model is chosen for every call and not served; the
    /// application's own choice answers, and what the choice would have saved is counted. Disabled: nothing is chosen.
    /// In Observe and Disabled the model that the caller named answers, any that a provider in reach serves; for a virtual
    /// model `defaultModel`, else (Observe) `baseline`, else the candidate with the highest prior quality, then the first
    /// name.
    #[serde(default)]
    pub mode: Mode,

    /// Model names that this policy answers for, 1 to 8. Default: `auto`. A pod takes each virtual model from one policy:
    /// one with a selector wins over the namespace's default, that over the root namespace's default; then the higher
    /// `priority` wins, then the name that sorts first.
    #[serde(default = "default_virtual_models")]
    #[schemars(schema_with = "virtual_models")]
    pub virtual_models: Vec<String>,

    /// Which pods of the namespace use this policy. Absent: the policy is the default of its namespace; in the root
    /// namespace, of every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_selector")]
    #[x_kube(validation = schema::some_label())]
    pub target_selector: Option<LabelSelector>,

    /// Decides between policies of the same rank that select the same pod: the higher wins; equal ones go by name.
    /// -1000 to 1000. Default: 0.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,

    /// The models to choose among, 1 to 64, keyed by `model`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["model".into()]))]
    pub candidates: Vec<Candidate>,

    /// Classes of candidates, at most 8, keyed by `name`: for UseTier rules, and, where one has a threshold and the scores do
    /// not tell models apart, for choosing by the text's complexity, else by its length. Other tiers then stand by.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = rule(
        "self.all(t, !has(t.minComplexity) && !has(t.minTokens)) \
         || self.filter(t, !has(t.minComplexity) && !has(t.minTokens)).size() <= 1",
        "only one tier can be the lowest: give the others minComplexity or minTokens"))]
    pub tiers: Vec<Tier>,

    /// What every candidate must show, also one that is asked for by name; one that cannot is never sent to.
    /// Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requirement>,

    /// Answers for `virtualModels` while `mode` is Observe or Disabled. Must be a candidate. Default: the candidate with the highest
    /// prior quality, then the first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::model")]
    pub default_model: Option<String>,

    /// What savings are measured against: the same calls at this model's prices and answer lengths. Must be a candidate.
    /// Default: `defaultModel`; without that, in Observe whatever answered, and in Route the candidate that callers named most
    /// before (`status.mostNamed`). Where they named none, no savings are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::model")]
    pub baseline: Option<String>,

    /// What callers may decide for one call, at most 3. Objective: by header `x-pointsman-objective`, or by the suffixes
    /// `:cheap` (Cost), `:fast` (Speed) and `:best` (Quality) of a virtual model, such as `auto:cheap`. MaxCost: by
    /// `x-pointsman-max-cost`, the most in USD that the call may be expected to cost; it may only lower
    /// `strategy.maxCostPerCall`. Candidates: by `x-pointsman-candidates`, names of candidates with commas between.
    /// A header that is not listed here, or cannot be read, is refused with 400. Rules stand above it. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub caller_overrides: Vec<CallerOverride>,

    /// What a real model's name in a request means. Use (default): a candidate's name skips the choice, any other name is
    /// refused with 404 and the list of names. Override: a model is chosen all the same.
    #[serde(default)]
    pub requested_model: RequestedModel,

    /// Other names for candidates, at most 64, keyed by `name`; callers may use them like the candidate's own. None may be
    /// the name of a candidate or of a virtual model. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub model_aliases: Vec<ModelAlias>,

    /// Exceptions from the choice, at most 32, in order. All matching Reject rules come first, then Exclude, Require and
    /// OverrideStrategy add up, and the first matching UseModel, UseProvider or UseTier ends the search. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rule("self.all(a, self.exists_one(b, a.name == b.name))", "give each rule a name of its own"))]
    pub rules: Vec<RoutingRule>,

    /// What to strive for: Balanced (default: half quality, the rest cost and speed), Quality, Cost or Speed.
    #[serde(default)]
    pub objective: Objective,

    /// Finer settings of the choice. Default: those of `objective`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,

    /// How calls are spread over the providers of one model: RoundRobin, WeightedRoundRobin (by the models' `weight`),
    /// LeastLatency, Performance, CostOptimized, HighestAvailability or Pareto (default: by the objective's weights, of
    /// those that no other beats). Ties go to the `preferred` one, then to the weightier.
    #[serde(default)]
    pub balancing: Balancing,

    /// How the text of a call is scored. Default: by the routing model inside the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scorer: Option<Scorer>,

    /// How the calls of one conversation are recognised: a short follow-up is then judged like the text before it.
    /// Default: every call is judged by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,

    /// What happens when an attempt fails.
    #[serde(default)]
    pub resilience: Resilience,

    /// Where a call's cost is shown. Headers (default): only there, bodies pass untouched. Body: also as `usage.cost`.
    #[serde(default)]
    pub annotate: Annotate,

    /// What is kept of each call.
    #[serde(default)]
    pub recording: Recording,
}

fn default_virtual_models() -> Vec<String> {
    vec!["auto".to_owned()]
}

fn virtual_models(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = schema::models(generator);
    schema.insert("maxItems".to_owned(), 8.into());
    schema
}

choice! {
    /// Whether a policy chooses.
    pub enum Mode {
        /// Chooses a model for every call.
        Route = "Route",
        /// Chooses for every call, serves the application's own choice.
        Observe = "Observe",
        /// Serves the named or the default model.
        Disabled = "Disabled",
    }
    default = Route;
}

choice! {
    /// What callers may decide for one call.
    pub enum CallerOverride {
        /// The objective.
        Objective = "Objective",
        /// The most that the call may be expected to cost.
        MaxCost = "MaxCost",
        /// Fewer candidates.
        Candidates = "Candidates",
    }
}

choice! {
    /// What a real model's name in a request means.
    pub enum RequestedModel {
        /// It skips the choice.
        Use = "Use",
        /// A model is chosen all the same.
        Override = "Override",
    }
    default = Use;
}

choice! {
    /// Where a call's cost is shown.
    pub enum Annotate {
        /// In headers only.
        Headers = "Headers",
        /// In the body's `usage.cost` too.
        Body = "Body",
    }
    default = Headers;
}

/// A model that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Name of the model, as LLMProviders list it. A name that no provider in reach serves makes ResolvedRefs False,
    /// reason UnknownModel; the other candidates serve on.
    #[schemars(schema_with = "schema::model")]
    pub model: String,

    /// The providers that may serve it, at most 16. Default: every LLMProvider of the policy's namespace that lists the
    /// model. A provider of another namespace must be named here, with its namespace, and must consent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = schema::distinct_references())]
    pub provider_refs: Vec<Reference>,

    /// The tier that the model belongs to. Default: none; such a model only stands by where tiers decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub tier: Option<String>,

    /// The model's weight among the opponents of OptimalLP, 0 to 1000. Default: its `prior.samplingWeight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: Option<i32>,
}

/// Another name for a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelAlias {
    /// The name that callers use.
    #[schemars(schema_with = "schema::model")]
    pub name: String,

    /// The candidate that it stands for.
    #[schemars(schema_with = "schema::model")]
    pub model: String,
}

/// What happens when an attempt fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resilience {
    /// Attempts in all for one call, the first included, 1 to 6. Default: 3. Nothing is repeated once content has
    /// reached the caller.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 6))]
    pub attempts: i32,

    /// Lowers the providers' `timeouts.firstToken` for this policy's calls; a longer one changes nothing. Default: theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub first_token: Option<String>,
}

impl Default for Resilience {
    fn default() -> Self {
        Self { attempts: default_attempts(), first_token: None }
    }
}

fn default_attempts() -> i32 {
    3
}

/// What is kept of each call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Metadata (default): decision, attempts, tokens and cost of recent calls are kept in memory for
    /// `GET /v1/calls/{id}`; no text. None: nothing is kept; costs are counted all the same.
    #[serde(default)]
    pub level: RecordingLevel,
}

choice! {
    /// How much is kept of a call.
    pub enum RecordingLevel {
        /// Nothing.
        None = "None",
        /// Decision, attempts, tokens, cost, and the numbers that a routing model made of the text; no text.
        Metadata = "Metadata",
    }
    default = Metadata;
}
