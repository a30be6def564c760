//! Has the operator the rights that it needs, and no others?

use std::path::Path;

use crate::server;

const OPERATOR: &str = "--as=system:serviceaccount:pointsman-system:pointsman";

#[tokio::test]
async fn the_operator_may_do_its_work_and_nothing_else() -> anyhow::Result<()> {
    let server = server().await?;
    server.create_namespace_named("pointsman-system").await?;
    let rbac = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/rbac");
    server.apply_path(&rbac).await?;

    let may = async |verb: &str, resource: &str, namespace: &str| {
        // `can-i` says no by its exit status.
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let subresource = format!("--subresource={subresource}");
        server
            .run_kubectl(&["auth", "can-i", verb, resource, &subresource, "-n", namespace, OPERATOR])
            .await
            .is_ok()
    };
    for (verb, resource, namespace) in [
        ("watch", "llmproviders.pointsman.dev", "shop"),
        ("patch", "budgets.pointsman.dev/status", "shop"),
        ("list", "pods", "shop"),
        ("watch", "namespaces", "shop"),
        ("create", "tokenreviews.authentication.k8s.io", "shop"),
        ("create", "events.events.k8s.io", "shop"),
        ("update", "budgetledgers.pointsman.dev", "pointsman-system"),
        ("create", "leases.coordination.k8s.io", "pointsman-system"),
    ] {
        assert!(may(verb, resource, namespace).await, "may not {verb} {resource} in {namespace}");
    }
    for (verb, resource, namespace) in [
        ("get", "secrets", "shop"),
        ("get", "secrets", "pointsman-system"),
        ("patch", "budgets.pointsman.dev", "shop"),
        ("delete", "llmproviders.pointsman.dev", "shop"),
        ("delete", "budgetledgers.pointsman.dev", "pointsman-system"),
        ("get", "budgetledgers.pointsman.dev", "shop"),
        ("update", "leases.coordination.k8s.io", "shop"),
        ("update", "leases.coordination.k8s.io", "pointsman-system"),
        ("delete", "pods", "shop"),
    ] {
        assert!(!may(verb, resource, namespace).await, "may {verb} {resource} in {namespace}");
    }

    // Of the root namespace's leases only its own.
    let own = ["auth", "can-i", "update", "leases.coordination.k8s.io/pointsman", "-n", "pointsman-system"];
    server.run_kubectl(&[own.as_slice(), &[OPERATOR]].concat()).await?;

    // Secrets are readable only where a binding says so.
    let shop = server.create_namespace("secrets").await?;
    let bind = ["create", "rolebinding", "pointsman-secrets", "--clusterrole=pointsman-secret-reader"];
    let to = ["--serviceaccount=pointsman-system:pointsman", "-n", &shop];
    server.run_kubectl(&[bind.as_slice(), &to].concat()).await?;
    assert!(may("get", "secrets", &shop).await);
    assert!(!may("update", "secrets", &shop).await);
    Ok(())
}
