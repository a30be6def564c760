//! Admits a call: resolves what was asked for, applies the rules, drops who cannot answer.

use pointsman_config::money::Nano;
use pointsman_config::policy::{Action, Mode, Objective, Optimizer};
use smallvec::SmallVec;

use super::decision::{Considered, Decision, Method, Need, Outcome, PickReason, Reason, Refusal, Verdict};
use super::scores::ScoreSource;
use super::{View, filter};
use crate::facts::Facts;
use crate::snapshot::{Asked, CandMask, Candidate, Rule};
use crate::time::Millis;

/// What [`admit`] found.
#[derive(Debug)]
pub enum Admit {
    /// Nothing is left to choose: a rule, a name, one candidate, or a refusal.
    Decided(Decision),
    /// These candidates are to be scored.
    Score(Admitted),
}

/// A call that needs a choice.
#[derive(Debug)]
pub struct Admitted {
    pub(super) rows: SmallVec<[Considered; 4]>,
    pub(super) live: CandMask,
    pub(super) objective: Objective,
    pub(super) optimizer: Option<Optimizer>,
    pub(super) rule: Option<usize>,
}

impl Admitted {
    /// The candidates to be scored.
    pub fn live(&self) -> CandMask {
        self.live
    }
}

/// What the rules say about a call.
#[derive(Default)]
struct Ruling {
    rejected_by: Option<usize>,
    excluded: SmallVec<[(usize, CandMask); 2]>,
    objective: Option<Objective>,
    optimizer: Option<Optimizer>,
    used: Option<(usize, CandMask)>,
}

/// Drops the candidates that cannot or must not answer; decides at once where no choice is left.
///
/// A policy that observes chooses for every call, also for one that names a model; [`super::observe`] then says who serves.
pub fn admit(f: &Facts<'_>, v: &View<'_>) -> Admit {
    match v.policy.config.mode {
        Mode::Route => admit_as(f, v, true),
        Mode::Observe => admit_as(f, &View { asked: Asked::Virtual, ..*v }, true),
        Mode::Disabled => admit_as(f, v, false),
    }
}

/// Admits a call whose model is to be chosen, or is what the application itself asked for.
pub(super) fn admit_as(f: &Facts<'_>, v: &View<'_>, choosing: bool) -> Admit {
    let ruling = rule_on(f, v, choosing);
    let mut rows = consider(f, v);
    if let Some(rule) = ruling.rejected_by {
        return Admit::Decided(refused(v, rows, Refusal::Rule { rule }));
    }
    restrict(v, &mut rows, &ruling);
    leave_out(v, &mut rows, |row, candidate| {
        filter::unbounded(f, v, candidate)
            .or_else(|| filter::unpriced(v, candidate))
            .or_else(|| filter::unavailable(v, row.target))
    });
    let least = least(&rows);
    leave_out(v, &mut rows, |row, candidate| {
        filter::no_room(v, candidate, &row.step, filter::Ask::BeforePick { least }).map(Reason::NoRoom)
    });
    let live = live(&rows);
    if live.is_empty() {
        let refusal = why_none(v, &rows);
        return Admit::Decided(refused(v, rows, refusal));
    }
    settle_without_choice(v, rows, live, ruling, choosing)
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
fn settle_without_choice(
    v: &View<'_>,
    rows: SmallVec<[Considered; 4]>,
    live: CandMask,
    ruling: Ruling,
    choosing: bool,
) -> Admit {
    let rule = ruling.used.as_ref().map(|(rule, _)| *rule);
    let reason = match v.asked {
        Asked::Named(_) => Some(PickReason::Requested),
        Asked::Virtual if !choosing => Some(PickReason::Default),
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
            rule,
        }),
    }
}

/// The default, or its model at another provider.
fn standing_in(v: &View<'_>, live: CandMask, default: usize) -> Option<usize> {
    let model = &v.snapshot.targets[v.policy.candidates[default].target].key.model;
    let same = v.policy.candidates_of(v.snapshot, model);
    if live.has(default) { Some(default) } else { live.iter().find(|i| same.has(*i)) }
}

/// Every candidate with what a send there would need; nobody is dropped but the unfit.
fn consider(f: &Facts<'_>, v: &View<'_>) -> SmallVec<[Considered; 4]> {
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
                score: f64::NEG_INFINITY,
                step,
                verdict: filter::unfit(f, model).map_or(Verdict::Undecided, Verdict::LeftOut),
            }
        })
        .collect()
}

