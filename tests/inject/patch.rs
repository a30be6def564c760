//! Applies patches that only add, and tells whether everything that was there still is.

use k8s_openapi::api::core::v1::Pod;
use pointsman_operator::inject::{Refusal, Settings, plan};
use serde_json::{Value, json};

pub(crate) const IMAGE: &str = "registry.example/pointsman:0.1.0";

/// As the goldens and the operator of these tests inject.
pub(crate) fn settings() -> Settings {
    let amounts = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    };
    Settings {
        image: IMAGE.to_owned(),
        pull_policy: "IfNotPresent".to_owned(),
        operator: "pointsman.pointsman-system.svc:14110".to_owned(),
        requests: amounts(&[("cpu", "50m"), ("memory", "32Mi")]),
        limits: amounts(&[("memory", "128Mi")]),
        root_namespace: "pointsman-system".to_owned(),
    }
}

/// The patch for a pod, as JSON.
pub(crate) fn planned(pod: &Value) -> Result<Vec<Value>, Refusal> {
    let pod: Pod = serde_json::from_value(pod.clone()).expect("a pod");
    let operations = plan(&pod, &settings())?;
    Ok(operations.iter().map(|operation| json!(operation)).collect())
}

/// Applies a patch. Panics at anything that does not add, or would replace.
pub(crate) fn apply(pod: &Value, patch: &[Value]) -> Value {
    let mut patched = pod.clone();
    for operation in patch {
        assert_eq!(operation["op"], "add", "{operation}");
        let path = operation["path"].as_str().unwrap();
        let (parent, last) = path.rsplit_once('/').unwrap();
        let parent = patched.pointer_mut(parent).unwrap_or_else(|| panic!("{path} has no parent"));
        let value = operation["value"].clone();
        match parent {
            Value::Array(items) if last == "-" => items.push(value),
            Value::Array(items) => items.insert(last.parse().unwrap(), value),
            Value::Object(fields) => {
                let before = fields.insert(last.replace("~1", "/").replace("~0", "~"), value);
                let was_empty =
                    before.as_ref().is_none_or(|before| *before == json!([]) || *before == json!({}));
                assert!(was_empty, "{path} replaces {before:?}");
            }
            other => panic!("{path}: nothing can be added to {other}"),
        }
    }
    patched
}

/// Whether everything of `before` is in `after`, in its order.
pub(crate) fn contains(after: &Value, before: &Value) -> bool {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => {
            before.iter().all(|(key, value)| after.get(key).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(after), Value::Array(before)) => {
            let mut rest = after.iter();
            before.iter().all(|item| rest.any(|found| contains(found, item)))
        }
        (after, before) => after == before,
    }
}
