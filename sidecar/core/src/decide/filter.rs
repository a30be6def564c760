//! Drops candidates: what the request needs, what the rules say, who is healthy, what budgets have room for.

use pointsman_config::amount::Unit;
use pointsman_config::budget::{Enforcement, OnExhausted, Rights};
use pointsman_config::provider::ModelConfig;

use super::decision::{Need, Reason, Step};
use super::{DEFAULT_OUTPUT_CAP, View};
use crate::facts::Facts;
use crate::health::HealthRow;
use crate::lengths::Expected;
use crate::snapshot::{Candidate, Limit, Snapshot};

/// Why the model can never take this request.
pub(super) fn unfit(f: &Facts<'_>, model: &ModelConfig) -> Option<Reason> {
    let can = &model.capabilities;
    if f.needs.vision && !can.vision {
        return Some(Reason::NoImageInput);
    }
    if f.needs.tools && !can.tools {
        return Some(Reason::NoTools);
    }
    if f.needs.structured_output && !can.structured_output {
        return Some(Reason::NoStructuredOutput);
    }
    if f.needs.reasoning && !can.reasoning {
        return Some(Reason::NoReasoning);
    }
    let window = model.context_window?;
    // The cap is lowered to what the model gives; one that is merely generous must not keep half a window empty.
    let output = f.max_output_tokens.unwrap_or(0).min(model.max_output_tokens.unwrap_or(u64::MAX));
    let tokens = f.input_tokens.saturating_add(output.min(window / 2));
    (tokens > window).then_some(Reason::ContextWindow { tokens, window })
}

/// Why the target cannot be used now.
pub(super) fn unavailable(v: &View<'_>, target: usize) -> Option<Reason> {
    match (v.health)(target) {
        HealthRow::Healthy => None,
        HealthRow::CircuitOpen { errors, until } => {
            Some(Reason::CircuitOpen { errors, wait: until.until(v.now) })
        }
        HealthRow::RateLimited { until } => Some(Reason::RateLimited { wait: until.until(v.now) }),
        HealthRow::CredentialRejected { until } => {
            Some(Reason::CredentialRejected { wait: until.until(v.now) })
        }
    }
}

/// The first limit that does not let this candidate pass.
///
/// A budget that only notifies, or that hands out no rights yet, lets everything pass. Under `Reject` the candidate
/// stays in, so that it may be picked and then refused. Under `Degrade` a dear candidate must
/// leave room for the cheapest one to answer every call in flight, so that few do not hold what many could use.
pub(super) fn no_room(v: &View<'_>, candidate: &Candidate, step: &Step, ask: Ask) -> Option<usize> {
    candidate.limits.iter().find_map(|&i| {
        let limit = &v.snapshot.limits[i];
        let budget = &v.snapshot.budgets[limit.budget].config;
        let binding = binds(v.snapshot, limit);
        let unit = limit.config.amount.unit;
        let (in_question, kept) = match ask {
            Ask::BeforePick { least } => {
                let is_dear = step.bound.of(unit) > least.of(unit);
                let kept = if is_dear { least.of(unit).saturating_mul(v.in_flight) } else { 0 };
                (budget.on_exhausted == OnExhausted::Degrade, kept)
            }
            Ask::OfPick => (true, 0),
        };
        if !binding || !in_question {
            return None;
        }
        let need = match budget.enforcement {
            Enforcement::Hybrid => step.likely,
            Enforcement::Strict | Enforcement::Soft => step.bound,
        };
        let room = (v.room)(i)?;
        (need.of(unit).saturating_add(kept) > room).then_some(i)
    })
}

/// When the room of budgets is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// To drop candidates that do not fit, where the budget degrades.
    BeforePick {
        /// The worst case of the cheapest candidate there is, unit by unit.
        least: Need,
    },
    /// To see whether the pick fits.
    OfPick,
}

/// Whether a limit can refuse anything.
pub fn binds(snapshot: &Snapshot, limit: &Limit) -> bool {
    let budget = &snapshot.budgets[limit.budget].config;
    budget.rights == Rights::Local
        && budget.enforcement != Enforcement::Soft
        && budget.on_exhausted != OnExhausted::Notify
}

/// Why no budget that counts money can take this candidate at all, full or not: nobody knows what it would cost.
pub(super) fn unpriced(v: &View<'_>, candidate: &Candidate) -> Option<Reason> {
    let counts_money = |limit: &usize| {
        let limit = &v.snapshot.limits[*limit];
        limit.config.amount.unit == Unit::Usd && binds(v.snapshot, limit)
    };
    let unknown = v.snapshot.targets[candidate.target].model.prices.is_none();
    (unknown && candidate.limits.iter().any(counts_money)).then_some(Reason::PriceUnknown)
}

/// Why a strict budget cannot take a request whose tokens nobody can bound beforehand.
pub(super) fn unbounded(f: &Facts<'_>, v: &View<'_>, candidate: &Candidate) -> Option<Reason> {
    let strict = |limit: &usize| {
        let limit = &v.snapshot.limits[*limit];
        let enforcement = v.snapshot.budgets[limit.budget].config.enforcement;
        limit.config.amount.unit != Unit::Requests
            && enforcement == Enforcement::Strict
            && binds(v.snapshot, limit)
    };
    (!f.input_is_bounded && candidate.limits.iter().any(strict)).then_some(Reason::InputUnbounded)
}

/// What it takes to send the request to a model.
///
/// The output bound is the lowest of the caller's cap (or the policy's, where the caller gives none) and what the model
/// can give at all. Where a limit binds, that bound is written into the request, so that the provider keeps it too.
pub(super) fn step(f: &Facts<'_>, v: &View<'_>, candidate: &Candidate, expected: &Expected) -> Step {
    let model = &v.snapshot.targets[candidate.target].model;
    let binding = candidate.limits.iter().any(|&i| binds(v.snapshot, &v.snapshot.limits[i]));
    let policy_cap = v.policy.config.strategy.max_output_tokens;
    let wanted = f.max_output_tokens.or(policy_cap);
    let possible = model.max_output_tokens.unwrap_or(DEFAULT_OUTPUT_CAP.max(wanted.unwrap_or(0)));
    let cap = wanted.unwrap_or(possible).min(possible);
    let must_write = match f.max_output_tokens {
        Some(asked) => asked > cap,
        None => binding || policy_cap.is_some(),
    };
    let answers = u64::from(f.answers.max(1));
    let output_bound = cap.saturating_mul(answers);
    let output_likely = expected.output_within(cap) * answers as f64;
    Step {
        output_bound,
        write_cap: must_write.then_some(cap),
        bound: need(model, f.input_tokens_bound, output_bound),
        likely: likely(model, f.input_tokens, output_likely, need(model, f.input_tokens_bound, output_bound)),
    }
}

fn need(model: &ModelConfig, input: u64, output: u64) -> Need {
    let cost = model.prices.map(|p| p.bound(input, output)).unwrap_or_default();
    Need { cost, tokens: input.saturating_add(output), requests: 1 }
}

/// A tenth more than expected, never more than the bound.
pub(super) fn likely(model: &ModelConfig, input: u64, output: f64, bound: Need) -> Need {
    let padded = |tokens: f64| (tokens * 1.1).ceil() as u64;
    let expected = need(model, padded(input as f64), padded(output));
    Need {
        cost: expected.cost.min(bound.cost),
        tokens: expected.tokens.min(bound.tokens),
        requests: bound.requests,
    }
}
