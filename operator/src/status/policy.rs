//! What a RoutingPolicy reports.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_config::entry::{Key, Kind, Name};
use pointsman_config::money::Nano;
use pointsman_crds::v1alpha1::routingpolicy::{
    DataPlaneStatus, Mode, ModeStatus, PolicyModelStatus, RoutingPolicyStatus, RoutingPolicySummary,
    ShadowPriceStatus,
};
use pointsman_crds::{ConditionType, Reason};

use super::conditions::{dated, nacked, ready};
use super::coverage::PodCounts;
use super::programmed::programmed;
use super::{Scene, figures, savings, scorer, sum, target};
use crate::accounts::{Calls, median_ms};
use crate::compile::{Outcome, PolicyFacts, Verdict};

/// The most rows of models.
const MOST_ROWS: usize = 32;
/// The most models in the column.
const MOST_SHARES: usize = 6;

impl Scene<'_> {
    /// The status of a policy; none for one that was not compiled.
    pub fn policy(&self, name: &Name, previous: Option<&RoutingPolicyStatus>) -> Option<RoutingPolicyStatus> {
        let outcome = self.compiled.policies.get(name)?;
        let before: &[Condition] = previous.map_or(&[], |status| &status.conditions);
        let none = PodCounts::default();
        let pods = self.coverage.policies.get(name).unwrap_or(&none);
        let holders = self.coverage.holders.get(&Key { kind: Kind::Policy, name: name.clone() });
        let [accepted, resolved] = outcome.verdicts();
        let idle = match pods.matched {
            0 => (Reason::NoPods, "It selects no pod with a sidecar yet."),
            _ => (Reason::Programmed, "No sidecar of its pods is connected yet."),
        };
        let programmed = programmed(&outcome.entry, holders, idle, before);
        let fine = format!("{} of {} pods route by this policy.", pods.synced, pods.matched);
        let ready = ready([&accepted, &resolved, &programmed], fine);
        let calls = self.calls_of_policy(name);
        let lambda = self.accounts.lambda(name);
        let summary = summary(outcome, pods, &calls, lambda, &ready);
        let refusals = holders.map_or(&[][..], |holders| &holders.refusals);
        let mut verdicts = vec![accepted, resolved, programmed, ready];
        verdicts.extend([conflicted(outcome, pods), nacked(refusals), restart_required(pods)]);
        let most_named_now = || self.accounts.most_named(name, &outcome.facts.candidates).map(str::to_owned);
        let allowance = self.allowances.get(name).copied();
        verdicts.extend(target::too_low(&outcome.entry, &self.accounts.sample(name), allowance));
        Some(RoutingPolicyStatus {
            observed_generation: Some(outcome.entry.generation),
            conditions: dated(verdicts, before, outcome.entry.generation, self.now),
            summary: Some(summary),
            data_plane: Some(data_plane(pods)),
            mode: outcome.is_valid().then_some(ModeStatus { effective: outcome.facts.mode }),
            shadow_price: lambda.map(shadow_price),
            scorer: scorer::scorer(&self.accounts.scorers(name)),
            most_named: most_named(&outcome.facts, most_named_now, previous),
            savings: savings::savings(&outcome.facts, &sum(calls.values())),
            models: rows(&calls),
        })
    }
}

/// The candidate that callers name most. While the policy chooses it stays what it was before: whoever still names a model
/// then is the exception.
fn most_named(
    facts: &PolicyFacts,
    now: impl FnOnce() -> Option<String>,
    previous: Option<&RoutingPolicyStatus>,
) -> Option<String> {
    let before = previous.and_then(|status| status.most_named.clone());
    let before = before.filter(|model| facts.candidates.contains(model));
    if facts.mode == Mode::Route { before.or_else(now) } else { now().or(before) }
}

fn summary(
    outcome: &Outcome<PolicyFacts>,
    pods: &PodCounts,
    calls: &BTreeMap<&str, Calls>,
    lambda: Option<f64>,
    ready: &Verdict,
) -> RoutingPolicySummary {
    let all = sum(calls.values());
    RoutingPolicySummary {
        state: Some(state(outcome, pods, ready).to_owned()),
        virtual_models: Some(outcome.facts.virtual_models.join(",")),
        pods: Some(format!("{}/{}", pods.synced, pods.matched)),
        routed: Some(figures::percent(all.routed, all.requests)),
        today: Some(figures::money(all.cost)),
        models: Some(shares(calls, all.requests)),
        saved: Some(savings::cell(outcome.facts.mode, &all)),
        baseline: Some(savings::baseline(&outcome.facts).to_owned()),
        price: Some(lambda.map_or_else(|| "-".to_owned(), |lambda| format!("{}/pt", point_price(lambda)))),
    }
}

fn state(outcome: &Outcome<PolicyFacts>, pods: &PodCounts, ready: &Verdict) -> &'static str {
    if !ready.status {
        return ready.reason.as_str();
    }
    match (outcome.facts.mode, pods) {
        (Mode::Disabled, _) => "Disabled",
        (Mode::Route | Mode::Observe, pods) if pods.matched == 0 => "NoPods",
        (Mode::Route | Mode::Observe, pods) if pods.synced < pods.matched => "SidecarsBehind",
        (Mode::Route | Mode::Observe, pods) if pods.is_silent() => "NotWired",
        (Mode::Route, _) => "Serving",
        (Mode::Observe, _) => "Observing",
    }
}

