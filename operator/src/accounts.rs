//! What sidecars have counted, merged. Pure.
//!
//! Every report is cumulative for its incarnation, so merging takes the larger number of each counter: a report lost,
//! repeated or late changes no total. What a sidecar reports as "now" (reserved, lambda, health) goes by the newest
//! report of its incarnation.

mod latency;
mod ledger;
mod permitted;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman_config::entry::Name;
use pointsman_config::link::{CallCounts, PolicyState, SampledCall, ScorerState, TargetState, UsageReport};
use pointsman_core::dual::Offer;

pub use latency::{Latencies, median_ms};
pub use ledger::{Ledger, LimitKey, Standing, shard_name};
pub use permitted::permitted;

/// No model's name is longer.
const MOST_MODEL_BYTES: usize = 256;

/// One start of one sidecar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The pod's uid, from its reviewed token.
    pub pod_uid: String,
    /// Which start of the process, as the sidecar says.
    pub incarnation: String,
}

/// Which calls are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    /// The policy by which they came.
    pub policy: Name,
    /// The provider that answered.
    pub provider: Name,
    /// The model that answered.
    pub model: String,
    /// The UTC date of admission.
    pub day: String,
}

/// Counters of calls; each only ever rises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Answered calls.
    pub requests: u64,
    /// Of them, those whose model was chosen.
    pub routed: u64,
    /// Of them, those whose caller named the model.
    pub named: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Answered calls that were picked for another target.
    pub fallbacks: u64,
    /// Nano-USD.
    pub cost: u64,
    /// Times to the whole answer.
    pub latencies: Latencies,
    /// Calls that were compared with the baseline.
    pub compared: u64,
    /// What those cost at the baseline, in nano-USD.
    pub baseline: u64,
    /// What those cost by the choice.
    pub chosen: u64,
    /// Their predicted quality at the baseline, summed, in millionths.
    pub baseline_quality: u64,
    /// Their predicted quality by the choice.
    pub chosen_quality: u64,
}

impl Calls {
    fn counters_with<'a>(&'a mut self, other: &Self) -> [(&'a mut u64, u64); 11] {
        [
            (&mut self.requests, other.requests),
            (&mut self.routed, other.routed),
            (&mut self.named, other.named),
            (&mut self.failures, other.failures),
            (&mut self.fallbacks, other.fallbacks),
            (&mut self.cost, other.cost),
            (&mut self.compared, other.compared),
            (&mut self.baseline, other.baseline),
            (&mut self.chosen, other.chosen),
            (&mut self.baseline_quality, other.baseline_quality),
            (&mut self.chosen_quality, other.chosen_quality),
        ]
    }

    /// The larger of each counter.
    fn merge(&mut self, other: &Self) {
        self.counters_with(other).into_iter().for_each(|(mine, theirs)| *mine = (*mine).max(theirs));
        self.latencies.merge(&other.latencies);
    }

    /// The sum of both, for totals over instances.
    pub fn add(&mut self, other: &Self) {
        self.counters_with(other).into_iter().for_each(|(mine, theirs)| *mine = mine.saturating_add(theirs));
        self.latencies.add(&other.latencies);
    }
}

impl From<&CallCounts> for Calls {
    fn from(counts: &CallCounts) -> Self {
        Self {
            requests: counts.requests,
            routed: counts.routed,
            named: counts.named,
            failures: counts.failures,
            fallbacks: counts.fallbacks,
            cost: counts.cost_nano,
            latencies: Latencies::from(counts.latency_buckets.as_slice()),
            compared: counts.compared,
            baseline: counts.baseline_nano,
            chosen: counts.chosen_nano,
            baseline_quality: counts.baseline_quality_micro,
            chosen_quality: counts.chosen_quality_micro,
        }
    }
}

/// What one incarnation says of itself now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Present {
    seq: u64,
    reserved: BTreeMap<(Name, String, String), u64>,
    lambdas: BTreeMap<Name, f64>,
    chosen: BTreeMap<Name, u64>,
    samples: BTreeMap<Name, Vec<Vec<Offer>>>,
    scorers: BTreeMap<Name, ScorerState>,
    /// Policies by which calls were refused.
    refused: BTreeSet<Name>,
    targets: BTreeMap<(Name, String), Health>,
}

/// How a model fares, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It asked for a pause.
    RateLimited,
    /// It is left alone after errors in a row.
    CircuitOpen,
    /// It refused the key.
    CredentialRejected,
}

impl Health {
    fn parse(state: &str) -> Option<Self> {
        Some(match state {
            "Healthy" => Self::Healthy,
            "RateLimited" => Self::RateLimited,
            "CircuitOpen" => Self::CircuitOpen,
            "CredentialRejected" => Self::CredentialRejected,
            _ => return None,
        })
    }
}