/// Leaves out what was not asked for and what the rules exclude.
fn restrict(v: &View<'_>, rows: &mut [Considered], ruling: &Ruling) {
    for (i, row) in rows.iter_mut().enumerate() {
        let asked_for = match v.asked {
            Asked::Named(named) => (!named.has(i)).then_some(Reason::NotRequested),
            Asked::Virtual if !v.policy.candidates[i].listed => Some(Reason::Unlisted),
            Asked::Virtual => v.caller.candidates.filter(|mask| !mask.has(i)).map(|_| Reason::NotRequested),
        };
        let excluded =
            ruling.excluded.iter().find(|(_, mask)| mask.has(i)).map(|(r, _)| Reason::ExcludedByRule(*r));
        let not_used =
            ruling.used.as_ref().filter(|(_, mask)| !mask.has(i)).map(|(r, _)| Reason::NotUsedByRule(*r));
        if let Some(reason) = asked_for.or(excluded).or(not_used) {
            row.verdict = Verdict::LeftOut(reason);
        }
    }
}

/// Applies the rules in order: Reject first, then Exclude and OverrideStrategy add up, the others end the search.
///
/// A call that names a model is not chosen for: only Reject and Exclude apply to it.
fn rule_on(f: &Facts<'_>, v: &View<'_>, choosing: bool) -> Ruling {
    let mut ruling = Ruling::default();
    if v.policy.rules.is_empty() {
        return ruling;
    }
    let fitting: SmallVec<[usize; 8]> =
        (0..v.policy.rules.len()).filter(|i| fits(f, &v.policy.rules[*i])).collect();
    let rejects = |i: &&usize| matches!(v.policy.rules[**i].action, Action::Reject { .. });
    ruling.rejected_by = fitting.iter().find(rejects).copied();
    let choosing = v.asked == Asked::Virtual && choosing;
    for i in fitting {
        match &v.policy.rules[i].action {
            Action::Reject { .. } => {}
            Action::Exclude { models } => {
                let mask = models.iter().fold(CandMask::default(), |mask, model| {
                    CandMask(mask.0 | v.policy.candidates_of(v.snapshot, model).0)
                });
                ruling.excluded.push((i, mask));
            }
            Action::OverrideStrategy { objective, optimizer } if choosing => {
                ruling.objective = ruling.objective.or(*objective);
                ruling.optimizer = ruling.optimizer.or(*optimizer);
            }
            Action::UseModel { model } if choosing => {
                ruling.used = Some((i, v.policy.candidates_of(v.snapshot, model)));
                break;
            }
            Action::UseProvider { provider } if choosing => {
                ruling.used = Some((i, candidates_at(v, provider)));
                break;
            }
            Action::OverrideStrategy { .. } | Action::UseModel { .. } | Action::UseProvider { .. } => {}
        }
    }
    ruling
}

fn candidates_at(v: &View<'_>, provider: &pointsman_config::entry::Name) -> CandMask {
    let there = |i: &usize| v.snapshot.targets[v.policy.candidates[*i].target].key.provider == *provider;
    (0..v.policy.candidates.len()).filter(there).fold(CandMask::default(), CandMask::with)
}

fn fits(f: &Facts<'_>, rule: &Rule) -> bool {
    rule.matches.is_empty()
        || rule.matches.iter().any(|(m, pattern)| {
            let tokens = m.input_tokens.unwrap_or_default();
            m.model.as_ref().is_none_or(|model| model == f.model)
                && tokens.min.is_none_or(|min| f.input_tokens >= min)
                && tokens.max.is_none_or(|max| f.input_tokens <= max)
                && pattern.as_ref().is_none_or(|p| p.regex.is_match(&f.text.text(p.text.over)))
        })
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

pub(super) fn refused(v: &View<'_>, considered: SmallVec<[Considered; 4]>, refusal: Refusal) -> Decision {
    Decision {
        considered,
        outcome: Outcome::Refused(refusal),
        propensity: 1.0,
        plan: SmallVec::new(),
        served: None,
        method: Method::Refused,
        lambda: v.lambda,
        attempts: v.policy.config.resilience.attempts,
        draws: v.draws,
        task: None,
        complexity: None,
    }
}
