//! Are the committed manifests those that the types generate?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pointsman_crds::manifests;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn committed_manifests_are_fresh() {
    for (path, content) in manifests() {
        let found = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        assert!(found == content, "{path} is stale: run `make manifests`");
    }
}

#[test]
fn nothing_else_lies_among_the_generated_files() {
    let generated: BTreeSet<PathBuf> = manifests().into_iter().map(|(path, _)| root().join(path)).collect();
    for folder in ["manifests/crds", "manifests/rbac", "manifests/admission"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            assert!(generated.contains(&path), "{} is not generated: remove it", path.display());
        }
    }
}

#[test]
fn manifests_are_yaml_that_json_readers_share() {
    for (path, content) in manifests() {
        for document in serde_yaml::Deserializer::from_str(&content) {
            let value: serde_json::Value = serde::Deserialize::deserialize(document).unwrap();
            assert!(value["kind"].is_string(), "{path}");
        }
    }
}

#[test]
fn view_reads_all_kinds_and_only_admin_writes_budgets() {
    let granted = |role: &str, verb: &str, resource: &str| {
        let (_, users) =
            manifests().into_iter().find(|(path, _)| path == "manifests/rbac/users.yaml").unwrap();
        serde_yaml::Deserializer::from_str(&users)
            .map(|document| <serde_json::Value as serde::Deserialize>::deserialize(document).unwrap())
            .filter(|object| {
                object["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{role}")]
                    == "true"
            })
            .flat_map(|object| object["rules"].as_array().unwrap().clone())
            .any(|rule| contains(&rule["verbs"], verb) && contains(&rule["resources"], resource))
    };
    let contains_all = |role, verb, resources: &[&str]| resources.iter().all(|r| granted(role, verb, r));

    assert!(contains_all("view", "watch", &["llmproviders", "routingpolicies", "abtests", "budgets"]));
    assert!(contains_all("edit", "patch", &["llmproviders", "routingpolicies", "abtests"]));
    assert!(granted("admin", "patch", "budgets"));
    assert!(!granted("edit", "patch", "budgets"));
    for role in ["view", "edit", "admin"] {
        assert!(!granted(role, "get", "budgetledgers"), "{role} sees ledgers");
    }
}

fn contains(list: &serde_json::Value, text: &str) -> bool {
    list.as_array().unwrap().iter().any(|item| item == text)
}
