//! Roles: what people may do with the four kinds, and the least that the operator needs.

use serde_json::{Value, json};

use crate::shared::GROUP;

/// Where the operator lives: the root namespace.
pub(super) const ROOT_NAMESPACE: &str = "pointsman-system";
/// As whom it runs.
const SERVICE_ACCOUNT: &str = "pointsman";

const KINDS: [&str; 4] = ["abtests", "budgets", "llmproviders", "routingpolicies"];
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// The files under `manifests/rbac/`, by name.
pub(super) fn files() -> Vec<(&'static str, Vec<Value>)> {
    vec![("users", users()), ("operator", operator())]
}

/// Who may view may read everything; who may edit may change how calls are routed; only who administers a namespace may
/// change what it may spend.
fn users() -> Vec<Value> {
    let routing = ["abtests", "llmproviders", "routingpolicies"];
    vec![
        aggregated("view", json!([rule(&[GROUP], &KINDS, &READ)])),
        aggregated("edit", json!([rule(&[GROUP], &routing, &WRITE)])),
        aggregated("admin", json!([rule(&[GROUP], &["budgets"], &WRITE)])),
    ]
}

fn operator() -> Vec<Value> {
    let statuses = KINDS.map(|kind| format!("{kind}/status"));
    let statuses = statuses.each_ref().map(String::as_str);
    let cluster = json!([
        rule(&[GROUP], &KINDS, &READ),
        rule(&[GROUP], &statuses, &["patch"]),
        rule(&[""], &["namespaces", "pods"], &READ),
        rule(&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
        rule(&["events.k8s.io"], &["events"], &["create", "patch"]),
        // What injected pods trust, in every namespace that has some.
        named(rule(&[""], &["configmaps"], &["create", "get", "list", "patch", "watch"]), "pointsman-trust"),
        // Of the webhook's configuration the operator writes the caBundle.
        named(
            rule(
                &["admissionregistration.k8s.io"],
                &["mutatingwebhookconfigurations"],
                &["get", "list", "patch", "watch"],
            ),
            "pointsman",
        ),
    ]);
    let root = json!([
        rule(&[GROUP], &["budgetledgers"], &["create", "get", "list", "update"]),
        rule(&["coordination.k8s.io"], &["leases"], &["create"]),
        named(rule(&["coordination.k8s.io"], &["leases"], &["get", "update"]), "pointsman"),
        // The operator's own authority, and the images that it injects; what it may create it may read and change only under
        // these names.
        rule(&[""], &["secrets"], &["create"]),
        named(rule(&[""], &["secrets"], &["get", "list", "update", "watch"]), "pointsman-tls"),
        named(rule(&[""], &["configmaps"], &["create", "get", "patch"]), "pointsman-sidecar"),
    ]);
    vec![
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": SERVICE_ACCOUNT, "namespace": ROOT_NAMESPACE, "labels": labels() },
        }),
        cluster_role("pointsman-operator", json!({}), cluster),
        cluster_role("pointsman-secret-reader", json!({}), json!([rule(&[""], &["secrets"], &READ)])),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": { "name": "pointsman-operator", "namespace": ROOT_NAMESPACE, "labels": labels() },
            "rules": root,
        }),
        binding(
            "ClusterRoleBinding",
            "ClusterRole",
            json!({ "name": "pointsman-operator", "labels": labels() }),
        ),
        binding(
            "RoleBinding",
            "Role",
            json!({ "name": "pointsman-operator", "namespace": ROOT_NAMESPACE, "labels": labels() }),
        ),
    ]
}

fn binding(kind: &str, role_kind: &str, metadata: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": "pointsman-operator" },
        "subjects": [{ "kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": ROOT_NAMESPACE }],
    })
}

/// A role that Kubernetes adds to the built-in one of the same name.
fn aggregated(name: &str, rules: Value) -> Value {
    let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
    cluster_role(&format!("pointsman-{name}"), json!({ label: "true" }), rules)
}

fn cluster_role(name: &str, extra: Value, rules: Value) -> Value {
    let mut all = labels();
    if let (Some(all), Value::Object(extra)) = (all.as_object_mut(), extra) {
        all.extend(extra);
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": name, "labels": all }, "rules": rules,
    })
}

pub(super) fn labels() -> Value {
    json!({ "app.kubernetes.io/name": "pointsman" })
}

/// A rule for one object only.
fn named(mut rule: Value, name: &str) -> Value {
    rule["resourceNames"] = json!([name]);
    rule
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
}
