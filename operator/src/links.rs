//! What each connected sidecar was offered, and what it answered. Pure.

use std::collections::BTreeMap;

use pointsman_config::entry::{Entry, Key, Kind, Name, State};
use pointsman_config::link::Nack;

/// A version of one object: its uid and generation.
pub type Version = (String, i64);

/// Of what a sidecar refuses, so much is kept: it ends in a status, which has its limits.
const MOST_REFUSALS: usize = 8;
const MOST_REFUSAL_BYTES: usize = 300;

/// What one sidecar refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of which object; of the update as a whole where it could not tell.
    pub key: Option<Key>,
    /// Where in the object.
    pub path: String,
    /// Why.
    pub message: String,
}

/// One connected sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecar {
    /// The namespace and name of its pod.
    pub pod: (String, String),
    /// Which start of the process, as it says.
    pub incarnation: String,
    nonce: u64,
    offered: BTreeMap<Key, Version>,
    served: BTreeMap<Key, Version>,
    refusals: Vec<Refusal>,
}

impl Sidecar {
    /// Whether it serves this version of an object.
    pub fn serves(&self, key: &Key, version: &Version) -> bool {
        self.served.get(key) == Some(version)
    }

    /// What it refused of the newest update.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

/// The connected sidecars by pod uid. A pod has one sidecar; of two streams the younger counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    sidecars: BTreeMap<String, (u64, Sidecar)>,
    streams: u64,
}

impl Links {
    /// Notes a new stream and numbers it.
    pub fn connect(&mut self, pod_uid: &str, pod: (String, String), incarnation: &str) -> u64 {
        self.streams += 1;
        let sidecar = Sidecar { pod, incarnation: incarnation.to_owned(), ..Sidecar::default() };
        self.sidecars.insert(pod_uid.to_owned(), (self.streams, sidecar));
        self.streams
    }

    /// Forgets a stream, unless a younger one of the same pod has taken its place.
    pub fn disconnect(&mut self, pod_uid: &str, stream: u64) {
        if self.sidecars.get(pod_uid).is_some_and(|(current, _)| *current == stream) {
            self.sidecars.remove(pod_uid);
        }
    }

    /// Notes what was offered under a nonce.
    pub fn offer(&mut self, pod_uid: &str, stream: u64, nonce: u64, entries: &[Entry]) {
        let Some(sidecar) = self.current(pod_uid, stream) else { return };
        let valid = entries.iter().filter(|entry| matches!(entry.state, State::Valid(_)));
        sidecar.offered = valid.map(|e| (e.key.clone(), (e.uid.clone(), e.generation))).collect();
        sidecar.nonce = nonce;
    }

    /// The sidecar serves the update with this nonce. An answer to an older one says nothing of the newest.
    pub fn ack(&mut self, pod_uid: &str, stream: u64, nonce: u64) {
        if let Some(sidecar) = self.current(pod_uid, stream).filter(|sidecar| sidecar.nonce == nonce) {
            sidecar.served = sidecar.offered.clone();
            sidecar.refusals.clear();
        }
    }

    /// The sidecar refused the update with this nonce as a whole.
    pub fn nack(&mut self, pod_uid: &str, stream: u64, nack: &Nack) {
        let Some(sidecar) = self.current(pod_uid, stream).filter(|sidecar| sidecar.nonce == nack.nonce)
        else {
            return;
        };
        let refusal = |problem: &pointsman_config::link::Problem| Refusal {
            key: problem.key.as_ref().and_then(parse_key),
            path: bounded(&problem.path),
            message: bounded(&problem.message),
        };
        sidecar.refusals = nack.problems.iter().take(MOST_REFUSALS).map(refusal).collect();
        if sidecar.refusals.is_empty() {
            let message = "the update as a whole, without a reason".to_owned();
            sidecar.refusals.push(Refusal { key: None, path: String::new(), message });
        }
    }

    fn current(&mut self, pod_uid: &str, stream: u64) -> Option<&mut Sidecar> {
        self.sidecars.get_mut(pod_uid).filter(|(current, _)| *current == stream).map(|(_, sidecar)| sidecar)
    }

    /// The sidecar of a pod.
    pub fn of(&self, pod_uid: &str) -> Option<&Sidecar> {
        self.sidecars.get(pod_uid).map(|(_, sidecar)| sidecar)
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.sidecars.len()
    }

