//! Does every field keep the conventions of the API?

use pointsman_crds::all_crds;
use serde_json::Value;

use crate::walk::{Node, nodes};

/// Words that YAML 1.1 readers, kubectl among them, take for a boolean or a null.
const YAML_1_1_WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];

fn check(convention: &str, holds: impl Fn(&Node) -> bool) {
    let broken: Vec<String> =
        all_crds().iter().flat_map(nodes).filter(|node| !holds(node)).map(|node| node.path).collect();
    assert!(broken.is_empty(), "{convention}: {broken:#?}");
}

fn all_nodes() -> Vec<Node> {
    all_crds().iter().flat_map(nodes).collect()
}

#[test]
fn the_walk_sees_fields_at_every_depth() {
    let paths: Vec<String> = all_nodes().into_iter().map(|node| node.path).collect();
    for path in [
        "LLMProvider.spec.models[].pricing.input",
        "RoutingPolicy.spec.rules[].matches[].text.over",
        "Budget.status.limits[].for",
        "BudgetLedger.limits[].windows[].instances[].podUid",
    ] {
        assert!(paths.iter().any(|p| p == path), "{path}");
    }
}

#[test]
fn every_property_is_described() {
    check("described", |node| {
        !node.is_property || node.text("description").is_some_and(|d| d.ends_with('.'))
    });
}

#[test]
fn every_scalar_default_is_told() {
    check("default told", |node| match node.schema.get("default") {
        Some(Value::Object(_)) | None => true,
        Some(_) => node.text("description").is_some_and(|d| d.to_lowercase().contains("default")),
    });
}

#[test]
fn every_string_is_bounded() {
    check("bounded", |node| {
        node.text("type") != Some("string") || node.has("maxLength") || node.has("enum") || node.has("format")
    });
}

#[test]
fn every_list_is_bounded_and_has_a_list_type() {
    check("bounded, with a list type", |node| {
        node.text("type") != Some("array") || (node.has("maxItems") && node.has("x-kubernetes-list-type"))
    });
}

#[test]
fn every_map_is_bounded() {
    check("bounded", |node| !node.has("additionalProperties") || node.has("maxProperties"));
}

#[test]
fn numbers_are_signed_integers_with_a_minimum() {
    check("int32 or int64 with a minimum", |node| match node.text("type") {
        Some("number") => false,
        Some("integer") => matches!(node.text("format"), Some("int32" | "int64")) && node.has("minimum"),
        _ => true,
    });
}

/// What a request has, and which of two equals wins, can have no third value; all else is an enum that may grow.
const PREDICATES: [&str; 3] = [".hasImages", ".hasTools", ".preferred"];

#[test]
fn booleans_are_enums_instead() {
    check("no boolean", |node| {
        node.text("type") != Some("boolean") || PREDICATES.iter().any(|name| node.path.ends_with(name))
    });
}

#[test]
fn nothing_is_nullable() {
    check("not nullable", |node| {
        !node.has("nullable")
            && node.schema.get("enum").is_none_or(|v| v.as_array().unwrap().iter().all(Value::is_string))
    });
}

#[test]
fn enum_values_are_camel_case_and_no_yaml_booleans() {
    check("CamelCase, no YAML 1.1 word", |node| {
        // Nobody writes conditions by hand, and Kubernetes has fixed their values.
        let fixed_by_kubernetes = node.path.ends_with(".conditions[].status");
        fixed_by_kubernetes
            || node.enum_values().iter().all(|value| {
                value.starts_with(|c: char| c.is_ascii_uppercase())
                    && value.chars().all(|c| c.is_ascii_alphanumeric())
                    && !YAML_1_1_WORDS.contains(&value.to_lowercase().as_str())
            })
    });
}

#[test]
fn every_rule_says_what_to_do_in_its_own_words() {
    check("a message", |node| {
        node.rules().iter().all(|rule| {
            let message = rule.get("message").and_then(Value::as_str).unwrap_or_default();
            !message.is_empty() && !message.ends_with('.') && !message.contains('\n')
        })
    });
}

