//! Visits every schema of every kind.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value};

/// One schema, and where it stands.
pub(crate) struct Node {
    /// Such as `LLMProvider.spec.models[].name`.
    pub(crate) path: String,
    /// Whether it is the value of a named property.
    pub(crate) is_property: bool,
    pub(crate) schema: Map<String, Value>,
}

impl Node {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.schema.get(key)?.as_str()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.schema.contains_key(key)
    }

    pub(crate) fn enum_values(&self) -> Vec<&str> {
        self.schema
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    pub(crate) fn properties(&self) -> Option<&Map<String, Value>> {
        self.schema.get("properties")?.as_object()
    }

    pub(crate) fn rules(&self) -> Vec<&Map<String, Value>> {
        let rules = self.schema.get("x-kubernetes-validations").and_then(Value::as_array);
        rules.into_iter().flatten().filter_map(Value::as_object).collect()
    }
}

/// Every schema of the definition, the root first.
pub(crate) fn nodes(crd: &CustomResourceDefinition) -> Vec<Node> {
    let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    let mut found = Vec::new();
    visit(&crd.spec.names.kind, false, &serde_json::to_value(schema).unwrap(), &mut found);
    found
}

fn visit(path: &str, is_property: bool, schema: &Value, found: &mut Vec<Node>) {
    let schema = schema.as_object().unwrap().clone();
    for (name, child) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        visit(&format!("{path}.{name}"), true, child, found);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(child) = schema.get(key) {
            visit(&format!("{path}{suffix}"), false, child, found);
        }
    }
    found.push(Node { path: path.to_owned(), is_property, schema });
}
