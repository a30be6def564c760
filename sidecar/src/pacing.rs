//! What each policy may spend per call: its target, and what is left of the windows that pace it. Control thread only.
//!
//! Asked anew at every tick. Where the operator plans over all pods its plan is followed; when it falls silent, this process
//! goes on by what it counts itself.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman_config::entry::Name;
use pointsman_config::money::Nano;
use pointsman_config::window::{Span, time_zone};
use pointsman_core::pace::{Rate, TimeLeft, per_call};
use pointsman_core::snapshot::Policy;

use crate::plane::Plane;
use crate::plane::live::Plan;

/// A plan that was not renewed for so long is nobody's plan any more.
const PLAN_HOLDS: Duration = Duration::from_secs(30);

/// How often calls come, and which windows are open.
#[derive(Default)]
pub(crate) struct Pacing {
    rates: HashMap<Name, Rate>,
    windows: HashMap<Name, String>,
    taken: HashMap<Name, Instant>,
    last: Option<Instant>,
}

impl Pacing {
    /// Counts the calls since the last tick.
    pub(crate) fn observe(&mut self, plane: &Plane, now: Instant) {
        let elapsed = now.saturating_duration_since(self.last.replace(now).unwrap_or(now));
        let is_known = |name: &Name| plane.snapshot.policies.iter().any(|policy| policy.name == *name);
        self.rates.retain(|name, _| is_known(name));
        self.taken.retain(|name, _| is_known(name));
        for (policy, beside) in plane.snapshot.policies.iter().zip(&plane.policies) {
            let rate = self.rates.entry(policy.name.clone()).or_default();
            rate.observe(beside.live.chosen.load(Relaxed), elapsed);
        }
    }

    /// Sets what every policy aims at.
    pub(crate) fn aim(&mut self, plane: &Plane, wall: Timestamp, now: Instant) {
        for index in 0..plane.policies.len() {
            self.turn(plane, index, wall);
            self.aim_one(plane, index, wall, now);
        }
    }

    /// The window of a policy's own target, where it has one: its id, for reports.
    pub(crate) fn window(&self, policy: &Name) -> Option<&str> {
        self.windows.get(policy).map(String::as_str)
    }

    /// A new window starts with nothing spent; a restarted process goes on in the one that it left.
    fn turn(&mut self, plane: &Plane, index: usize, wall: Timestamp) {
        let policy = &plane.snapshot.policies[index];
        let Some(target) = &policy.config.strategy.spend_per_window else {
            self.windows.remove(&policy.name);
            return;
        };
        let id = target.window.at(wall, &TimeZone::UTC).id;
        let before = self.windows.insert(policy.name.clone(), id.clone());
        if before.is_none_or(|before| before != id) {
            plane.policies[index].live.begin_window(&id);
        }
    }

    fn aim_one(&mut self, plane: &Plane, index: usize, wall: Timestamp, now: Instant) {
        let (policy, live) = (&plane.snapshot.policies[index], &plane.policies[index].live);
        let plan: Option<Plan> =
            (*live.plan()).filter(|plan| now.saturating_duration_since(plan.at) < PLAN_HOLDS);
        live.set_steered(plan.is_some_and(|plan| plan.lambda.is_some()));
        if let Some(plan) = plan {
            live.aim(Some(plan.target), true);
            let is_new = self.taken.insert(policy.name.clone(), plan.at) != Some(plan.at);
            if let (true, Some(lambda), Some(price)) = (is_new, plan.lambda, live.price().as_mut()) {
                price.take(lambda);
            }
            return;
        }
        let average = policy.config.strategy.spend_per_thousand_calls.map(|thousand| Nano(thousand.0 / 1000));
        let paced =
            self.own_window(plane, index, wall).into_iter().chain(self.limits(plane, policy, wall)).min();
        let by_what_is_left = paced.is_some_and(|paced| average.is_none_or(|average| paced < average));
        live.aim(average.into_iter().chain(paced).min(), by_what_is_left);
    }

    /// By the policy's own target per window.
    fn own_window(&self, plane: &Plane, index: usize, wall: Timestamp) -> Option<Nano> {
        let policy = &plane.snapshot.policies[index];
        let target = policy.config.strategy.spend_per_window?;
        let live = &plane.policies[index].live;
        let spent = live.spent.load(Relaxed).saturating_add(live.spent_before());
        let left = Nano(target.amount.0.saturating_sub(spent));
        let rate = self.rates.get(&policy.name).copied().unwrap_or_default();
        Some(per_call(left, time_left(&target.window.at(wall, &TimeZone::UTC), wall), &rate))
    }

    /// By the tightest of the limits that pace it.
    fn limits(&self, plane: &Plane, policy: &Policy, wall: Timestamp) -> Option<Nano> {
        let paces = policy.paced_by.iter().map(|&limit| {
            let (known, part) = (&plane.snapshot.limits[limit], &plane.limits[limit]);
            let left = Nano(part.live.amount().saturating_sub(part.live.spent()));
            let zone = time_zone(&known.config.time_zone).unwrap_or(TimeZone::UTC);
            let drawing = plane.snapshot.policies.iter().filter(|policy| policy.paced_by.contains(&limit));
            let rate = Rate::joined(drawing.filter_map(|policy| self.rates.get(&policy.name)));
            per_call(left, time_left(&known.config.window.at(wall, &zone), wall), &rate)
        });
        paces.min()
    }
}

fn time_left(span: &Span, wall: Timestamp) -> Option<TimeLeft> {
    let end = span.end?;
    let until = |from: Timestamp| Duration::try_from(end.duration_since(from)).unwrap_or_default();
    Some(TimeLeft { left: until(wall), window: until(span.start) })
}