/// Everything that was reported, per instance. What budgets need to outlive everybody is in the [`Ledger`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accounts {
    calls: BTreeMap<(Instance, CallKey), Calls>,
    /// What each incarnation spent in the window of a policy's own target, and which window.
    windows: BTreeMap<(Instance, Name), (String, u64)>,
    present: BTreeMap<Instance, Present>,
    /// The uids of pods whose application has called since they run, however long ago.
    callers: BTreeSet<String>,
}

impl Accounts {
    /// Takes one report in. Limits go to the ledger.
    pub fn merge(&mut self, instance: &Instance, report: &UsageReport) {
        for counts in &report.calls {
            let Some(key) = call_key(counts) else { continue };
            self.calls.entry((instance.clone(), key)).or_default().merge(&Calls::from(counts));
        }
        self.merge_windows(instance, report);
        if has_called(report) {
            self.callers.insert(instance.pod_uid.clone());
        }
        let present = present(report);
        let known = self.present.entry(instance.clone()).or_default();
        if present.seq >= known.seq {
            *known = present;
        }
    }

    /// A later window takes the place of an earlier one; ids are moments, so they sort.
    fn merge_windows(&mut self, instance: &Instance, report: &UsageReport) {
        for state in report.policies.iter().filter(|state| !state.window_id.is_empty()) {
            let Some(policy) = parse_name(&state.policy) else { continue };
            let known = self.windows.entry((instance.clone(), policy)).or_default();
            match state.window_id.cmp(&known.0) {
                Ordering::Greater => *known = (state.window_id.clone(), state.window_spent_nano),
                Ordering::Equal => known.1 = known.1.max(state.window_spent_nano),
                Ordering::Less => {}
            }
        }
    }

    /// What was spent in a window of a policy's own target, over all instances.
    pub fn window_spent(&self, policy: &Name, window_id: &str) -> u64 {
        let own = self.windows.iter().filter(|((_, name), (id, _))| name == policy && id == window_id);
        own.fold(0, |sum, (_, (_, spent))| sum.saturating_add(*spent))
    }

    /// How many calls' models each present sidecar has chosen since it started.
    pub fn chosen(&self, policy: &Name) -> BTreeMap<&Instance, u64> {
        let counts = self.present.iter();
        counts.filter_map(|(instance, present)| Some((instance, *present.chosen.get(policy)?))).collect()
    }

    /// The last choices of a policy over its present sidecars.
    pub fn sample(&self, policy: &Name) -> Vec<&Vec<Offer>> {
        self.present.values().filter_map(|present| present.samples.get(policy)).flatten().collect()
    }

    /// What each present sidecar says of the scorer of a policy.
    pub fn scorers(&self, policy: &Name) -> Vec<&ScorerState> {
        self.present.values().filter_map(|present| present.scorers.get(policy)).collect()
    }

    /// Forgets what an ended incarnation said of its present. Its counters stay.
    pub fn ended(&mut self, instance: &Instance) {
        self.present.remove(instance);
    }

    /// Forgets what the incarnations before this one said of their present.
    pub fn supersede(&mut self, instance: &Instance) {
        self.present.retain(|known, _| known.pod_uid != instance.pod_uid || known == instance);
    }

    /// Forgets what the incarnations of other pods said of their present, and who has called.
    pub fn keep_present(&mut self, exists: impl Fn(&str) -> bool) {
        self.present.retain(|instance, _| exists(&instance.pod_uid));
        self.callers.retain(|pod| exists(pod));
    }

    /// Keeps only the calls of these UTC days: today's and yesterday's, for reports around midnight.
    pub fn forget_days(&mut self, now: Timestamp) {
        let yesterday = day(now - std::time::Duration::from_secs(86_400));
        self.calls.retain(|(_, key), _| key.day >= yesterday);
        // No window of a spend target is longer than a month.
        let long_ago = (now - std::time::Duration::from_secs(32 * 86_400)).to_string();
        self.windows.retain(|_, (id, _)| *id >= long_ago);
    }

