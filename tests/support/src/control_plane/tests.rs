#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams, PostParams};

use super::*;
use crate::{LONG, wait_for};

fn processes_that_name(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    commands.filter(|command| command.contains(folder)).collect()
}

#[tokio::test]
async fn two_run_at_once_and_leave_nothing_behind() {
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.url, two.url);
    one.create_namespace_named("only-in-one").await.unwrap();
    assert!(one.run_kubectl(&["get", "namespace", "only-in-one"]).await.is_ok());
    let error = two.run_kubectl(&["get", "namespace", "only-in-one"]).await.unwrap_err();
    assert_eq!(error.to_string(), "Error from server (NotFound): namespaces \"only-in-one\" not found");

    let folders = [&one, &two].map(|it| it.folder.path().to_owned());
    for folder in &folders {
        // etcd, kube-apiserver, and the watchdog that would remove the folder.
        assert_eq!(processes_that_name(folder.to_str().unwrap()).len(), 3);
    }
    drop((one, two));
    for folder in &folders {
        assert!(!folder.exists());
        wait_for("no process is left", LONG, || async {
            Ok(processes_that_name(folder.to_str().unwrap()).is_empty().then_some(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn kubectl_is_of_the_same_version_and_errors_are_its_own_words() {
    let control_plane = shared().await.unwrap();
    let versions: serde_json::Value =
        serde_json::from_str(&control_plane.run_kubectl(&["version", "-o", "json"]).await.unwrap()).unwrap();
    assert_eq!(versions["clientVersion"]["gitVersion"], versions["serverVersion"]["gitVersion"]);

    let namespace = control_plane.create_namespace("kubectl").await.unwrap();
    let yaml = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {namespace}}}}}");
    assert_eq!(control_plane.apply_yaml(&yaml).await.unwrap(), "configmap/a created\n");
    let broken = control_plane.apply_yaml("{apiVersion: v1, kind: ConfigMap, metadata: {name: A_}}").await;
    assert!(broken.unwrap_err().to_string().contains("metadata.name: Invalid value: \"A_\""));
}

#[tokio::test]
async fn a_user_has_only_the_rights_that_were_given() {
    let control_plane = shared().await.unwrap();
    let namespace = control_plane.create_namespace("rights").await.unwrap();
    let client = control_plane.client_for("jane", &["team-shop", "system:authenticated"]).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let refused = maps.list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refused.contains("User \"jane\" cannot list resource \"configmaps\""), "{refused}");

    // `view` itself is empty here: only a controller-manager aggregates it from this role.
    let role = "--clusterrole=system:aggregate-to-view";
    let binding = ["create", "rolebinding", "shop", role, "--group=team-shop", "-n", &namespace];
    control_plane.run_kubectl(&binding).await.unwrap();
    wait_for("the binding is obeyed", LONG, || async { Ok(Some(maps.list(&ListParams::default()).await?)) })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pod_bound_token_is_reviewed_for_its_audience_with_the_pod() {
    let control_plane = shared().await.unwrap();
    let namespace = control_plane.create_namespace("tokens").await.unwrap();
    let pod: Pod = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "app"}, "spec": {"containers": [{"name": "app", "image": "app"}]},
    }))
    .unwrap();
    let pods: Api<Pod> = Api::namespaced(control_plane.client.clone(), &namespace);
    let uid = pods.create(&PostParams::default(), &pod).await.unwrap().metadata.uid.unwrap();
    let bound = Some(BoundPod { name: "app", uid: &uid });
    let token = control_plane.token_request(&namespace, "default", "pointsman.dev", bound).await.unwrap();

    let review = |audience: &str| {
        let spec = TokenReviewSpec { token: Some(token.clone()), audiences: Some(vec![audience.to_owned()]) };
        let reviews: Api<TokenReview> = Api::all(control_plane.client.clone());
        async move {
            let review = TokenReview { spec, ..TokenReview::default() };
            reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap()
        }
    };
    let accepted = review("pointsman.dev").await;
    assert_eq!(accepted.authenticated, Some(true));
    let extra = accepted.user.unwrap().extra.unwrap();
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], [uid]);
    assert_ne!(review("somebody.else").await.authenticated, Some(true));
}
