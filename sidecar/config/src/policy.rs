//! A routing policy as the sidecar needs it: references resolved, expressions in their compiled form.

use serde::{Deserialize, Serialize};

use crate::entry::Name;
use crate::money::{Nano, PricePerMillion};
use crate::provider::{Capabilities, DataPolicy};
use crate::window::Window;

/// One RoutingPolicy, compiled for one pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyConfig {
    /// The virtual models that this policy answers for in this pod.
    pub virtual_models: Vec<String>,
    /// Whether it chooses.
    pub mode: Mode,
    /// Among which models.
    pub candidates: Vec<CandidateConfig>,
    /// Classes of candidates, from which rules and the length or complexity of a text choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierConfig>,
    /// What every candidate must show, also one that is asked for by name.
    #[serde(default, skip_serializing_if = "Requirement::is_empty")]
    pub requires: Requirement,
    /// Serves when nothing is chosen; else the candidate with the highest prior quality, then the first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// What savings are measured against: a candidate's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// What callers may decide for one call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caller_overrides: Vec<CallerOverride>,
    /// What a candidate's name in a request means.
    pub requested_model: RequestedModel,
    /// Other names for candidates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_aliases: Vec<ModelAlias>,
    /// Rules, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What is wanted.
    pub objective: Objective,
    /// How it is reached.
    #[serde(default)]
    pub strategy: Strategy,
    /// How calls are spread over the providers of one model.
    #[serde(default)]
    pub balancing: Balancing,
    /// How texts are scored.
    #[serde(default)]
    pub scorer: ScorerConfig,
    /// How the calls of one conversation are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionConfig>,
    /// What happens when an attempt fails.
    pub resilience: Resilience,
    /// Whether the cost stands in the body too.
    pub annotate: Annotate,
    /// Whether calls are kept for `GET /v1/calls/{id}`.
    pub recording: Recording,
}

/// Whether a policy chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Chooses a model for every call.
    Route,
    /// Chooses for every call, serves what the application asked for, and counts what the choice would have saved.
    Observe,
    /// Serves the named or the default model.
    Disabled,
}

/// What callers may decide for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallerOverride {
    /// The objective, by `x-pointsman-objective` or a suffix of the virtual model.
    Objective,
    /// The most that the call may be expected to cost, by `x-pointsman-max-cost`.
    MaxCost,
    /// Fewer candidates, by `x-pointsman-candidates`.
    Candidates,
}

/// A model that may be chosen, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateConfig {
    /// The model's name.
    pub model: String,
    /// The providers in reach that serve it, in order of name.
    pub providers: Vec<Name>,
    /// The tier that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Its weight among the opponents of OptimalLP, in place of the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// A class of candidates. One threshold or none: a tier without any is the lowest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TierConfig {
    /// What candidates and rules call it.
    pub name: String,
    /// Texts at least this complex are for it, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_complexity: Option<f64>,
    /// Conversations of at least so many tokens are for it, where the complexity is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_tokens: Option<u64>,
}

/// What a candidate must show to be considered. What its provider does not say, it cannot show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Requirement {
    /// What the provider may do with data, at most.
    #[serde(skip_serializing_if = "DataPolicy::is_empty")]
    pub data_policy: DataPolicy,
    /// Labels of the provider.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What the model must be able to do.
    #[serde(skip_serializing_if = "Capabilities::is_empty")]
    pub capabilities: Capabilities,
}

impl Requirement {
    /// Whether everything meets it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// How calls are spread over the providers of one model. Formulas: `docs/balancing.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Balancing {
    /// In turn.
    RoundRobin,
    /// In turn, by weight.
    WeightedRoundRobin,
    /// The faster of two that are drawn: peak-EWMA latency times calls under way.
    LeastLatency,
    /// Drawn; the faster and the more reliable a provider, the more often.
    Performance,
    /// Mostly the cheapest, weighed against the time to a success.
    CostOptimized,
    /// The most reliable.
    HighestAvailability,
    /// The one of those that no other beats in everything that suits the policy's weights best.
    #[default]
    Pareto,
}

/// What a candidate's name in a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestedModel {
    /// It skips the choice; any other name is refused.
    Use,
    /// It is chosen for all the same.
    Override,
}

/// Another name for a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelAlias {
    /// The name that callers use.
    pub name: String,
    /// The candidate it stands for.
    pub model: String,
}

/// One rule: when any match fits, the action applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Names the rule in reasons.
    pub name: String,
    /// Entries are ORed; a rule without any applies always.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// What it does.
    pub action: Action,
}

/// One condition; its fields are ANDed, absent ones fit everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Match {
    /// The model that the caller asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The text of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextMatch>,
    /// The estimated input tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<TokenRange>,
    /// How complex the scorer finds the text; fits nothing where no scorer says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complexity: Option<ComplexityRange>,
    /// Headers of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<NamedValue>,
    /// Entries of the request's `metadata`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<NamedValue>,
    /// The user that the request names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether the request offers tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_tools: Option<bool>,
    /// Whether the request has images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_images: Option<bool>,
    /// Personal data, one of which stands in any message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pii: Vec<Pii>,
}

/// A kind of personal data that its form gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pii {
    /// An address of electronic mail.
    Email,
    /// A telephone number, international or North American.
    PhoneNumber,
    /// The number of a payment card; its check digit is right.
    PaymentCard,
    /// An international bank account number; its check digits are right.
    Iban,
    /// A social security number of the United States.
    UsSocialSecurity,
}

