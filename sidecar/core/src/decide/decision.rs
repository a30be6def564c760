//! The one value that says what was decided and why.

use std::sync::Arc;
use std::time::Duration;

use pointsman_config::amount::Unit;
use pointsman_config::money::Nano;
use pointsman_config::policy::Optimizer;
use serde::Serialize;
use smallvec::SmallVec;

use super::tiers::TierChoice;
use super::{ScoreMethod, ScoreSource, View};
use crate::snapshot::Unmet;
use crate::time::Millis;

/// What was decided for one call.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Every candidate of the policy, in its order.
    pub considered: Vec<Considered>,
    /// The pick, or why there is none.
    pub outcome: Outcome,
    /// Probability with which the pick was drawn; 1 where nothing is drawn.
    pub propensity: f64,
    /// The candidates to try, the pick first, or who serves in its place; positions in `considered`.
    pub plan: SmallVec<[usize; 4]>,
    /// Who serves in place of the pick, and why: the application's own choice, where the policy only observes.
    pub served: Option<(usize, PickReason)>,
    /// How it was decided.
    pub method: Method,
    /// The shadow price in force, in quality per USD.
    pub lambda: f64,
    /// Attempts that the policy allows.
    pub attempts: u32,
    /// The draws that were handed in.
    pub draws: [f64; 2],
    /// What kind of task the scorer found.
    pub task: Option<Arc<str>>,
    /// How hard the scorer found the text, from 0 to 1.
    pub complexity: Option<f64>,
    /// Whether a rule or a tier asks for the complexity and nobody knows it.
    pub complexity_missing: bool,
    /// The tier that the text is for, where tiers decided.
    pub tier: Option<TierChoice>,
    /// Whether no candidate was within the bounds, so that the cheapest one answers.
    pub infeasible: bool,
}

/// The pick, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This candidate answers; position in `considered`.
    Picked(usize, PickReason),
    /// The call is refused.
    Refused(Refusal),
}

/// Why the pick was picked, in the closed set that callers see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PickReason {
    /// It came out best.
    Picked,
    /// The caller named it.
    Requested,
    /// A rule says so; index of the rule.
    Rule(usize),
    /// It came out best by the scores of its session: the text itself is too short to tell.
    Session,
    /// A dearer one was worth more; a budget had no room for it.
    Budget,
    /// Nothing is chosen here: the policy's default.
    Default,
}

/// How the choice was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// No choice was needed: named, default, or the only one left.
    Direct,
    /// By this optimizer, over these scores.
    Scored(Optimizer, ScoreMethod),
    /// None was possible.
    Refused,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A rule refuses it.
    Rule {
        /// Index of the rule.
        rule: usize,
    },
    /// No candidate can take this request, whenever it comes.
    NoCandidate,
    /// Candidates exist, none is available now.
    NotAvailable {
        /// When the first one may be again.
        retry_at: Option<Millis>,
    },
    /// A budget has no room for any candidate.
    Budget {
        /// Index of the limit.
        limit: usize,
    },
}

/// One candidate, as it was seen.
#[derive(Clone, Debug)]
pub struct Considered {
    /// Index of the target in the snapshot.
    pub target: usize,
    /// Predicted probability of a good answer.
    pub quality: f64,
    /// Where that comes from.
    pub source: ScoreSource,
    /// What the call is expected to cost; none where the price is unknown.
    pub expected_cost: Option<Nano>,
    /// How long the whole answer is expected to take.
    pub expected_ms: f64,
    /// Tokens of one answer of usual length, as far as the call lets it grow.
    pub usual_output: f64,
    /// How long the answer to this text is expected to be, in parts of its usual length.
    pub length: f64,
    /// What the optimizer compared; larger is better.
    pub score: f64,
    /// Whether another candidate is nowhere worse and somewhere better; looked at only where the optimizer asks.
    pub dominated: bool,
    /// What it would take to send the call there.
    pub step: Step,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The call was refused before this one was looked at.
    Undecided,
    /// It was picked.
    Picked,
    /// It stands by as the n-th fallback, from 1.
    StandsBy(usize),
    /// It was left out.
    LeftOut(Reason),
}

