//! The request's `metadata`, read when somebody asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::ChatRequest;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
}

impl ChatRequest {
    /// Returns an entry of `metadata`, where it is a string. Reads the whole body again: only rules ask.
    pub fn metadata(&self, name: &str) -> Option<Cow<'_, str>> {
        let Body { mut metadata } = serde_json::from_slice(&self.body).ok()?;
        match metadata.remove(name)? {
            Value::String(text) => Some(Cow::Owned(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
