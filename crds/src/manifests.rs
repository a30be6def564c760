//! Everything under `manifests/`: CustomResourceDefinitions made from the types, roles, admission.

mod admission;
mod rbac;
mod yaml;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;

use crate::v1alpha1::{ABTest, Budget, BudgetLedger, LLMProvider, RoutingPolicy};

/// The CustomResourceDefinitions, ready to be installed.
///
/// Use these rather than `Kind::crd()`: here `null` is not a value of optional fields, so that CEL's `has()` means what it
/// says.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    [LLMProvider::crd(), RoutingPolicy::crd(), ABTest::crd(), Budget::crd(), BudgetLedger::crd()]
        .map(tidied)
        .to_vec()
}

/// Every generated file: its path from the repository's root, and its content.
pub fn manifests() -> Vec<(String, String)> {
    let crds = all_crds().into_iter().map(|crd| {
        let path = format!("manifests/crds/{}.yaml", crd.spec.names.plural);
        (path, yaml::document(&to_value(&crd)))
    });
    let roles = rbac::files()
        .into_iter()
        .map(|(name, objects)| (format!("manifests/rbac/{name}.yaml"), yaml::documents(&objects)));
    let admission = admission::files()
        .into_iter()
        .map(|(name, objects)| (format!("manifests/admission/{name}.yaml"), yaml::documents(&objects)));
    crds.chain(roles).chain(admission).collect()
}

fn tidied(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut value = to_value(&crd);
    tidy(&mut value, false);
    serde_json::from_value(value).expect("a tidied definition is a definition")
}

/// Drops nulls and titles from schemas and unwraps descriptions; the keys of `properties` are fields and stay.
fn tidy(value: &mut Value, keys_are_fields: bool) {
    match value {
        Value::Object(map) => {
            if !keys_are_fields {
                map.remove("nullable");
                map.remove("title");
                if let Some(Value::Array(values)) = map.get_mut("enum") {
                    values.retain(|value| !value.is_null());
                }
                if let Some(Value::String(text)) = map.get_mut("description") {
                    *text = text.replace('\n', " ");
                }
            }
            for (key, child) in map.iter_mut() {
                tidy(child, !keys_are_fields && key == "properties");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| tidy(item, false)),
        _ => {}
    }
}

fn to_value<T: serde::Serialize>(object: &T) -> Value {
    serde_json::to_value(object).expect("API objects serialise")
}
