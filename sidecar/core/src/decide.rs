//! Which candidate answers: filter, score, pick.
//!
//! [`admit`] drops the candidates that cannot or must not answer and settles what needs no score; [`decide`] takes the
//! scores, picks a model, then one of its providers, and orders the others as fallbacks. Both end in one [`Decision`], in which every candidate carries
//! the reason why it was not picked.

mod admit;
mod balance;
mod choose;
mod contenders;
mod decision;
mod filter;
mod lp;
mod observe;
mod pareto;
mod rules;
mod score;
mod scores;
mod tiers;
#[cfg(test)]
pub(crate) use tests::support as tests_support;
#[cfg(test)]
mod tests;

pub use admit::{Admit, admit};
pub use choose::decide;
pub use decision::{Considered, Decision, Method, Need, Outcome, PickReason, Reason, Refusal, Step, Verdict};
pub use filter::binds;
pub use observe::observe;
pub use scores::{CandidateScore, Scale, ScoreMethod, ScoreSource, Scores};
pub use tiers::{TierBy, TierChoice};

use crate::health::HealthRow;
use crate::lengths::Expected;
use crate::measured::Measured;
use crate::overrides::Overrides;
use crate::snapshot::{Asked, Policy, Snapshot};
use crate::time::Millis;

/// The output cap that is assumed and injected where neither caller, policy nor model has one and a budget must hold.
pub const DEFAULT_OUTPUT_CAP: u64 = 4096;

/// The world as one decision sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The immutable part.
    pub snapshot: &'a Snapshot,
    /// The policy that answers.
    pub policy: &'a Policy,
    /// What was asked for.
    pub asked: Asked,
    /// What the caller decides for this call.
    pub caller: Overrides,
    /// Health of each target of the snapshot, by index.
    pub health: &'a dyn Fn(usize) -> HealthRow,
    /// What an ordinary call of each target of the snapshot uses, by index.
    pub expected: &'a dyn Fn(usize) -> Expected,
    /// How each target of the snapshot has answered of late, by index. Asked only where it matters.
    pub measured: &'a dyn Fn(usize) -> Measured,
    /// How many calls were spread over the providers of a model before, by its first candidate's position.
    pub turn: &'a dyn Fn(usize) -> u64,
    /// What is left of each limit of the snapshot, by index, in its own unit; none where the limit refuses nothing.
    pub room: &'a dyn Fn(usize) -> Option<u64>,
    /// How long the conversation is, in tokens; beyond the highest threshold of a tier, any number above it. Asked only
    /// where a tier goes by it.
    pub length: &'a dyn Fn() -> u64,
    /// Calls that are being answered now, this one left out.
    pub in_flight: u64,
    /// The policy's shadow price in quality per USD.
    pub lambda: f64,
    /// The moment of the decision.
    pub now: Millis,
    /// Two draws from 0..1, of a model and of a provider: handed in and kept, so that the choice can be replayed.
    pub draws: [f64; 2],
}
