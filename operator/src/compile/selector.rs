//! Label selectors, as Kubernetes reads them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::problem::{Problems, Reason};
use super::world::Labels;

/// Whether the labels fit. An expression with an unknown operator fits nothing.
pub fn fits(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let among = |value: &String| requirement.values.iter().flatten().any(|choice| choice == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Notes operators that do not exist and lists that do not belong to them.
pub(super) fn check(path: &str, selector: Option<&LabelSelector>, problems: &mut Problems) {
    let requirements = selector.iter().flat_map(|s| s.match_expressions.iter().flatten()).enumerate();
    for (index, requirement) in requirements {
        let wants_values = match requirement.operator.as_str() {
            "In" | "NotIn" => true,
            "Exists" | "DoesNotExist" => false,
            other => {
                let message = format!("\"{other}\" is no operator: write In, NotIn, Exists or DoesNotExist");
                problems.add(format!("{path}.matchExpressions[{index}].operator"), Reason::Invalid, message);
                continue;
            }
        };
        if wants_values == requirement.values.as_ref().is_none_or(Vec::is_empty) {
            let message = "give values with In and NotIn, and none with Exists and DoesNotExist";
            problems.add(format!("{path}.matchExpressions[{index}].values"), Reason::Invalid, message);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_expressions_are_anded() {
        let labels: Labels = serde_json::from_value(json!({"app": "bot", "team": "search"})).unwrap();
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "bot"}}), true),
            (json!({"matchLabels": {"app": "bot", "team": "shop"}}), false),
            (json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["bot", "web"]}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["bot"]}]}), false),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["bot"]}]}), true),
            (json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}), false),
            (json!({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "Matches"}]}), false),
            (
                json!({"matchLabels": {"app": "bot"}, "matchExpressions": [{"key": "team", "operator": "Exists"}]}),
                true,
            ),
        ] {
            let selector_value: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(fits(&selector_value, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn operators_and_their_values_are_checked() {
        let selector: LabelSelector = serde_json::from_value(json!({"matchExpressions": [
            {"key": "a", "operator": "Like", "values": ["x"]},
            {"key": "b", "operator": "In"},
            {"key": "c", "operator": "Exists", "values": ["x"]},
            {"key": "d", "operator": "Exists"},
        ]}))
        .unwrap();
        let mut problems = Problems::default();
        check("spec.targetSelector", Some(&selector), &mut problems);
        let paths: Vec<_> = problems.into_vec().into_iter().map(|p| p.path).collect();
        assert_eq!(
            paths,
            [
                "spec.targetSelector.matchExpressions[0].operator",
                "spec.targetSelector.matchExpressions[1].values",
                "spec.targetSelector.matchExpressions[2].values",
            ]
        );
    }
}
