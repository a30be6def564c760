//! Chooses among the live candidates, first the model, then its provider, and orders the rest as fallbacks.

use pointsman_config::policy::{OnInfeasible, Optimizer, ScorerKind};
use smallvec::SmallVec;

use super::admit::{Admission, Admit, Admitted, Rows, cheapest, live, narrow, refused};
use super::contenders::{Bounds, Contenders, contenders, team};
use super::decision::{Considered, Decision, Method, Outcome, PickReason, Reason, Refusal, Verdict};
use super::score::{Aim, Ranking};
use super::scores::{ScoreMethod, Scores};
use super::tiers::{self, TierChoice};
use super::{View, filter};
use crate::snapshot::CandMask;

/// The candidates in the order in which they are to be tried.
struct Plan {
    order: SmallVec<[usize; 4]>,
    propensity: f64,
}

/// Scores the admitted candidates, picks one and orders the others.
///
/// The same view and scores always give the same decision. A quality that is no probability is replaced by the model's
/// prior; a candidate whose figures are no numbers is left out.
pub fn decide(v: &View<'_>, admitted: Admitted, scores: &Scores<'_>) -> Decision {
    let complexity = scores.complexity();
    // A policy that observes chooses as if a virtual model had been asked for.
    let v = &View { asked: admitted.call.asked, ..*v };
    let mut decision = match admitted.waiting {
        None => choose(v, admitted, scores),
        Some(fitting) => match narrow(v, admitted.rows, fitting.rule(v, complexity), admitted.call) {
            Admit::Decided(decision) => decision,
            Admit::Score(admitted) => choose(v, admitted, scores),
        },
    };
    decision.task = scores.task.cloned();
    decision.complexity = complexity;
    decision
}

fn choose(v: &View<'_>, admitted: Admitted, scores: &Scores<'_>) -> Decision {
    let Admitted { mut rows, live, objective, optimizer, rule, complexity_missing, call, waiting: _ } =
        admitted;
    take_scores(v, &mut rows, scores, &call);
    let aim = aim(v, objective, optimizer);
    let ladder = match rule {
        None if !scores.method.compares_models() && v.policy.config.scorer.kind != ScorerKind::Prior => {
            tiers::ladder(&v.policy.config.tiers, scores.complexity(), v.length)
        }
        _ => None,
    };
    let method = match (&ladder, scores.method) {
        (Some((tiers::TierBy::Tokens, _)), ScoreMethod::Prior) => ScoreMethod::TokenLength,
        (_, method) => method,
    };
    let asks_for_complexity = v.policy.config.tiers.iter().any(|tier| tier.min_complexity.is_some());
    let complexity_missing =
        complexity_missing || (ladder.is_some() && asks_for_complexity && scores.complexity().is_none());
    let mut tier = None;
    let mut among = live;
    if let Some((by, steps)) = &ladder {
        let first = steps.iter().find(|tier| !(tiers::members(v.policy, **tier) & live).is_empty());
        if let Some(&first) = first {
            among = tiers::members(v.policy, first) & live;
            tier = Some(TierChoice { tier: first, by: *by });
        }
    }
    let Some(mut plan) = solve(v, scores, &aim, &mut rows, among) else {
        let decision = infeasible(v, rows, live, rule, method);
        return Decision { complexity_missing, tier, ..decision };
    };
    // Other tiers stand by: an answer from another one is better than none.
    if among != live {
        let rest = solve(v, scores, &aim, &mut rows, live & !among);
        plan.order.extend(rest.into_iter().flat_map(|rest| rest.order));
    }
    let reason = match rule {
        Some(rule) => PickReason::Rule(rule),
        None if money_decided(v, scores, &aim, &rows, &plan) => PickReason::Budget,
        None => PickReason::Picked,
    };
    let mut decision = conclude(v, rows, plan, reason, Method::Scored(aim.optimizer, method));
    decision.complexity_missing = complexity_missing;
    decision.tier = tier;
    decision
}

fn aim(v: &View<'_>, objective: pointsman_config::policy::Objective, optimizer: Option<Optimizer>) -> Aim {
    let strategy = &v.policy.config.strategy;
    Aim {
        objective,
        optimizer: optimizer.unwrap_or_else(|| v.policy.optimizer_for(objective)),
        weights: v.policy.weights(objective),
        lambda: v.lambda,
        // The policy's bound, or the caller's where that is lower.
        bounds: Bounds {
            cost: strategy.max_cost_per_call.into_iter().chain(v.caller.max_cost).min(),
            price: strategy.max_price,
        },
        sampling: strategy.sampling,
    }
}

/// The best order of the candidates of `among`; none where the bounds leave nobody, and an empty one where no figure is a
/// number.
fn solve(
    v: &View<'_>,
    scores: &Scores<'_>,
    aim: &Aim,
    rows: &mut [Considered],
    among: CandMask,
) -> Option<Plan> {
    let within = within(v, aim, rows, among)?;
    let mut all = contenders(v, rows, within, &aim.bounds);
    let ranking = aim.rank(v, scores, &mut all, v.draws[0])?;
    for candidate in all.iter().flat_map(|c| c.mask.iter().map(|i| (i, c.score))) {
        rows[candidate.0].score = candidate.1;
    }
    let first_beaten = ranking.order.len() - ranking.dominated.min(ranking.order.len());
    for candidate in ranking.order[first_beaten..].iter().flat_map(|i| all[*i].mask.iter()) {
        rows[candidate].dominated = true;
    }
    Some(plan(v, rows, &all, &ranking))
}

/// The candidates that the bounds allow; none where they allow nobody.
fn within(v: &View<'_>, aim: &Aim, rows: &[Considered], among: CandMask) -> Option<CandMask> {
    let within = if aim.mixes() { among } else { aim.bounds.within(v, rows, among) };
    (!within.is_empty()).then_some(within)
}

