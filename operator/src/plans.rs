//! One plan per policy over all its pods: what a call may cost on average, and the one price at which that holds.
//!
//! What is left of the windows that pace a policy is spread over the calls that all its pods together still expect; the
//! price is the dual over the choices that they have reported. A plan is made anew when it is a few seconds old and a
//! sidecar asks for it, so an idle policy costs nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman_config::entry::{Compiled, Name, State};
use pointsman_config::link::PolicyPlan;
use pointsman_config::money::Nano;
use pointsman_config::objects::Objects;
use pointsman_config::policy::PolicyConfig;
use pointsman_config::window::{Span, time_zone};
use pointsman_core::dual::solve;
use pointsman_core::pace::{Rate, TimeLeft, per_call};
use pointsman_core::shadow::HIGHEST;
use pointsman_core::snapshot::{LimitKey, Policy, Snapshot};

use crate::accounts::{Accounts, Instance, Ledger};
use crate::compile::{CompiledWorld, Pod, scope};

/// How old a plan may be when it is handed out again.
const RENEWED_AFTER: Duration = Duration::from_secs(3);
/// Fewer choices than this are no picture of the traffic: each pod then steers its own price towards the common target.
const SAMPLE_AT_LEAST: usize = 100;

/// The plans of every policy that is paced.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<BTreeMap<Name, Planned>>);

#[derive(Debug)]
struct Planned {
    at: Instant,
    rate: Rate,
    /// What each sidecar had counted by then.
    chosen: BTreeMap<Instance, u64>,
    /// The limits that pace the policy.
    limits: Vec<LimitKey>,
    plan: Option<PolicyPlan>,
}

/// What plans are made from, at one moment.
pub(crate) struct Known<'a> {
    pub(crate) compiled: &'a CompiledWorld,
    pub(crate) accounts: &'a Accounts,
    pub(crate) ledger: &'a Ledger,
    pub(crate) wall: Timestamp,
    pub(crate) now: Instant,
}

impl Plans {
    /// The plans for the policies of a pod.
    pub(crate) fn of(&self, known: &Known<'_>, pod: &Pod, policies: &[Name]) -> Vec<PolicyPlan> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|name, _| known.compiled.policies.contains_key(name));
        let is_old = |name: &Name| {
            plans.get(name).is_none_or(|planned| known.now.duration_since(planned.at) >= RENEWED_AFTER)
        };
        if policies.iter().any(is_old) {
            let snapshot = snapshot_of(known.compiled, pod);
            for policy in snapshot.policies.iter().filter(|policy| policies.contains(&policy.name)) {
                renew(&mut plans, known, &snapshot, policy);
            }
        }
        policies.iter().filter_map(|name| plans.get(name)?.plan.clone()).collect()
    }

    /// What the target per window of each policy that has one leaves for a call now, at the rate of the last plan.
    pub(crate) fn allowances(
        &self,
        compiled: &CompiledWorld,
        accounts: &Accounts,
        wall: Timestamp,
    ) -> BTreeMap<Name, Nano> {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowance = |(name, planned): (&Name, &Planned)| {
            let outcome = compiled.policies.get(name)?;
            let State::Valid(Compiled::Policy(config)) = &outcome.entry.state else { return None };
            Some((name.clone(), own_window(accounts, wall, name, config, &planned.rate)?))
        };
        plans.iter().filter_map(allowance).collect()
    }
}

/// The world as a pod's sidecar sees it.
fn snapshot_of(compiled: &CompiledWorld, pod: &Pod) -> Snapshot {
    let mut objects = Objects::default();
    for entry in scope(compiled, pod) {
        objects.apply(entry);
    }
    Snapshot::build(&objects)
}