/// A name, and the value that it must have; without one, any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedValue {
    /// The name; of a header in lower case.
    pub name: String,
    /// The exact value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A range of complexities, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComplexityRange {
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// A regular expression over a part of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextMatch {
    /// The expression, in the syntax of the `regex` crate.
    pub regex: String,
    /// Over what.
    pub over: TextScope,
}

/// A part of a request's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextScope {
    /// The last message of role `user`.
    LastUserMessage,
    /// All messages of role `user`.
    UserText,
    /// All messages.
    All,
}

/// A range of token counts, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenRange {
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// What a rule does. Reject comes first, then Exclude, Require and OverrideStrategy add up, the others end the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Action {
    /// Serve this candidate.
    UseModel {
        /// Its model.
        model: String,
    },
    /// Choose among the candidates of this provider only.
    UseProvider {
        /// The provider.
        provider: Name,
    },
    /// Choose among the candidates of this tier only.
    UseTier {
        /// The tier.
        tier: String,
    },
    /// Leave out what does not meet this too.
    Require {
        /// What must be shown.
        requirement: Requirement,
    },
    /// Leave these candidates out.
    Exclude {
        /// Their models.
        models: Vec<String>,
    },
    /// Decide by another objective or optimizer.
    OverrideStrategy {
        /// In place of the policy's objective.
        objective: Option<Objective>,
        /// In place of the policy's optimizer.
        optimizer: Option<Optimizer>,
    },
    /// Refuse the request.
    Reject {
        /// Why, in words for the caller.
        message: String,
    },
}

/// What is wanted: the one knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Objective {
    /// Half quality, the rest cost and speed.
    Balanced,
    /// Nearly quality alone.
    Quality,
    /// Nearly cost alone.
    Cost,
    /// Nearly speed alone.
    Speed,
}

/// How the choice is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Optimizer {
    /// The highest weighted score.
    MaxScore,
    /// The highest quality within a cost.
    Strict,
    /// The mix of models with the highest expected score at an expected cost within the bound; one is drawn from it.
    #[serde(rename = "SimpleLP")]
    SimpleLp,
    /// The same with the chance to win against the other candidates in place of the quality.
    #[serde(rename = "OptimalLP")]
    OptimalLp,
    /// The score between the worst and the best at 0.6, the speed at 0.4.
    SpeedWeighted,
    /// The highest weighted score of those that no other beats in quality, cost and time.
    Pareto,
    /// The highest rate of success of late.
    MostAvailable,
    /// The lowest cost.
    Cheapest,
    /// The shortest expected time.
    Fastest,
    /// The highest quality minus lambda times cost, lambda steered by what is spent.
    ShadowPrice,
}

impl Optimizer {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxScore => "MaxScore",
            Self::Strict => "Strict",
            Self::SimpleLp => "SimpleLP",
            Self::OptimalLp => "OptimalLP",
            Self::SpeedWeighted => "SpeedWeighted",
            Self::Pareto => "Pareto",
            Self::MostAvailable => "MostAvailable",
            Self::Cheapest => "Cheapest",
            Self::Fastest => "Fastest",
            Self::ShadowPrice => "ShadowPrice",
        }
    }
}

/// The finer settings of the choice; all optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// In place of the objective's own optimizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    /// In place of the objective's own weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// What a thousand calls should cost together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_per_thousand_calls: Option<Nano>,
    /// What the calls of a window should cost together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_per_window: Option<SpendPerWindow>,
    /// The most that one call may be expected to cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_per_call: Option<Nano>,
    /// The highest price, input and output blended three to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<PricePerMillion>,
    /// The cap on output tokens where the caller gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What happens when no candidate meets the bounds.
    pub on_infeasible: OnInfeasible,
    /// Whether the linear programs may mix models.
    pub sampling: Sampling,
}

/// Whether the linear programs may mix models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampling {
    /// Yes: the cost bound holds on average, and each call draws its model.
    #[default]
    Enabled,
    /// No: one of them, each within the bound.
    Disabled,
}

/// What the calls of a window should cost together. Windows follow the calendar of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendPerWindow {
    /// How much.
    pub amount: Nano,
    /// In which window.
    pub window: Window,
}

/// Relative weights of the three wishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Of quality.
    pub quality: u32,
    /// Of low cost.
    pub cost: u32,
    /// Of speed.
    pub speed: u32,
}

/// What happens when no candidate meets the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnInfeasible {
    /// The cheapest candidate serves.
    #[default]
    Cheapest,
    /// The request is refused.
    Error,
}

/// How texts are scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScorerConfig {
    /// By what.
    pub kind: ScorerKind,
    /// The folder of a routing model beside the data plane; none is the one inside the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// What scores texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScorerKind {
    /// A routing model of static token embeddings.
    #[default]
    Embedding,
    /// The length of the conversation in tokens, which picks a tier.
    TokenLength,
    /// Nothing: every model keeps its prior quality.
    Prior,
}

/// How the calls of one conversation are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum SessionConfig {
    /// By the value of a header.
    Header {
        /// Its lower-case name.
        name: String,
    },
}

/// What happens when an attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resilience {
    /// Attempts in all.
    pub attempts: u32,
    /// Lowers the providers' first-token timeout; in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
}

/// Where a call's cost is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Annotate {
    /// In headers only; bodies pass untouched.
    Headers,
    /// In the body's `usage.cost` too.
    Body,
}

/// What is kept of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recording {
    /// Nothing.
    None,
    /// Decision, attempts, tokens and cost; no text.
    Metadata,
}
