//! The API server's rules, offline: defaults, structure and CEL of the shipped CRDs.

use std::collections::HashMap;

use pointsman_models::did_you_mean;
use serde_json::{Map, Value};

use super::locate::Part;
use super::{Manifest, transition};

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) part: Part,
    pub(super) message: String,
}

impl Finding {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), part: Part::Value, message: message.into() }
    }
}

/// The schemas of our kinds.
pub(super) struct Rules {
    schemas: HashMap<String, Value>,
}

impl Rules {
    /// Those of the CRDs in this program.
    pub(super) fn shipped() -> Self {
        let schemas = pointsman_crds::all_crds().into_iter().filter_map(|crd| {
            let version = crd.spec.versions.into_iter().next()?;
            let schema = version.schema?.open_api_v3_schema?;
            Some((crd.spec.names.kind, serde_json::to_value(schema).ok()?))
        });
        Self { schemas: schemas.collect() }
    }

    /// Whether a kind is one of ours.
    pub(super) fn know(&self, kind: &str) -> bool {
        self.schemas.contains_key(kind)
    }

    /// Tells what an edit changed that must stay as it was.
    pub(super) fn changes(&self, old: &Manifest, new: &Manifest) -> Vec<Finding> {
        let schema = self.schemas.get(&new.kind);
        schema.map_or_else(Vec::new, |schema| transition::broken(schema, &old.object, &new.object))
    }

    /// Applies defaults to the object and tells every rule that it breaks.
    pub(super) fn apply(&self, manifest: &mut Manifest) -> Vec<Finding> {
        let mut found = Vec::new();
        if manifest.name.is_empty() {
            found.push(Finding::new("metadata.name", "a name is needed"));
        }
        let Some(schema) = self.schemas.get(&manifest.kind) else { return found };
        let group = manifest.object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if group != "pointsman.dev/v1alpha1" {
            let message = format!("\"{group}\" does not have this kind: write pointsman.dev/v1alpha1");
            found.push(Finding::new("apiVersion", message));
        }
        let Some(spec_schema) = schema.pointer("/properties/spec") else { return found };
        let spec = manifest.object.as_object_mut().map(|o| o.entry("spec").or_insert(Value::Null));
        let Some(spec) = spec else { return found };
        apply_defaults(spec_schema, spec);
        walk(spec_schema, spec, "spec", &mut found);
        if found.is_empty() {
            found.extend(broken_cel(schema, &manifest.object, None));
        }
        found
    }
}

/// Fills in what is absent, as the API server does: an absent parent stays absent.
fn apply_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for (name, property) in properties {
                if let (None, Some(default)) = (fields.get(name), property.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(field) = fields.get_mut(name) {
                    apply_defaults(property, field);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            items.iter_mut().for_each(|item| apply_defaults(schema, item));
        }
        _ => {}
    }
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<Finding>) {
    let mut say = |message: String| found.push(Finding::new(path, message));
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    match (wanted, value) {
        ("object", Value::Object(fields)) => walk_object(schema, fields, path, found),
        ("array", Value::Array(items)) => walk_array(schema, items, path, found),
        ("string", Value::String(text)) => check_string(schema, text, &mut say),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
            check_integer(schema, number.as_i64().unwrap_or(i64::MAX), &mut say);
        }
        ("boolean", Value::Bool(_)) | ("", _) => {}
        (_, Value::Null) if schema.get("nullable") == Some(&Value::Bool(true)) => {}
        ("string", Value::Number(number)) if path.ends_with(".amount") => {
            say(format!("a number without a unit: write {number} USD, {number} Tokens or {number} Requests"));
        }
        ("string", Value::Number(number)) => say(format!("a string is needed: write \"{number}\"")),
        (wanted, value) => say(format!("{} where {} is needed", kind_of(value), with_article(wanted))),
    }
}