#[test]
fn every_union_ties_each_member_to_its_type() {
    check("a rule per member", |node| {
        let Some(properties) = node.properties() else { return true };
        let Some(kinds) = properties.get("type").and_then(|t| t.get("enum")).and_then(Value::as_array) else {
            return true;
        };
        kinds.iter().filter_map(Value::as_str).all(|kind| {
            let member = properties.keys().find(|name| name.eq_ignore_ascii_case(kind));
            member.is_none_or(|member| {
                node.rules().iter().any(|rule| ties(rule["rule"].as_str().unwrap(), kind, member))
            })
        })
    });
}

/// `has(member)` if and only if the type says so; a Simulated provider may leave its settings out.
fn ties(rule: &str, kind: &str, member: &str) -> bool {
    rule == format!("has(self.{member}) == (self.type == '{kind}')")
        || rule == format!("self.type == '{kind}' || !has(self.{member})")
}

#[test]
fn status_rows_are_named_by_what_sorts_first() {
    let broken: Vec<String> = all_nodes()
        .into_iter()
        .filter(|node| node.path.contains(".status.") && !node.path.ends_with(".conditions"))
        .filter_map(|node| {
            let keys = node.schema.get("x-kubernetes-list-map-keys")?.as_array()?.clone();
            let mut names: Vec<&String> = node.schema["items"]["properties"].as_object()?.keys().collect();
            names.sort();
            let first: Vec<Value> = names.into_iter().take(keys.len()).cloned().map(Value::from).collect();
            (first != keys).then_some(node.path)
        })
        .collect();
    assert!(broken.is_empty(), "kubectl describe would show another field first: {broken:?}");
}

#[test]
fn the_four_kinds_are_found_under_both_categories_and_the_ledger_under_none() {
    for crd in all_crds() {
        let names = crd.spec.names;
        let expected: &[&str] = match names.kind.as_str() {
            "BudgetLedger" => &[],
            _ => &["pointsman", "llm"],
        };
        assert_eq!(names.categories.unwrap_or_default(), expected, "{}", names.kind);
        assert_eq!(crd.spec.scope, "Namespaced", "{}", names.kind);
    }
    let short: Vec<String> =
        all_crds().into_iter().flat_map(|crd| crd.spec.names.short_names.unwrap_or_default()).collect();
    assert_eq!(short, ["llmp", "rpol", "abt", "bgt"]);
}

#[test]
fn every_column_reads_one_string_that_exists() {
    for crd in all_crds() {
        let paths: Vec<Node> = nodes(&crd);
        for column in crd.spec.versions[0].additional_printer_columns.clone().unwrap_or_default() {
            match column.name.as_str() {
                "Age" => assert_eq!(
                    (column.type_.as_str(), column.json_path.as_str()),
                    ("date", ".metadata.creationTimestamp")
                ),
                "Ready" => assert_eq!(column.json_path, ".status.conditions[?(@.type=='Ready')].status"),
                name => {
                    let path = format!("{}{}", crd.spec.names.kind, column.json_path);
                    let node = paths.iter().find(|node| node.path == path);
                    let node =
                        node.unwrap_or_else(|| panic!("column {name} reads {path}, which does not exist"));
                    assert_eq!(
                        (node.text("type"), column.type_.as_str()),
                        (Some("string"), "string"),
                        "{path}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_summary_string_is_a_column_or_said_in_describe() {
    let only_described = ["RoutingPolicy.status.summary.virtualModels", "Budget.status.summary.asOf"];
    for crd in all_crds() {
        let columns: Vec<String> = crd.spec.versions[0]
            .additional_printer_columns
            .iter()
            .flatten()
            .map(|c| c.json_path.clone())
            .collect();
        for node in nodes(&crd) {
            let Some((kind, path)) = node.path.split_once(".status.summary.") else { continue };
            let shown = columns.contains(&format!(".status.summary.{path}"))
                || only_described.contains(&node.path.as_str());
            assert!(shown, "{kind}: no column shows summary.{path}");
        }
    }
}