/// Puts the providers of each model in order; only those of the pick take turns and are drawn.
fn plan(v: &View<'_>, rows: &[Considered], all: &Contenders, ranking: &Ranking) -> Plan {
    let mut plan = Plan { order: SmallVec::new(), propensity: ranking.probability };
    for (rank, contender) in ranking.order.iter().map(|i| &all[*i]).enumerate() {
        if contender.ranked.is_empty() {
            plan.order.extend(contender.mask.iter());
        } else if rank > 0 {
            plan.order.extend(contender.ranked.iter().map(|i| usize::from(*i)));
        } else {
            let turn = (v.turn)(contender.lead);
            let (order, probability) = team(v, rows, contender.mask).order(v.draws[1], turn);
            plan.order.extend(order);
            plan.propensity *= probability;
        }
    }
    plan
}

/// The decision where models are not compared: the model of `first` answers, the others of `live` stand by, cheapest first.
pub(super) fn direct(
    v: &View<'_>,
    mut rows: Rows,
    live: CandMask,
    first: usize,
    reason: PickReason,
) -> Decision {
    let lead = v.policy.candidates[first].lead;
    let model = live.iter().filter(|i| v.policy.candidates[*i].lead == lead);
    let model = model.fold(CandMask::default(), CandMask::with);
    let (mut order, propensity) = match model.0.is_power_of_two() {
        true => (model.iter().collect(), 1.0),
        false => team(v, &rows, model).order(v.draws[1], (v.turn)(lead)),
    };
    order.extend(by_cost(&rows, live & !model));
    for i in live.iter() {
        rows[i].score = rows[i].expected_cost.map_or(f64::NEG_INFINITY, |cost| -cost.as_usd());
    }
    conclude(v, rows, Plan { order, propensity }, reason, Method::Direct)
}

fn by_cost(rows: &[Considered], live: CandMask) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = live.iter().collect();
    order.sort_by_key(|i| rows[*i].expected_cost.map_or(u64::MAX, |c| c.0));
    order
}

fn take_scores(v: &View<'_>, rows: &mut [Considered], scores: &Scores<'_>, call: &Admission) {
    if scores.candidates.is_empty() {
        return;
    }
    for (i, row) in rows.iter_mut().enumerate() {
        if let Some((quality, source)) = scores.quality(i) {
            row.quality = quality;
            row.source = source;
        }
        let length = scores.length(i);
        if length != 1.0 {
            lengthen(v, row, length, call);
        }
    }
}

/// Expects an answer that is longer or shorter than usual, as far as the call lets it grow.
fn lengthen(v: &View<'_>, row: &mut Considered, length: f64, call: &Admission) {
    let answers = f64::from(call.answers);
    let most = row.step.output_bound as f64 / answers;
    let output = (row.usual_output * length).min(most);
    let more = output - row.usual_output;
    row.length = length;
    let model = &v.snapshot.targets[row.target].model;
    row.step.likely = filter::likely(model, call.input_tokens, output * answers, row.step.bound);
    if let (Some(cost), Some(prices)) = (&mut row.expected_cost, model.prices) {
        let nano = more * answers * prices.output.0 as f64 / 1e6;
        cost.0 = (cost.0 as f64 + nano).max(0.0).round() as u64;
    }
    let speed = (v.expected)(row.target).tokens_per_second.max(0.001);
    row.expected_ms += more / speed * 1000.0;
}

fn infeasible(
    v: &View<'_>,
    mut rows: Rows,
    live: CandMask,
    rule: Option<usize>,
    method: ScoreMethod,
) -> Decision {
    match (v.policy.config.strategy.on_infeasible, cheapest(&rows, live)) {
        (OnInfeasible::Cheapest, Some(_)) => {
            let reason = rule.map_or(PickReason::Picked, PickReason::Rule);
            for i in live.iter() {
                rows[i].score = rows[i].expected_cost.map_or(f64::NEG_INFINITY, |cost| -cost.as_usd());
            }
            let plan = Plan { order: by_cost(&rows, live), propensity: 1.0 };
            let decision = conclude(v, rows, plan, reason, Method::Scored(Optimizer::Cheapest, method));
            Decision { infeasible: true, ..decision }
        }
        _ => {
            live.iter().for_each(|i| rows[i].verdict = Verdict::LeftOut(Reason::TooDear));
            refused(v, rows, Refusal::NoCandidate)
        }
    }
}

/// Whether a candidate that only a budget keeps out would have beaten the pick.
fn money_decided(v: &View<'_>, scores: &Scores<'_>, aim: &Aim, rows: &[Considered], plan: &Plan) -> bool {
    let by_budget = |row: &Considered| matches!(row.verdict, Verdict::LeftOut(Reason::NoRoom(_)));
    if !rows.iter().any(by_budget) {
        return false;
    }
    let wider = (0..rows.len())
        .filter(|i| by_budget(&rows[*i]) || rows[*i].verdict == Verdict::Undecided)
        .fold(CandMask::default(), CandMask::with);
    let Some(wider) = within(v, aim, rows, wider) else { return false };
    let mut all = contenders(v, rows, wider, &aim.bounds);
    let Some(ranking) = aim.rank(v, scores, &mut all, v.draws[0]) else { return false };
    let best = ranking.order.first().map(|i| all[*i].lead);
    best != plan.order.first().map(|pick| v.policy.candidates[*pick].lead)
}

/// Writes the verdicts, checks that the pick fits its budgets.
fn conclude(v: &View<'_>, mut rows: Rows, plan: Plan, reason: PickReason, method: Method) -> Decision {
    let Plan { order, propensity } = plan;
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
        propensity,
        plan: order,
        method,
        ..Decision::blank(v)
    }
}