fn walk_object(schema: &Value, fields: &Map<String, Value>, path: &str, found: &mut Vec<Finding>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !fields.contains_key(*name)) {
        found.push(Finding::new(path, format!("\"{name}\" is required")));
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (properties.and_then(|p| p.get(name)), schema.get("additionalProperties")) {
            (Some(property), _) => walk(property, value, &path, found),
            (None, Some(additional)) => walk(additional, value, &path, found),
            (None, None) => {
                let known: Vec<&str> = properties.into_iter().flatten().map(|(k, _)| k.as_str()).collect();
                let hint =
                    did_you_mean(name, known).map(|k| format!(". Did you mean {k}?")).unwrap_or_default();
                let message = format!("unknown field \"{name}\"{hint}");
                found.push(Finding { path, part: Part::Name, message });
            }
        }
    }
}

fn walk_array(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Finding>) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64).map(|n| n as usize);
    let mut say = |path: String, message: String| found.push(Finding::new(path, message));
    if let Some(least) = bound("minItems").filter(|least| items.len() < *least) {
        say(path.to_owned(), format!("{} entries; at least {least} are needed", items.len()));
    }
    if let Some(most) = bound("maxItems").filter(|most| items.len() > *most) {
        say(path.to_owned(), format!("{} entries; at most {most} are allowed", items.len()));
    }
    for (i, key) in doubles(schema, items) {
        say(format!("{path}[{i}]"), format!("duplicate value {key}"));
    }
    let Some(schema) = schema.get("items") else { return };
    for (i, item) in items.iter().enumerate() {
        walk(schema, item, &format!("{path}[{i}]"), found);
    }
}

/// Items that stand there already: by their keys in a list-map, whole in a set.
fn doubles(schema: &Value, items: &[Value]) -> Vec<(usize, String)> {
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_set = schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set");
    if keys.is_empty() && !is_set {
        return Vec::new();
    }
    let key_of = |item: &Value| match keys.as_slice() {
        [] => vec![Some(item.clone())],
        keys => keys.iter().map(|k| item.get(*k).cloned()).collect::<Vec<_>>(),
    };
    let seen: Vec<_> = items.iter().map(key_of).collect();
    let what = |i: usize| if is_set { items[i].to_string() } else { format!("of {}", keys.join(", ")) };
    (1..seen.len()).filter(|i| seen[..*i].contains(&seen[*i])).map(|i| (i, what(i))).collect()
}

fn check_string(schema: &Value, text: &str, say: &mut impl FnMut(String)) {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        if !choices.contains(&text) {
            say(format!("\"{text}\" is none of {}", choices.join(", ")));
        }
    }
    let length = text.chars().count() as u64;
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    if bound("minLength").is_some_and(|least| length < least) {
        say("must not be empty".to_owned());
    }
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        say(format!("{length} characters; at most {most} are allowed"));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    let missed = |pattern: &&str| regex::Regex::new(pattern).is_ok_and(|p| !p.is_match(text));
    if let Some(pattern) = pattern.filter(missed) {
        say(format!("\"{text}\" does not have the form {pattern}"));
    }
}

fn check_integer(schema: &Value, number: i64, say: &mut impl FnMut(String)) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64).map(|n| n as i64);
    if let Some(least) = bound("minimum").filter(|least| number < *least) {
        say(format!("{number} is below {least}"));
    }
    if let Some(most) = bound("maximum").filter(|most| number > *most) {
        say(format!("{number} is above {most}"));
    }
}

/// The rules in CEL that an object breaks, or the step to it from `old`.
pub(super) fn broken_cel(schema: &Value, object: &Value, old: Option<&Value>) -> Vec<Finding> {
    match kube_cel::Validator::new().validate(schema, object, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|e| Finding::new(e.field_path, e.message)).collect(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of fields",
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "object" => "a group of fields".to_owned(),
        "array" => "a list".to_owned(),
        "integer" => "a whole number".to_owned(),
        other => format!("a {other}"),
    }
}