/// Why a candidate was left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// The request has images, the model takes none.
    NoImageInput,
    /// The request has tools, the model calls none.
    NoTools,
    /// The request wants an answer by a schema.
    NoStructuredOutput,
    /// The request sets how long to think, the model does not think.
    NoReasoning,
    /// The request is larger than the model's window.
    ContextWindow {
        /// Tokens of the request.
        tokens: u64,
        /// Tokens that fit.
        window: u64,
    },
    /// A rule excludes it; index of the rule.
    ExcludedByRule(usize),
    /// A rule uses others; index of the rule.
    NotUsedByRule(usize),
    /// It cannot show what the policy, or a rule, requires; index of the rule.
    Unmet {
        /// The rule; none where the policy requires it.
        rule: Option<usize>,
        /// What it cannot show.
        what: Unmet,
    },
    /// Another model was asked for.
    NotRequested,
    /// Errors opened the circuit.
    CircuitOpen {
        /// Errors in a row.
        errors: u32,
        /// Until the next probe.
        wait: Duration,
    },
    /// The provider limits our rate.
    RateLimited {
        /// Until it may be asked again.
        wait: Duration,
    },
    /// The provider refuses our key.
    CredentialRejected {
        /// Until it is tried again.
        wait: Duration,
    },
    /// Its price is unknown and a budget counts money.
    PriceUnknown,
    /// A strict budget counts it and no bound of what the request costs is known: it draws on what is kept elsewhere, or
    /// asks for what is not billed by the listed prices.
    InputUnbounded,
    /// It costs more than the policy allows one call, or per token.
    TooDear,
    /// A budget has no room for it; index of the limit.
    NoRoom(usize),
    /// Its inputs to the decision were not numbers.
    NotComparable,
    /// Unlisted: served only when asked by name.
    Unlisted,
}

/// What a send to one target needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The most output tokens that the request will allow, of all answers together.
    pub output_bound: u64,
    /// The cap to write into the request, where it must be added or lowered.
    pub write_cap: Option<u64>,
    /// The most that it can use.
    pub bound: Need,
    /// What it will likely use.
    pub likely: Need,
}

/// An amount in each unit that limits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// Money.
    pub cost: Nano,
    /// Input plus output tokens.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
}

impl Need {
    /// The amount in one unit.
    pub fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Usd => self.cost.0,
            Unit::Tokens => self.tokens,
            Unit::Requests => self.requests,
        }
    }
}

impl Decision {
    /// A refusal without a candidate, to be filled in.
    pub(super) fn blank(v: &View<'_>) -> Self {
        Self {
            considered: Vec::new(),
            outcome: Outcome::Refused(Refusal::NoCandidate),
            propensity: 1.0,
            plan: SmallVec::new(),
            served: None,
            method: Method::Refused,
            lambda: v.lambda,
            attempts: v.policy.config.resilience.attempts,
            draws: v.draws,
            task: None,
            complexity: None,
            complexity_missing: false,
            tier: None,
            infeasible: false,
        }
    }

    /// The picked candidate.
    pub fn picked(&self) -> Option<&Considered> {
        match self.outcome {
            Outcome::Picked(i, _) => Some(&self.considered[i]),
            Outcome::Refused(_) => None,
        }
    }

    /// Position of the picked candidate, where there was a choice: one that was named or stands in by default is none.
    pub fn picked_at(&self) -> Option<usize> {
        match &self.outcome {
            Outcome::Picked(_, PickReason::Requested | PickReason::Default) | Outcome::Refused(_) => None,
            Outcome::Picked(
                i,
                PickReason::Picked | PickReason::Session | PickReason::Rule(_) | PickReason::Budget,
            ) => Some(*i),
        }
    }

    /// Who is asked first, and why: the pick, unless the policy only observes.
    pub fn first(&self) -> Option<(usize, &PickReason)> {
        match (&self.served, &self.outcome) {
            (Some((served, reason)), _) | (None, Outcome::Picked(served, reason)) => Some((*served, reason)),
            (None, Outcome::Refused(_)) => None,
        }
    }

    /// The scores were those of the call's session.
    pub fn of_session(mut self) -> Self {
        if let Outcome::Picked(i, PickReason::Picked) = self.outcome {
            self.outcome = Outcome::Picked(i, PickReason::Session);
        }
        self
    }

    /// Whether any candidate stands by for the pick.
    pub fn has_fallback(&self) -> bool {
        self.plan.len() > 1
    }
}