    /// Whether none is connected.
    pub fn is_empty(&self) -> bool {
        self.sidecars.is_empty()
    }
}

fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_REFUSAL_BYTES)].to_owned()
}

/// Reads the key of an object as messages spell it.
pub fn parse_key(key: &pointsman_config::link::ObjectKey) -> Option<Key> {
    let kind = match key.kind.as_str() {
        "Provider" => Kind::Provider,
        "Policy" => Kind::Policy,
        "Budget" => Kind::Budget,
        _ => return None,
    };
    Some(Key { kind, name: Name::new(&key.namespace, &key.name) })
}

#[cfg(test)]
mod tests {
    use pointsman_config::link::{ObjectKey, Problem};

    use super::*;

    fn entry(generation: i64) -> Entry {
        use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, OnExhausted, Rights};
        let budget = BudgetConfig {
            owner: None,
            selector: BudgetSelector::default(),
            limits: Vec::new(),
            enforcement: Enforcement::Soft,
            on_exhausted: OnExhausted::Notify,
            rights: Rights::CountingOnly,
        };
        let state = State::Valid(pointsman_config::entry::Compiled::Budget(budget));
        Entry { key: key(), uid: "u".to_owned(), generation, state }
    }

    fn key() -> Key {
        Key { kind: Kind::Budget, name: Name::new("shop", "month") }
    }

    fn serves(links: &Links, generation: i64) -> bool {
        links.of("pod").is_some_and(|sidecar| sidecar.serves(&key(), &("u".to_owned(), generation)))
    }

    #[test]
    fn an_answer_counts_for_the_update_that_it_names() {
        let mut links = Links::default();
        let stream = links.connect("pod", Default::default(), "1");
        links.offer("pod", stream, 1, &[entry(1)]);
        links.offer("pod", stream, 2, &[entry(2)]);
        links.ack("pod", stream, 1);
        assert!(!serves(&links, 1) && !serves(&links, 2));
        links.ack("pod", stream, 2);
        assert!(serves(&links, 2));
    }

    #[test]
    fn a_refusal_keeps_what_was_served_and_names_the_object() {
        let mut links = Links::default();
        let stream = links.connect("pod", Default::default(), "1");
        links.offer("pod", stream, 1, &[entry(1)]);
        links.ack("pod", stream, 1);
        links.offer("pod", stream, 2, &[entry(2)]);
        let object =
            ObjectKey { kind: "Budget".to_owned(), namespace: "shop".to_owned(), name: "month".to_owned() };
        let problem = Problem { key: Some(object), path: "limits[0]".to_owned(), message: "no".to_owned() };
        links.nack("pod", stream, &Nack { nonce: 2, problems: vec![problem] });
        assert!(serves(&links, 1));
        let refusals = links.of("pod").map(|sidecar| sidecar.refusals().to_vec()).unwrap_or_default();
        assert_eq!(
            refusals,
            [Refusal { key: Some(key()), path: "limits[0]".to_owned(), message: "no".to_owned() }]
        );
        links.offer("pod", stream, 3, &[entry(3)]);
        links.ack("pod", stream, 3);
        assert!(links.of("pod").is_some_and(|sidecar| sidecar.refusals().is_empty()));
    }

    #[test]
    fn a_sidecar_that_refuses_at_length_is_kept_short() {
        let mut links = Links::default();
        let stream = links.connect("pod", Default::default(), "1");
        links.offer("pod", stream, 1, &[entry(1)]);
        let problem = Problem { message: "ä".repeat(100_000), ..Problem::default() };
        links.nack("pod", stream, &Nack { nonce: 1, problems: vec![problem; 1000] });
        let refusals = links.of("pod").map(|sidecar| sidecar.refusals().to_vec()).unwrap_or_default();
        assert_eq!(refusals.len(), MOST_REFUSALS);
        assert!(refusals.iter().all(|refusal| refusal.message.len() <= MOST_REFUSAL_BYTES));
    }

    #[test]
    fn the_younger_of_two_streams_counts_and_the_older_ends_without_a_trace() {
        let mut links = Links::default();
        let old = links.connect("pod", Default::default(), "1");
        let young = links.connect("pod", Default::default(), "2");
        links.offer("pod", old, 1, &[entry(1)]);
        links.ack("pod", old, 1);
        links.disconnect("pod", old);
        assert!(!serves(&links, 1) && links.len() == 1);
        links.disconnect("pod", young);
        assert!(links.is_empty());
    }
}