fn renew(plans: &mut BTreeMap<Name, Planned>, known: &Known<'_>, snapshot: &Snapshot, policy: &Policy) {
    let before = plans.get(&policy.name);
    if before.is_some_and(|planned| known.now.duration_since(planned.at) < RENEWED_AFTER) {
        return;
    }
    let mut rate = before.map(|planned| planned.rate).unwrap_or_default();
    let elapsed = before.map_or(Duration::ZERO, |planned| known.now.duration_since(planned.at));
    let chosen = known.accounts.chosen(&policy.name);
    // When the calls of a sidecar that was not known before came, nobody knows: after a restart of the operator they are
    // those of days.
    let (mut fresh, mut untimed) = (0u64, 0u64);
    for (instance, count) in &chosen {
        match before.and_then(|planned| planned.chosen.get(*instance)) {
            Some(counted) => fresh = fresh.saturating_add(count.saturating_sub(*counted)),
            None => untimed = untimed.saturating_add(*count),
        }
    }
    rate.add_untimed(untimed);
    rate.observe(rate.total().saturating_add(fresh), elapsed);
    let chosen = chosen.into_iter().map(|(instance, count)| (instance.clone(), count)).collect();
    let limits = policy.paced_by.iter().map(|&i| snapshot.limits[i].key.clone()).collect();
    let own = own_window(known.accounts, known.wall, &policy.name, &policy.config, &rate);
    plans.insert(policy.name.clone(), Planned { at: known.now, rate, chosen, limits, plan: None });
    let tightest = policy.paced_by.iter().map(|&i| limit(plans, known, snapshot, i)).min();
    let plan = own.into_iter().chain(tightest).min().map(|paced| plan(known, policy, paced));
    if let Some(planned) = plans.get_mut(&policy.name) {
        planned.plan = plan;
    }
}

/// What a call may cost by the policy's own target per window.
fn own_window(
    accounts: &Accounts,
    wall: Timestamp,
    policy: &Name,
    config: &PolicyConfig,
    rate: &Rate,
) -> Option<Nano> {
    let target = config.strategy.spend_per_window?;
    let span = target.window.at(wall, &TimeZone::UTC);
    let spent = accounts.window_spent(policy, &span.id);
    let left = Nano(target.amount.0.saturating_sub(spent));
    Some(per_call(left, time_left(&span, wall), rate))
}

/// What a call may cost by one limit, over every policy that draws on it.
fn limit(plans: &BTreeMap<Name, Planned>, known: &Known<'_>, snapshot: &Snapshot, index: usize) -> Nano {
    let limit = &snapshot.limits[index];
    let zone = time_zone(&limit.config.time_zone).unwrap_or(TimeZone::UTC);
    let span = limit.config.window.at(known.wall, &zone);
    let spent = known.ledger.standing(&limit.key.budget, &limit.config, &span.id).spent;
    let left = Nano(limit.config.amount.value.saturating_sub(spent));
    let drawing = plans.values().filter(|planned| planned.limits.contains(&limit.key));
    per_call(left, time_left(&span, known.wall), &Rate::joined(drawing.map(|planned| &planned.rate)))
}

/// The target, never above the policy's own average, and the price at which the pooled sample would have met it.
fn plan(known: &Known<'_>, policy: &Policy, paced: Nano) -> PolicyPlan {
    let average = policy.config.strategy.spend_per_thousand_calls.map(|thousand| Nano(thousand.0 / 1000));
    let target = average.map_or(paced, |average| paced.min(average));
    let sample = known.accounts.sample(&policy.name);
    // An average is held by each pod, which pays back what it owes; what is left of a window tells the same here.
    let solvable = sample.len() >= SAMPLE_AT_LEAST && average.is_none_or(|average| paced < average);
    let lambda =
        if solvable { solve(&sample, target.as_usd()).map_or(HIGHEST, |solved| solved.lambda) } else { 0.0 };
    PolicyPlan { policy: policy.name.to_string(), target_nano: target.0, lambda }
}

fn time_left(span: &Span, wall: Timestamp) -> Option<TimeLeft> {
    let end = span.end?;
    let until = |from: Timestamp| Duration::try_from(end.duration_since(from)).unwrap_or_default();
    Some(TimeLeft { left: until(wall), window: until(span.start) })
}

#[cfg(test)]
mod tests;