    /// Which of these models callers of a policy named most, today and yesterday; the first by name among equals.
    pub fn most_named(&self, policy: &Name, among: &[String]) -> Option<&str> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let counted = |key: &CallKey, calls: &Calls| {
            key.policy == *policy && calls.named > 0 && among.contains(&key.model)
        };
        for ((_, key), calls) in self.calls.iter().filter(|((_, key), calls)| counted(key, calls)) {
            let count = counts.entry(&key.model).or_default();
            *count = count.saturating_add(calls.named);
        }
        counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(model, _)| model)
    }

    /// The sums of one day over all instances.
    pub fn of_day(&self, day: &str) -> BTreeMap<CallKey, Calls> {
        let mut sums: BTreeMap<CallKey, Calls> = BTreeMap::new();
        for ((_, key), calls) in self.calls.iter().filter(|((_, key), _)| key.day == day) {
            sums.entry(key.clone()).or_default().add(calls);
        }
        sums
    }

    /// The uids of pods whose application has called, whatever came of it.
    pub fn callers(&self) -> &BTreeSet<String> {
        &self.callers
    }

    /// The uids of running pods with calls that were refused, and the policy by which.
    pub fn refused(&self) -> BTreeSet<(&str, &Name)> {
        let all = self.present.iter();
        all.flat_map(|(instance, present)| {
            present.refused.iter().map(|policy| (instance.pod_uid.as_str(), policy))
        })
        .collect()
    }

    /// What is reserved now under a limit in a window.
    pub fn reserved(&self, budget: &Name, limit: &str, window_id: &str) -> u64 {
        let key = (budget.clone(), limit.to_owned(), window_id.to_owned());
        self.present
            .values()
            .filter_map(|present| present.reserved.get(&key))
            .fold(0, |sum, held| sum.saturating_add(*held))
    }

    /// The mean lambda of a policy over its sidecars; none where none uses a shadow price.
    pub fn lambda(&self, policy: &Name) -> Option<f64> {
        let lambdas: Vec<_> =
            self.present.values().filter_map(|present| present.lambdas.get(policy).copied()).collect();
        let used: Vec<_> = lambdas.into_iter().filter(|lambda| lambda.is_finite() && *lambda > 0.0).collect();
        (!used.is_empty()).then(|| used.iter().sum::<f64>() / used.len() as f64)
    }

    /// The worst that a sidecar says of each model of a provider.
    pub fn health(&self, provider: &Name) -> BTreeMap<&str, Health> {
        let mut worst: BTreeMap<&str, Health> = BTreeMap::new();
        let targets = self.present.values().flat_map(|present| &present.targets);
        for ((_, model), health) in targets.filter(|((name, _), _)| name == provider) {
            worst.entry(model).and_modify(|known| *known = (*known).max(*health)).or_insert(*health);
        }
        worst
    }
}

/// Leaves out of a report the calls of other days than yesterday, today and, for clocks that run ahead, tomorrow.
pub fn keep_near_days(report: &mut UsageReport, now: Timestamp) {
    const A_DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
    let near = [day(now - A_DAY), day(now), day(now + A_DAY)];
    report.calls.retain(|calls| near.contains(&calls.day) && calls.model.len() <= MOST_MODEL_BYTES);
}

/// Whether a report tells of any call of the application, refused ones included.
fn has_called(report: &UsageReport) -> bool {
    report.called
        || report.calls.iter().any(|calls| calls.requests + calls.failures > 0)
        || report.policies.iter().any(|policy| policy.refused > 0)
}

fn call_key(counts: &CallCounts) -> Option<CallKey> {
    Some(CallKey {
        policy: parse_name(&counts.policy)?,
        provider: parse_name(&counts.provider)?,
        model: counts.model.clone(),
        day: counts.day.clone(),
    })
}

fn present(report: &UsageReport) -> Present {
    let reserved = report.limits.iter().filter(|limit| limit.reserved > 0).filter_map(|limit| {
        Some(((parse_name(&limit.budget)?, limit.limit.clone(), limit.window_id.clone()), limit.reserved))
    });
    let lambdas =
        report.policies.iter().filter_map(|policy| Some((parse_name(&policy.policy)?, policy.lambda)));
    let refused = report.policies.iter().filter(|policy| policy.refused > 0);
    let states = || report.policies.iter().filter_map(|state| Some((parse_name(&state.policy)?, state)));
    let targets = report.targets.iter().filter_map(target);
    Present {
        seq: report.seq,
        reserved: reserved.collect(),
        lambdas: lambdas.collect(),
        chosen: states().map(|(policy, state)| (policy, state.chosen)).collect(),
        samples: states().map(|(policy, state)| (policy, sample(state))).collect(),
        scorers: states().filter_map(|(policy, state)| Some((policy, state.scorer.clone()?))).collect(),
        refused: refused.filter_map(|policy| parse_name(&policy.policy)).collect(),
        targets: targets.collect(),
    }
}

/// Some choices of one sidecar; what is no number, or too much, is left out.
fn sample(state: &PolicyState) -> Vec<Vec<Offer>> {
    const MOST_CALLS: usize = 32;
    const MOST_OFFERS: usize = 16;
    let call = |call: &SampledCall| {
        let pairs = call.quality.iter().zip(&call.cost_usd).take(MOST_OFFERS);
        pairs
            .map(|(quality, cost)| Offer { quality: *quality, cost: *cost })
            .filter(|offer| (0.0..=1.0).contains(&offer.quality) && (0.0..1e6).contains(&offer.cost))
            .collect::<Vec<_>>()
    };
    state.sample.iter().take(MOST_CALLS).map(call).filter(|offers| !offers.is_empty()).collect()
}

fn target(target: &TargetState) -> Option<((Name, String), Health)> {
    Some(((parse_name(&target.provider)?, target.model.clone()), Health::parse(&target.state)?))
}

/// Reads `namespace/name`.
pub fn parse_name(text: &str) -> Option<Name> {
    let (namespace, name) = text.split_once('/')?;
    (!namespace.is_empty() && !name.is_empty()).then(|| Name::new(namespace, name))
}

/// The UTC date of a moment, as calls are filed.
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests;
