//! Which pods take what from whom, and how far their sidecars have come.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::entry::{Entry, Key, Name, State};

use crate::accounts::Accounts;
use crate::compile::{CompiledWorld, Labels, Pod, bind, scope, selects};
use crate::links::{Links, Sidecar};

/// One pod of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// As binding needs it.
    pub pod: Pod,
    /// Whether it carries our container, or asks for it and could have it.
    pub injected: bool,
    /// Whether its container comes from other settings than would be injected now.
    pub outdated: bool,
}

/// How far the sidecars have come that want one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// Connected sidecars in whose scope it is.
    pub wanted: u32,
    /// Of them, those that serve this version.
    pub synced: u32,
    /// What was refused: `<pod>: <path>: <message>`.
    pub refusals: Vec<String>,
}

/// The pods of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Pods with a sidecar that take a virtual model from it.
    pub matched: u32,
    /// Of them, those whose sidecar is connected.
    pub connected: u32,
    /// Of them, those whose sidecar serves this generation.
    pub synced: u32,
    /// Of them, those whose sidecar refused the newest update.
    pub nacked: u32,
    /// Of them, those whose application has called.
    pub wired: u32,
    /// Of them, those that had a call refused.
    pub refused: u32,
    /// Of them, those whose sidecar comes from older settings.
    pub outdated: u32,
    /// Pods that it selects and that take a virtual model from another policy, by virtual model and winner.
    pub lost: BTreeMap<(String, Name), u32>,
}

impl PodCounts {
    /// Whether every pod has a sidecar that serves the policy, and nobody calls.
    pub fn is_silent(&self) -> bool {
        self.matched > 0 && self.synced == self.matched && self.wired == 0
    }
}

/// Coverage of every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By entry.
    pub holders: BTreeMap<Key, Holders>,
    /// By policy.
    pub policies: BTreeMap<Name, PodCounts>,
}

impl Coverage {
    /// Counts. Pods of the same labels are bound once.
    pub fn of(compiled: &CompiledWorld, pods: &[PodFacts], links: &Links, accounts: &Accounts) -> Self {
        let mut coverage = Self::default();
        let heard = Heard { callers: accounts.callers(), refused: accounts.refused() };
        let mut alike: BTreeMap<(&str, &Labels), Alike<'_>> = BTreeMap::new();
        for facts in pods {
            let sidecar = links.of(&facts.pod.uid);
            if sidecar.is_none() && !facts.injected {
                continue;
            }
            let bound = alike
                .entry((&facts.pod.namespace, &facts.pod.labels))
                .or_insert_with(|| Alike::of(compiled, &facts.pod));
            coverage.count(bound, facts, sidecar, &heard);
        }
        coverage
    }

    fn count(&mut self, bound: &Alike<'_>, facts: &PodFacts, sidecar: Option<&Sidecar>, heard: &Heard<'_>) {
        let pod = &facts.pod;
        for entry in &bound.entries {
            let Some(sidecar) = sidecar else { break };
            let holders = self.holders.entry(entry.key.clone()).or_default();
            holders.wanted += 1;
            holders.synced += u32::from(in_sync(sidecar, entry));
            holders.refusals.extend(refusals(sidecar, pod, &entry.key));
        }
        for policy in &bound.winners {
            let counts = self.policies.entry((*policy).clone()).or_default();
            let entry = bound.entries.iter().find(|entry| entry.key.name == **policy && is_policy(entry));
            counts.matched += 1;
            counts.connected += u32::from(sidecar.is_some());
            counts.synced +=
                u32::from(sidecar.zip(entry).is_some_and(|(sidecar, entry)| in_sync(sidecar, entry)));
            counts.nacked += u32::from(sidecar.is_some_and(|sidecar| !sidecar.refusals().is_empty()));
            counts.wired += u32::from(heard.callers.contains(pod.uid.as_str()));
            counts.refused += u32::from(heard.refused.contains(&(pod.uid.as_str(), *policy)));
            counts.outdated += u32::from(facts.outdated);
        }
        for (loser, model, winner) in &bound.lost {
            let counts = self.policies.entry((*loser).clone()).or_default();
            *counts.lost.entry((model.clone(), (*winner).clone())).or_default() += 1;
        }
    }
}

/// Which pods have been heard of.
struct Heard<'a> {
    callers: &'a BTreeSet<String>,
    refused: BTreeSet<(&'a str, &'a Name)>,
}

/// What all pods of one namespace with the same labels have in common.
struct Alike<'a> {
    entries: Vec<Entry>,
    winners: BTreeSet<&'a Name>,
    lost: Vec<(&'a Name, String, &'a Name)>,
}

impl<'a> Alike<'a> {
    fn of(compiled: &'a CompiledWorld, pod: &Pod) -> Self {
        let binding = bind(compiled, pod);
        let mut lost = Vec::new();
        for (name, policy) in compiled.policies.iter().filter(|(name, _)| selects(compiled, pod, name)) {
            for model in &policy.facts.virtual_models {
                let winner = binding.get(model.as_str()).filter(|winner| **winner != name);
                lost.extend(winner.map(|winner| (name, model.clone(), *winner)));
            }
        }
        // Losing to a nearer policy is what defaults are for; only equals are in conflict.
        lost.retain(|(loser, _, winner)| same_rank(compiled, loser, winner));
        Self { entries: scope(compiled, pod), winners: binding.into_values().collect(), lost }
    }
}

fn same_rank(compiled: &CompiledWorld, one: &Name, other: &Name) -> bool {
    let has_selector =
        |name: &Name| compiled.policies.get(name).map(|policy| policy.facts.selector.is_some());
    one.namespace == other.namespace && has_selector(one) == has_selector(other)
}

fn is_policy(entry: &Entry) -> bool {
    entry.key.kind == pointsman_config::entry::Kind::Policy
}

fn in_sync(sidecar: &Sidecar, entry: &Entry) -> bool {
    let version = (entry.uid.clone(), entry.generation);
    matches!(entry.state, State::Valid(_)) && sidecar.serves(&entry.key, &version)
}

fn refusals(sidecar: &Sidecar, pod: &Pod, key: &Key) -> Vec<String> {
    let own =
        sidecar.refusals().iter().filter(|refusal| refusal.key.as_ref().is_none_or(|named| named == key));
    own.map(|refusal| format!("{}/{}: {}: {}", pod.namespace, pod.name, refusal.path, refusal.message))
        .collect()
}
