//! Admits a call: resolves what was asked for, applies the rules, drops who cannot answer.

use pointsman_config::money::Nano;
use pointsman_config::policy::{Mode, Objective, Optimizer};

use super::decision::{Considered, Decision, Need, Outcome, PickReason, Reason, Refusal, Verdict};
use super::rules::{self, Fitting, Ruling};
use super::scores::ScoreSource;
use super::{View, filter};
use crate::facts::Facts;
use crate::snapshot::{Asked, CandMask, Candidate};
use crate::time::Millis;

/// What [`admit`] found.
#[derive(Debug)]
pub enum Admit {
    /// Nothing is left to choose: a rule, a name, one candidate, or a refusal.
    Decided(Decision),
    /// These candidates are to be scored.
    Score(Admitted),
}

/// The candidates of one call. On the heap: they go through every step, and are large.
pub(super) type Rows = Vec<Considered>;

/// A call that needs a choice.
#[derive(Debug)]
pub struct Admitted {
    pub(super) rows: Rows,
    pub(super) live: CandMask,
    pub(super) objective: Objective,
    pub(super) optimizer: Option<Optimizer>,
    pub(super) rule: Option<usize>,
    /// Rules that cannot be applied before the complexity of the text is known.
    pub(super) waiting: Option<Fitting>,
    pub(super) complexity_missing: bool,
    pub(super) call: Admission,
}

/// What stays the same of a call from its admission to its choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    pub(super) asked: Asked,
    /// Whether a model is to be chosen, or the application's own choice is looked for.
    pub(super) choosing: bool,
    pub(super) input_tokens: u64,
    /// How many answers the call asks for.
    pub(super) answers: u32,
}

/// What is known of a text's complexity.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    /// It was not scored yet.
    NotYet,
    /// It was scored; none where no scorer said it.
    Scored(Option<f64>),
}

impl Admitted {
    /// The candidates to be scored.
    pub fn live(&self) -> CandMask {
        self.live
    }

    /// Whether rules or tiers of the policy ask how complex the text is.
    pub fn wants_complexity(&self, v: &View<'_>) -> bool {
        self.waiting.is_some() || v.policy.config.tiers.iter().any(|tier| tier.min_complexity.is_some())
    }
}

/// Drops the candidates that cannot or must not answer; decides at once where no choice is left.
///
/// A policy that observes chooses for every call, also for one that names a model; [`super::observe`] then says who serves.
pub fn admit(f: &Facts<'_>, v: &View<'_>) -> Admit {
    match v.policy.config.mode {
        Mode::Route => admit_as(f, v, true, Known::NotYet),
        Mode::Observe => admit_as(f, &View { asked: Asked::Virtual, ..*v }, true, Known::NotYet),
        Mode::Disabled => admit_as(f, v, false, Known::NotYet),
    }
}

/// Admits a call whose model is to be chosen, or is what the application itself asked for.
pub(super) fn admit_as(f: &Facts<'_>, v: &View<'_>, choosing: bool, complexity: Known) -> Admit {
    let call =
        Admission { asked: v.asked, choosing, input_tokens: f.input_tokens, answers: f.answers.max(1) };
    let rows = consider(f, v);
    if v.policy.rules.is_empty() {
        return narrow(v, rows, Ruling::default(), call);
    }
    let fitting = rules::fitting(f, v, choosing);
    match complexity {
        Known::Scored(complexity) => narrow(v, rows, fitting.rule(v, complexity), call),
        Known::NotYet if !fitting.waits_for_complexity(v) => narrow(v, rows, fitting.rule(v, None), call),
        Known::NotYet => Admit::Score(waiting(v, rows, fitting, call)),
    }
}

/// A call whose rules ask how complex the text is: everything waits for the score.
fn waiting(v: &View<'_>, rows: Rows, fitting: Fitting, call: Admission) -> Admitted {
    let live = (0..rows.len())
        .filter(|i| rows[*i].verdict == Verdict::Undecided && not_asked_for(v, *i).is_none())
        .fold(CandMask::default(), CandMask::with);
    Admitted {
        rows,
        live,
        objective: v.policy.config.objective,
        optimizer: None,
        rule: None,
        waiting: Some(fitting),
        complexity_missing: false,
        call,
    }
}

