//! Tells people: Events on pods whose sidecar is missing or passed by, and on policies that nobody calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use pointsman_config::entry::Name;

use crate::compile::{bind, name_of};
use crate::gather::Stores;
use crate::shared::{PodRecord, Published, Shared, Stop};
use crate::status::Coverage;

/// Events of one round: the API server has others to serve.
const MOST_EVENTS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(10);

/// When people are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttendConfig {
    /// How often it is looked.
    pub(crate) tend: Duration,
    /// How long a policy must have been silent.
    pub(crate) silence: Duration,
}

/// What has been told already, so that it is told once.
#[derive(Default)]
struct Told {
    pods: BTreeMap<String, BTreeSet<&'static str>>,
    silent: BTreeMap<Name, (Instant, bool)>,
}

/// Attends, while this replica leads, until told to stop.
pub(crate) async fn run(
    config: AttendConfig,
    recorder: Recorder,
    stores: Arc<Stores>,
    shared: Arc<Shared>,
    mut stop: Stop,
) {
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(config.tend) => {}
            () = stop.wait() => return,
        }
        let published = shared.published.borrow().clone();
        let Some(published) = published.filter(|_| shared.is_leader()) else {
            told = Told::default();
            continue;
        };
        let mut due = told.of_pods(&published);
        due.extend(told.of_policies(&published, &stores, &shared, config.silence));
        for (reference, event) in due {
            let written = tokio::time::timeout(PATIENCE, recorder.publish(&event, &reference)).await;
            if !matches!(written, Ok(Ok(()))) {
                shared.metrics.error("event");
                tracing::debug!(name = reference.name, reason = event.reason, "failed to write an event");
            }
        }
    }
}

impl Told {
    fn of_pods(&mut self, published: &Published) -> Vec<(ObjectReference, Event)> {
        self.pods.retain(|uid, _| published.pods.contains_key(uid));
        let mut due = Vec::new();
        for (uid, record) in published.pods.iter().filter(|(_, record)| !record.remarks.is_empty()) {
            let known = self.pods.entry(uid.clone()).or_default();
            for remark in &record.remarks {
                if due.len() >= MOST_EVENTS {
                    return due;
                }
                if known.insert(remark.reason) {
                    due.push((reference(record), event(remark.reason, &remark.note)));
                }
            }
        }
        due
    }

    fn of_policies(
        &mut self,
        published: &Published,
        stores: &Stores,
        shared: &Shared,
        silence: Duration,
    ) -> Vec<(ObjectReference, Event)> {
        let silent = silent(published, shared);
        self.silent.retain(|name, _| silent.contains_key(name));
        let mut due = Vec::new();
        for (name, pods) in silent {
            let (since, is_told) = self.silent.entry(name.clone()).or_insert((Instant::now(), false));
            if *is_told || since.elapsed() < silence {
                continue;
            }
            *is_told = true;
            let policies = stores.policies.state();
            let Some(policy) = policies.iter().find(|policy| name_of(policy.as_ref()) == name) else {
                continue;
            };
            due.push((policy.object_ref(&()), event("NotWired", &remedy(published, &name, pods))));
        }
        due
    }
}

/// The policies that nobody calls, and how many pods they have.
fn silent(published: &Published, shared: &Shared) -> BTreeMap<Name, u32> {
    let pods: Vec<_> = published.pods.values().map(|record| record.facts.clone()).collect();
    let books = shared.books();
    let coverage = Coverage::of(&published.compiled, &pods, &books.links, &books.accounts);
    let silent = coverage.policies.into_iter().filter(|(_, counts)| counts.is_silent());
    silent.map(|(name, counts)| (name, counts.matched)).collect()
}

/// What to do about it: as the pods' own remarks say, else where to look.
fn remedy(published: &Published, policy: &Name, pods: u32) -> String {
    let noun = if pods == 1 { "sidecar serves" } else { "sidecars serve" };
    let passed_by = published.pods.values().find(|record| {
        record.carries
            && !record.remarks.is_empty()
            && bind(&published.compiled, &record.facts.pod).values().any(|winner| *winner == policy)
    });
    let remedy = match passed_by {
        Some(record) => {
            format!(
                "Pod {}/{}: {}",
                record.facts.pod.namespace, record.facts.pod.name, record.remarks[0].note
            )
        }
        None => "Let the application use OPENAI_BASE_URL as injected, as the stock SDK does, or call \
                 http://127.0.0.1:14100/v1."
            .to_owned(),
    };
    format!("{pods} {noun} this policy, and no call has come to any of them. {remedy}")
}

fn reference(record: &PodRecord) -> ObjectReference {
    let pod = &record.facts.pod;
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace.clone()),
        name: Some(pod.name.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

fn event(reason: &str, note: &str) -> Event {
    Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note[..note.floor_char_boundary(1000)].to_owned()),
        action: "Inject".to_owned(),
        secondary: None,
    }
}
