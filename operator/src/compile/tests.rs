//! Worlds written as manifests, and what becomes of them.
#![allow(clippy::unwrap_used)]

mod binding;
mod conditions;
mod filled;
mod scoping;

use pointsman_config::entry::{Compiled, Entry, Kind, Name, State};
use pointsman_config::policy::PolicyConfig;
use pointsman_config::provider::ProviderConfig;
use serde::Deserialize;

use super::*;

/// A world of the objects in a YAML stream; `metadata.generation` and `uid` are filled in. Namespaces get no labels but
/// those of a Namespace manifest; Secrets hold the keys of their `stringData`.
pub(crate) fn world(manifests: &str) -> World {
    let mut world = World::empty("pointsman-system", "2026-11-21".parse().unwrap());
    for document in serde_yaml::Deserializer::from_str(manifests) {
        let mut object = serde_json::Value::deserialize(document).unwrap();
        if object.is_null() {
            continue;
        }
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if kind != "Namespace" && object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = "shop".into();
        }
        object["metadata"]["uid"] = format!("uid-{name}").into();
        object["metadata"]["generation"] = 1.into();
        add(&mut world, &kind, object);
    }
    world
}

fn add(world: &mut World, kind: &str, object: serde_json::Value) {
    match kind {
        "LLMProvider" => world.providers.push(serde_json::from_value(object).unwrap()),
        "RoutingPolicy" => world.policies.push(serde_json::from_value(object).unwrap()),
        "Budget" => world.budgets.push(serde_json::from_value(object).unwrap()),
        "ABTest" => world.tests.push(serde_json::from_value(object).unwrap()),
        "Namespace" => {
            let labels = serde_json::from_value(object["metadata"]["labels"].clone()).unwrap_or_default();
            world.namespaces.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), labels);
        }
        "Secret" => {
            let name = name(&object);
            let keys = object["stringData"]
                .as_object()
                .map(|data| data.keys().cloned().collect())
                .unwrap_or_default();
            let annotation = object["metadata"]["annotations"][ALLOWED_HOSTS].as_str().unwrap_or_default();
            let facts =
                SecretFacts { version: "1".to_owned(), keys, allowed_hosts: allowed_hosts(annotation) };
            world.secrets.insert(name, SecretState::Present(facts));
        }
        other => panic!("no such kind: {other}"),
    }
}

fn name(object: &serde_json::Value) -> Name {
    let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
    Name::new(text("namespace"), text("name"))
}

/// A provider that serves models for nothing, and needs no key.
fn provider(name: &str, namespace: &str, models: &[&str], more: &str) -> String {
    let models: String = models
        .iter()
        .map(|m| format!("\n  - {{name: {m}, pricing: {{input: \"1\", output: \"2\"}}}}"))
        .collect();
    format!(
        "---\nkind: LLMProvider\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  type: Simulated\n  models:{models}\n{more}"
    )
}

/// A policy over candidates; `more` are further lines of its spec.
fn policy(name: &str, namespace: &str, candidates: &[&str], more: &str) -> String {
    let candidates: String = candidates.iter().map(|c| format!("\n  - {{model: {c}}}")).collect();
    format!(
        "---\nkind: RoutingPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  candidates:{candidates}\n{more}"
    )
}

fn pod(namespace: &str, labels: &[(&str, &str)]) -> Pod {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Pod { namespace: namespace.to_owned(), labels, ..Pod::default() }
}

fn policy_config(entry: &Entry) -> &PolicyConfig {
    match &entry.state {
        State::Valid(Compiled::Policy(config)) => config,
        other => panic!("no valid policy: {other:?}"),
    }
}

fn provider_config(entry: &Entry) -> &ProviderConfig {
    match &entry.state {
        State::Valid(Compiled::Provider(config)) => config,
        other => panic!("no valid provider: {other:?}"),
    }
}

fn keys(entries: &[Entry], kind: Kind) -> Vec<String> {
    entries.iter().filter(|entry| entry.key.kind == kind).map(|entry| entry.key.name.to_string()).collect()
}
