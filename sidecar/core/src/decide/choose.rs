//! Chooses among the live candidates and orders the rest as fallbacks.

use pointsman_config::money::Nano;
use pointsman_config::policy::{OnInfeasible, Optimizer};
use smallvec::SmallVec;

use super::admit::{Admitted, cheapest, live, refused};
use super::decision::{Considered, Decision, Method, Outcome, PickReason, Reason, Refusal, Verdict};
use super::score::{score, score_weighted};
use super::scores::{ScoreMethod, Scores};
use super::{View, filter};
use crate::snapshot::{CandMask, default_optimizer};

/// Scores the admitted candidates, picks one and orders the others.
///
/// Ties go to the cheaper, then to the earlier candidate, so that the same view always gives the same decision. A
/// quality that is not a finite number in 0..=1 is replaced by the model's prior.
pub fn decide(v: &View<'_>, admitted: Admitted, scores: &Scores<'_>) -> Decision {
    let Admitted { mut rows, live: _, objective, optimizer, rule } = admitted;
    take_scores(&mut rows, scores);
    let all_live = live(&rows);
    let optimizer = optimizer.unwrap_or_else(|| default_optimizer(&v.policy.config, objective));
    let weights = v.policy.weights(objective);
    let bounded = within_bounds(v, &rows, all_live);
    if bounded.is_empty() {
        return infeasible(v, rows, all_live, rule, scores.method);
    }
    let solve = |rows: &mut [Considered], among: CandMask| match optimizer {
        Optimizer::Strict if !has_cost_bound(v) => score_weighted(rows, among, weights),
        optimizer => score(rows, among, optimizer, weights, v.lambda),
    };
    solve(&mut rows, bounded);
    let order = ranked(&rows, bounded);
    let reason = match rule {
        Some(rule) => PickReason::Rule(rule),
        None if money_decided(v, &rows, &order, solve) => PickReason::Budget,
        None => PickReason::Picked,
    };
    let decision = conclude(v, rows, order, reason, Method::Scored(optimizer, scores.method));
    Decision { task: scores.task.cloned(), complexity: scores.complexity(), ..decision }
}

/// The decision where nothing is compared: `first` answers, the others of `live` stand by in order of cost.
pub(super) fn direct(
    v: &View<'_>,
    mut rows: SmallVec<[Considered; 4]>,
    live: CandMask,
    first: usize,
    reason: PickReason,
) -> Decision {
    score(&mut rows, live, Optimizer::Cheapest, [0.0; 3], 0.0);
    let mut order = ranked(&rows, live);
    order.retain(|i| *i != first);
    order.insert(0, first);
    conclude(v, rows, order, reason, Method::Direct)
}

fn take_scores(rows: &mut [Considered], scores: &Scores<'_>) {
    for (i, row) in rows.iter_mut().enumerate() {
        if let Some((quality, source)) = scores.quality(i) {
            row.quality = quality;
            row.source = source;
        }
    }
}

fn has_cost_bound(v: &View<'_>) -> bool {
    max_cost(v).is_some() || v.policy.config.strategy.max_price.is_some()
}

/// The most that the call may be expected to cost: the policy's bound, or the caller's where that is lower.
fn max_cost(v: &View<'_>) -> Option<Nano> {
    let policy = v.policy.config.strategy.max_cost_per_call;
    policy.into_iter().chain(v.caller.max_cost).min()
}

/// Leaves out what costs more than the policy allows. Cheapest and Fastest obey the bounds too.
fn within_bounds(v: &View<'_>, rows: &[Considered], live: CandMask) -> CandMask {
    let strategy = &v.policy.config.strategy;
    let fits = |row: &Considered| {
        let prices = v.snapshot.targets[row.target].model.prices;
        max_cost(v).is_none_or(|most| row.expected_cost.is_some_and(|cost| cost <= most))
            && strategy.max_price.is_none_or(|most| prices.is_some_and(|p| p.blended() <= most))
    };
    live.iter().fold(CandMask::default(), |mask, i| if fits(&rows[i]) { mask.with(i) } else { mask })
}

fn infeasible(
    v: &View<'_>,
    mut rows: SmallVec<[Considered; 4]>,
    live: CandMask,
    rule: Option<usize>,
    method: ScoreMethod,
) -> Decision {
    match (v.policy.config.strategy.on_infeasible, cheapest(&rows, live)) {
        (OnInfeasible::Cheapest, Some(first)) => {
            let reason = rule.map_or(PickReason::Picked, PickReason::Rule);
            let decision = direct(v, rows, live, first, reason);
            Decision { method: Method::Scored(Optimizer::Cheapest, method), ..decision }
        }
        _ => {
            live.iter().for_each(|i| rows[i].verdict = Verdict::LeftOut(Reason::TooDear));
            refused(v, rows, Refusal::NoCandidate)
        }
    }
}

/// Best first; what is not a number is never chosen.
fn ranked(rows: &[Considered], live: CandMask) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = live.iter().filter(|i| rows[*i].score.is_finite()).collect();
    order.sort_by(|a, b| {
        let cost = |i: &usize| rows[*i].expected_cost.map_or(u64::MAX, |c| c.0);
        rows[*b].score.total_cmp(&rows[*a].score).then_with(|| cost(a).cmp(&cost(b))).then_with(|| a.cmp(b))
    });
    order
}

/// Whether a candidate that only a budget keeps out would have beaten the pick.
fn money_decided(
    v: &View<'_>,
    rows: &[Considered],
    order: &[usize],
    solve: impl Fn(&mut [Considered], CandMask),
) -> bool {
    let by_budget = |row: &Considered| matches!(row.verdict, Verdict::LeftOut(Reason::NoRoom(_)));
    if !rows.iter().any(by_budget) {
        return false;
    }
    let mut all: SmallVec<[Considered; 4]> = rows.iter().cloned().collect();
    let wider = (0..all.len())
        .filter(|i| by_budget(&all[*i]) || all[*i].verdict == Verdict::Undecided)
        .fold(CandMask::default(), CandMask::with);
    let wider = within_bounds(v, rows, wider);
    solve(&mut all, wider);
    ranked(&all, wider).first() != order.first()
}

/// Writes the verdicts, checks that the pick fits its budgets.
fn conclude(
    v: &View<'_>,
    mut rows: SmallVec<[Considered; 4]>,
    order: SmallVec<[usize; 4]>,
    reason: PickReason,
    method: Method,
) -> Decision {
    let Some(&pick) = order.first() else {
        live(&rows).iter().for_each(|i| rows[i].verdict = Verdict::LeftOut(Reason::NotComparable));
        return refused(v, rows, Refusal::NoCandidate);
    };
    let candidate = &v.policy.candidates[pick];
    if let Some(limit) = filter::no_room(v, candidate, &rows[pick].step, filter::Ask::OfPick) {
        rows[pick].verdict = Verdict::LeftOut(Reason::NoRoom(limit));
        return refused(v, rows, Refusal::Budget { limit });
    }
    for (rank, i) in order.iter().enumerate() {
        rows[*i].verdict = if rank == 0 { Verdict::Picked } else { Verdict::StandsBy(rank) };
    }
    for row in &mut rows {
        if row.verdict == Verdict::Undecided {
            row.verdict = Verdict::LeftOut(Reason::TooDear);
        }
    }
    Decision {
        considered: rows,
        outcome: Outcome::Picked(pick, reason),
        propensity: 1.0,
        plan: order,
        served: None,
        method,
        lambda: v.lambda,
        attempts: v.policy.config.resilience.attempts,
        draws: v.draws,
        task: None,
        complexity: None,
    }
}
