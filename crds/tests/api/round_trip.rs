//! Do the Rust types keep everything that people write?

use std::path::{Path, PathBuf};

use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The manifests that the API server accepts, as the tests against a real one prove.
fn accepted() -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/crd/accept");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let value = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            files.push((path, value));
        }
    }
    files
}

fn through<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &Value) -> Value {
    let object: T = serde_json::from_value(value.clone()).unwrap();
    let written = serde_json::to_value(&object).unwrap();
    assert_eq!(
        serde_json::from_value::<T>(written.clone()).unwrap(),
        object,
        "a second trip changes nothing"
    );
    written
}

#[test]
fn what_people_write_survives_a_round_trip() {
    let files = accepted();
    assert!(files.len() >= 40, "only {} accepted manifests found", files.len());
    for (path, value) in files {
        let written = match value["kind"].as_str().unwrap() {
            "LLMProvider" => through::<LLMProvider>(&value),
            "RoutingPolicy" => through::<RoutingPolicy>(&value),
            "ABTest" => through::<ABTest>(&value),
            "Budget" => through::<Budget>(&value),
            other => panic!("{}: kind {other}", path.display()),
        };
        if let Some(lost) = lost(&value, &written, String::new()) {
            panic!("{}: {lost} got lost", path.display());
        }
    }
}

/// The first path of `written_by_people` that `kept` lacks. Empty lists and objects may vanish: they say nothing.
fn lost(written_by_people: &Value, kept: &Value, path: String) -> Option<String> {
    match (written_by_people, kept) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, value)| match b.get(key) {
            Some(kept) => lost(value, kept, format!("{path}.{key}")),
            None => Some(format!("{path}.{key}")),
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| lost(a, b, format!("{path}[{i}]")))
        }
        (a, b) => (a != b).then_some(path),
    }
}

#[test]
fn a_minimal_provider_has_the_documented_defaults() {
    let provider: LLMProvider = serde_json::from_value(serde_json::json!({
        "apiVersion": "pointsman.dev/v1alpha1", "kind": "LLMProvider", "metadata": { "name": "openai" },
        "spec": { "type": "OpenAI", "auth": { "apiKey": { "secretRef": { "name": "openai" } } } }
    }))
    .unwrap();
    let spec = serde_json::to_value(&provider.spec).unwrap();
    assert_eq!(
        spec,
        serde_json::json!({
            "type": "OpenAI",
            "auth": { "type": "APIKey", "apiKey": { "secretRef": { "name": "openai", "key": "apiKey" } } },
            "circuitBreaker": { "consecutiveErrors": 5, "openFor": "1s" },
            "timeouts": { "connect": "2s", "firstToken": "60s", "idle": "30s", "total": "10m" },
        })
    );
}