fn conflicted(outcome: &Outcome<PolicyFacts>, pods: &PodCounts) -> Verdict {
    if pods.lost.is_empty() {
        return Verdict::new(ConditionType::Conflicted, false, Reason::NoConflict, "No pod is contested.");
    }
    let told = pods.lost.iter().take(4).map(|((model, winner), count)| {
        let noun = if *count == 1 { "pod takes" } else { "pods take" };
        format!("{count} {noun} virtual model \"{model}\" from {winner}.")
    });
    let mut message: Vec<_> = told.collect();
    message.push(format!("This policy has priority {}.", outcome.facts.priority));
    Verdict::new(ConditionType::Conflicted, true, Reason::LowerPriority, message.join(" "))
}

/// A pod keeps the sidecar that it was created with; only its owner knows when it may be created anew.
fn restart_required(pods: &PodCounts) -> Verdict {
    let condition = ConditionType::RestartRequired;
    if pods.outdated == 0 {
        let fine = "Every pod has the sidecar that it would be given now.";
        return Verdict::new(condition, false, Reason::UpToDate, fine);
    }
    let message = format!(
        "{} of {} pods run a sidecar of older settings, and go on serving. Their workloads get the new one with kubectl rollout restart.",
        pods.outdated, pods.matched
    );
    Verdict::new(condition, true, Reason::SidecarsOutdated, message)
}

fn data_plane(pods: &PodCounts) -> DataPlaneStatus {
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    DataPlaneStatus {
        matched: count(pods.matched),
        connected: count(pods.connected),
        synced: count(pods.synced),
        nacked: count(pods.nacked),
        wired: count(pods.wired),
        silent: count(pods.matched - pods.wired),
        refused: count(pods.refused),
        sidecars_outdated: count(pods.outdated),
    }
}

/// Most calls first.
fn by_calls<'c>(calls: &'c BTreeMap<&'c str, Calls>) -> Vec<(&'c str, &'c Calls)> {
    let mut models: Vec<_> = calls.iter().map(|(model, calls)| (*model, calls)).collect();
    models.sort_by_key(|(model, calls)| (std::cmp::Reverse(calls.requests), *model));
    models
}

fn shares(calls: &BTreeMap<&str, Calls>, all: u64) -> String {
    let shown: Vec<_> = by_calls(calls)
        .into_iter()
        .filter(|(_, calls)| calls.requests > 0)
        .take(MOST_SHARES)
        .map(|(model, calls)| format!("{} {}", shortened(model), figures::percent(calls.requests, all)))
        .collect();
    if shown.is_empty() { "-".to_owned() } else { shown.join(", ") }
}

/// At most 36 characters: six of them fit into the column's 256.
fn shortened(model: &str) -> String {
    const MOST: usize = 36;
    if model.chars().count() <= MOST {
        return model.to_owned();
    }
    model.chars().take(MOST - 1).chain(['…']).collect()
}

fn rows(calls: &BTreeMap<&str, Calls>) -> Vec<PolicyModelStatus> {
    let all = calls.values().map(|calls| calls.requests).sum();
    let mut kept = by_calls(calls);
    kept.truncate(MOST_ROWS);
    kept.sort_by_key(|(model, _)| *model);
    let row = |(model, calls): (&str, &Calls)| PolicyModelStatus {
        model: model.to_owned(),
        p50: median_ms(&calls.latencies).map(|millis| figures::time(Some(millis))),
        requests: i64::try_from(calls.requests).unwrap_or(i64::MAX),
        share: figures::share(calls.requests, all).and_then(|share| i32::try_from(share).ok()).unwrap_or(0),
        spent: Nano(calls.cost).to_string(),
    };
    kept.into_iter().map(row).collect()
}

fn shadow_price(lambda: f64) -> ShadowPriceStatus {
    ShadowPriceStatus {
        lambda: significant(lambda),
        meaning: format!("one point of quality is worth {} per 1000 calls", point_price(lambda)),
    }
}

/// Lambda is quality per USD, and a point is a hundredth of quality: over 1000 calls it is worth 10 / lambda USD.
fn point_price(lambda: f64) -> String {
    let nano = (10.0 / lambda * 1e9).clamp(0.0, 1e18);
    figures::money(nano.round() as u64)
}

/// Four significant digits, without an exponent.
fn significant(value: f64) -> String {
    let magnitude = value.abs().log10().floor().clamp(-9.0, 15.0) as i32;
    let decimals = usize::try_from(3 - magnitude).unwrap_or(0);
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_is_told_in_money() {
        // 90.9 points of quality per USD: a hundredth of quality is worth $0.00011 per call, $0.11 per 1000.
        assert_eq!(shadow_price(90.9).meaning, "one point of quality is worth $0.11 per 1000 calls");
        assert_eq!([90.9, 0.0031, 123_456.0].map(significant), ["90.90", "0.003100", "123456"]);
    }
}
