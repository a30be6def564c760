//! Types of Kubernetes itself, bounded: label selectors and conditions.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::rule;

/// The rule of a selector that may not fit everything.
pub(crate) fn some_label() -> Rule {
    rule(
        "has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",
        "name at least one label in matchLabels or matchExpressions",
    )
}

/// A label selector whose lists and strings are bounded.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchExpressions": {
                "description": "Requirements on labels, ANDed. None when absent.",
                "type": "array",
                "maxItems": 16,
                "x-kubernetes-list-type": "atomic",
                "items": label_requirement(),
            },
            "matchLabels": {
                "description": "Labels and the values that they must have, ANDed. None when absent.",
                "type": "object",
                "maxProperties": 16,
                "additionalProperties": { "type": "string", "maxLength": 63 },
            },
        },
    })
}

fn label_requirement() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": { "description": "The label's key.", "type": "string", "minLength": 1, "maxLength": 317 },
            "operator": {
                "description": "How the label is compared: In and NotIn need values, Exists and DoesNotExist take none.",
                "type": "string",
                "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
            },
            "values": {
                "description": "The values to compare with; only with In and NotIn.",
                "type": "array",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": { "type": "string", "maxLength": 63 },
            },
        },
        "x-kubernetes-validations": [{
            "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "message": "give values with In and NotIn, and none with Exists and DoesNotExist",
        }],
    })
}

/// Conditions, as every status carries them.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "description": "When status last changed.", "type": "string", "format": "date-time",
                },
                "message": { "description": "What that means, for people.", "type": "string", "maxLength": 32768 },
                "observedGeneration": {
                    "description": "The generation of the spec that this speaks of.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "reason": {
                    "description": "Why, in one CamelCase word.", "type": "string", "minLength": 1, "maxLength": 64,
                },
                "status": {
                    "description": "Whether it holds.", "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "type": {
                    "description": "What is spoken of.", "type": "string", "minLength": 1, "maxLength": 64,
                },
            },
        },
    })
}