/// Applies what the rules say, and drops who cannot answer now.
pub(super) fn narrow(v: &View<'_>, mut rows: Rows, ruling: Ruling, call: Admission) -> Admit {
    if let Some(rule) = ruling.rejected_by {
        return Admit::Decided(refused(v, rows, Refusal::Rule { rule }));
    }
    restrict(v, &mut rows, &ruling);
    leave_out(v, &mut rows, |row, candidate| {
        filter::unpriced(v, candidate).or_else(|| filter::unavailable(v, row.target))
    });
    let least = least(&rows);
    leave_out(v, &mut rows, |row, candidate| {
        filter::no_room(v, candidate, &row.step, filter::Ask::BeforePick { least }).map(Reason::NoRoom)
    });
    let live = live(&rows);
    if live.is_empty() {
        let refusal = why_none(v, &rows);
        let complexity_missing = ruling.complexity_missing;
        return Admit::Decided(Decision { complexity_missing, ..refused(v, rows, refusal) });
    }
    settle_without_choice(v, rows, live, ruling, call)
}

/// Leaves out every candidate that is still in and for which there is a reason.
fn leave_out(
    v: &View<'_>,
    rows: &mut [Considered],
    reason: impl Fn(&Considered, &Candidate) -> Option<Reason>,
) {
    for (row, candidate) in rows.iter_mut().zip(&v.policy.candidates) {
        if row.verdict == Verdict::Undecided
            && let Some(reason) = reason(row, candidate)
        {
            row.verdict = Verdict::LeftOut(reason);
        }
    }
}

/// The least worst case among the candidates that are still in, unit by unit.
fn least(rows: &[Considered]) -> Need {
    let most = Need { cost: Nano::MAX, tokens: u64::MAX, requests: u64::MAX };
    rows.iter().filter(|row| row.verdict == Verdict::Undecided).fold(most, |least, row| Need {
        cost: least.cost.min(row.step.bound.cost),
        tokens: least.tokens.min(row.step.bound.tokens),
        requests: least.requests.min(row.step.bound.requests),
    })
}

/// A disabled policy and a named model need no choice.
fn settle_without_choice(v: &View<'_>, rows: Rows, live: CandMask, ruling: Ruling, call: Admission) -> Admit {
    let reason = match v.asked {
        Asked::Named(_) => Some(PickReason::Requested),
        Asked::Virtual if !call.choosing => Some(PickReason::Default),
        Asked::Virtual => None,
    };
    let first = match (&reason, v.policy.default) {
        (Some(PickReason::Default), Some(default)) => {
            standing_in(v, live, default).or_else(|| cheapest(&rows, live))
        }
        (Some(_), _) => cheapest(&rows, live),
        (None, _) => None,
    };
    match (reason, first) {
        (Some(reason), Some(first)) => Admit::Decided(super::choose::direct(v, rows, live, first, reason)),
        _ => Admit::Score(Admitted {
            rows,
            live,
            // The platform's exceptions stand above the caller's wishes.
            objective: ruling.objective.or(v.caller.objective).unwrap_or(v.policy.config.objective),
            optimizer: ruling.optimizer,
            rule: ruling.used,
            waiting: None,
            complexity_missing: ruling.complexity_missing,
            call,
        }),
    }
}

/// The default, or its model at another provider.
fn standing_in(v: &View<'_>, live: CandMask, default: usize) -> Option<usize> {
    let lead = v.policy.candidates[default].lead;
    if live.has(default) { Some(default) } else { live.iter().find(|i| v.policy.candidates[*i].lead == lead) }
}

