//! What an edit may not change, by the CRDs' own transition rules (`oldSelf`): what the API server compares, a folder does
//! too while it is served.

use serde_json::Value;

use super::schema::{Finding, broken_cel};

/// Tells every rule that the step from `old` to `new` breaks; both must keep all other rules.
///
/// The API server compares the items of a list by their keys where the schema gives keys, and none where it gives none.
pub(super) fn broken(schema: &Value, old: &Value, new: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    compare(schema, old, new, "", &mut found);
    found
}

fn compare(schema: &Value, old: &Value, new: &Value, path: &str, found: &mut Vec<Finding>) {
    // Lists are compared below, by key; by their places they would be compared with others.
    for finding in broken_cel(schema, new, Some(&without_lists(old))) {
        found.push(Finding { path: joined(path, &finding.path), ..finding });
    }
    lists(schema, old, new, path, found);
}

/// Finds the lists with keys in a value and compares their items.
fn lists(schema: &Value, old: &Value, new: &Value, path: &str, found: &mut Vec<Finding>) {
    if let (Value::Object(fields), Some(properties)) = (new, schema.get("properties")) {
        for (name, value) in fields {
            if let (Some(schema), Some(old)) = (properties.get(name), old.get(name)) {
                lists(schema, old, value, &joined(path, name), found);
            }
        }
    }
    let (Some(keys), Some(schema)) = (keys(schema), schema.get("items")) else { return };
    let (Some(olds), Some(news)) = (old.as_array(), new.as_array()) else { return };
    for (at, item) in news.iter().enumerate() {
        let same = |old: &&Value| keys.iter().all(|key| old.get(key) == item.get(key));
        if let Some(old) = olds.iter().find(same) {
            compare(schema, old, item, &format!("{path}[{at}]"), found);
        }
    }
}

/// The keys of a list's items, where it has any.
fn keys(schema: &Value) -> Option<Vec<&str>> {
    schema.get("x-kubernetes-list-map-keys")?.as_array()?.iter().map(Value::as_str).collect()
}

fn without_lists(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_array());
            kept.map(|(name, value)| (name.clone(), without_lists(value))).collect()
        }
        other => other.clone(),
    }
}

fn joined(path: &str, field: &str) -> String {
    match (path, field) {
        ("", path) | (path, "") => path.to_owned(),
        (path, field) => format!("{path}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A size that may only grow, at the top and in the items of a list with keys.
    fn schema() -> Value {
        let grows = json!([{ "rule": "self.size >= oldSelf.size", "message": "shrinks" }]);
        let item = json!({ "type": "object", "x-kubernetes-validations": grows,
            "properties": { "name": { "type": "string" }, "size": { "type": "integer" } } });
        json!({ "type": "object", "x-kubernetes-validations": grows, "properties": {
            "size": { "type": "integer" },
            "inner": { "type": "object", "properties": {
                "items": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item },
            } },
            "plain": { "type": "array", "items": item },
        } })
    }

    #[test]
    fn items_are_compared_by_key_and_others_not_at_all() {
        let item = |name: &str, size: u32| json!({ "name": name, "size": size });
        let world = |size: u32, items: Value| json!({ "size": size, "inner": { "items": items }, "plain": [item("p", 9 - size)] });
        let old = world(2, json!([item("a", 3), item("b", 5)]));
        for (what, new, expected) in [
            ("the same", old.clone(), vec![]),
            ("grown", world(3, json!([item("a", 4), item("b", 5)])), vec![]),
            ("turned round", world(2, json!([item("b", 5), item("a", 3)])), vec![]),
            ("a new small one first", world(2, json!([item("c", 1), item("a", 3)])), vec![]),
            ("none left", json!({ "size": 2 }), vec![]),
            ("shrunk at the top", world(1, json!([])), vec![""]),
            ("shrunk, turned round", world(2, json!([item("b", 5), item("a", 2)])), vec!["inner.items[1]"]),
            ("both", world(2, json!([item("b", 4), item("a", 2)])), vec!["inner.items[0]", "inner.items[1]"]),
        ] {
            let paths: Vec<String> = broken(&schema(), &old, &new).into_iter().map(|f| f.path).collect();
            assert_eq!(paths, expected, "{what}");
        }
    }
}
