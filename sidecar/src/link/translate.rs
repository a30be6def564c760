//! From the messages of the stream to the objects that are served.

use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::link;
use pointsman_config::provider::CredentialName;
use pointsman_core::snapshot::Problem;

use crate::control::Update;
use crate::secret::{Credential, Secret};

/// The update, and the entries that cannot be read; those count as invalid, so that their last good version stays.
pub(super) fn update(message: link::ConfigUpdate) -> (Update, Vec<Problem>) {
    let mut problems = Vec::new();
    let entries = message.entries.into_iter().filter_map(|entry| self::entry(entry, &mut problems)).collect();
    let credentials = message.credentials.into_iter().map(credential).collect();
    (Update { entries, credentials }, problems)
}

/// A problem, as the operator is told of it.
pub(super) fn problem(problem: Problem) -> link::Problem {
    let Problem { key: Key { kind, name }, path, message } = problem;
    let kind = match kind {
        Kind::Provider => "Provider",
        Kind::Policy => "Policy",
        Kind::Budget => "Budget",
    };
    let key = link::ObjectKey { kind: kind.to_owned(), namespace: name.namespace, name: name.name };
    link::Problem { key: Some(key), path, message }
}

fn entry(entry: link::Entry, problems: &mut Vec<Problem>) -> Option<Entry> {
    // A kind that a newer operator knows is nothing to us.
    let key = key(entry.key?)?;
    let state = match entry.state? {
        link::entry::State::Invalid(message) => State::Invalid { message },
        link::entry::State::Valid(json) => match serde_json::from_slice::<Compiled>(&json) {
            Ok(compiled) => State::Valid(compiled),
            Err(error) => {
                let message = format!("this version cannot read the object: {error}");
                problems.push(Problem { key: key.clone(), path: String::new(), message: message.clone() });
                State::Invalid { message }
            }
        },
    };
    Some(Entry { key, uid: entry.uid, generation: entry.generation, state })
}

fn key(key: link::ObjectKey) -> Option<Key> {
    let kind = match key.kind.as_str() {
        "Provider" => Kind::Provider,
        "Policy" => Kind::Policy,
        "Budget" => Kind::Budget,
        _ => return None,
    };
    Some(Key { kind, name: Name::new(key.namespace, key.name) })
}

fn credential(credential: link::Credential) -> Credential {
    let link::Credential { reference, version, secret } = credential;
    Credential { name: CredentialName { reference, version }, secret: Secret::new(secret) }
}