/// Every candidate with what a send there would need; nobody is dropped but the unfit.
fn consider(f: &Facts<'_>, v: &View<'_>) -> Rows {
    v.policy
        .candidates
        .iter()
        .map(|candidate| {
            let model = &v.snapshot.targets[candidate.target].model;
            let expected = (v.expected)(candidate.target);
            let step = filter::step(f, v, candidate, &expected);
            let answers = f64::from(f.answers.max(1));
            let output = expected.output_within(step.output_bound / u64::from(f.answers.max(1)));
            let expected_cost =
                model.prices.map(|prices| expected.cost(&prices, f.input_tokens, output * answers));
            Considered {
                target: candidate.target,
                quality: model.prior.quality,
                source: ScoreSource::Prior,
                expected_cost,
                expected_ms: expected.answer_ms(output),
                usual_output: output,
                length: 1.0,
                score: f64::NEG_INFINITY,
                step,
                dominated: false,
                verdict: filter::unfit(f, model)
                    .or_else(|| filter::unbounded(f, v, candidate))
                    .map_or(Verdict::Undecided, Verdict::LeftOut),
            }
        })
        .collect()
}

/// Leaves out what was not asked for, what the policy does not permit and what the rules leave out.
fn restrict(v: &View<'_>, rows: &mut [Considered], ruling: &Ruling) {
    for (i, row) in rows.iter_mut().enumerate() {
        let reason = not_asked_for(v, i)
            .or_else(|| v.policy.candidates[i].unmet.clone().map(|what| Reason::Unmet { rule: None, what }))
            .or_else(|| ruling.narrowing.iter().find_map(|rule| narrowed_by(v, *rule, i)))
            .or_else(|| {
                ruling.used.filter(|rule| !v.policy.rules[*rule].named.has(i)).map(Reason::NotUsedByRule)
            });
        if let Some(reason) = reason {
            row.verdict = Verdict::LeftOut(reason);
        }
    }
}

fn not_asked_for(v: &View<'_>, i: usize) -> Option<Reason> {
    match v.asked {
        Asked::Named(named) => (!named.has(i)).then_some(Reason::NotRequested),
        Asked::Virtual if !v.policy.candidates[i].listed => Some(Reason::Unlisted),
        Asked::Virtual => v.caller.candidates.filter(|mask| !mask.has(i)).map(|_| Reason::NotRequested),
    }
}

/// Why a rule that excludes or requires leaves a candidate out.
fn narrowed_by(v: &View<'_>, at: usize, i: usize) -> Option<Reason> {
    let rule = &v.policy.rules[at];
    match rule.unmet.get(i) {
        Some(unmet) => unmet.clone().map(|what| Reason::Unmet { rule: Some(at), what }),
        None => rule.named.has(i).then_some(Reason::ExcludedByRule(at)),
    }
}

/// The refusal that fits the reasons: never possible, not now, or no money.
fn why_none(v: &View<'_>, rows: &[Considered]) -> Refusal {
    let mut retry_at: Option<Millis> = None;
    let (mut unavailable, mut limit) = (false, None);
    for row in rows {
        let Verdict::LeftOut(reason) = &row.verdict else { continue };
        match reason {
            Reason::CircuitOpen { wait, .. }
            | Reason::RateLimited { wait }
            | Reason::CredentialRejected { wait } => {
                let at = v.now.after(*wait);
                unavailable = true;
                retry_at = Some(retry_at.map_or(at, |earlier| earlier.min(at)));
            }
            Reason::NoRoom(i) => limit = limit.or(Some(*i)),
            _ => {}
        }
    }
    match limit {
        _ if unavailable => Refusal::NotAvailable { retry_at },
        Some(limit) => Refusal::Budget { limit },
        None => Refusal::NoCandidate,
    }
}

pub(super) fn live(rows: &[Considered]) -> CandMask {
    let stands = |i: &usize| rows[*i].verdict == Verdict::Undecided;
    (0..rows.len()).filter(stands).fold(CandMask::default(), CandMask::with)
}

/// The cheapest, then the first.
pub(super) fn cheapest(rows: &[Considered], live: CandMask) -> Option<usize> {
    live.iter().min_by_key(|i| rows[*i].expected_cost.map_or(u64::MAX, |c| c.0))
}

pub(super) fn refused(v: &View<'_>, considered: Rows, refusal: Refusal) -> Decision {
    Decision { considered, outcome: Outcome::Refused(refusal), ..Decision::blank(v) }
}
