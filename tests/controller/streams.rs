//! Config.Watch: who gets it, what comes, and what its answers do to status.

use pointsman_config::link::{ObjectKey, Problem};
use pointsman_test_support::control_plane::BoundPod;
use serde_json::json;
use tonic::Code;

use crate::fixture::{AUDIENCE, ROOT, condition, metric, pod, policy, provider, shared, status};
use crate::sidecar::{Reporter, Sidecar, channel, named};

#[tokio::test]
async fn only_a_token_of_an_existing_pod_for_our_audience_gets_anything() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("tokens").await?;
    let control_plane = shared.control_plane;
    let channel = channel(&shared.client, shared.address).await?;
    let (good, uid) = pod(control_plane, namespace, "bot", json!({})).await?;
    let bound = BoundPod { name: "bot", uid: &uid };
    let wrong_audience = control_plane
        .token_request(namespace, "default", "https://kubernetes.default.svc", Some(bound))
        .await?;
    let unbound = control_plane.token_request(namespace, "default", AUDIENCE, None).await?;
    let (deleted, _) = pod(control_plane, namespace, "gone", json!({})).await?;
    control_plane
        .run_kubectl(&["delete", "pod", "-n", namespace, "gone", "--grace-period=0", "--force"])
        .await?;
    for (case, token, message) in [
        ("no token", None, "send the pod's projected token"),
        ("nonsense", Some("abc"), "is not valid for audience"),
        ("wrong audience", Some(wrong_audience.as_str()), "is not valid for audience"),
        ("unbound", Some(unbound.as_str()), "is not bound to a pod"),
        ("deleted pod", Some(deleted.as_str()), "is not valid for audience"),
    ] {
        let refused =
            Sidecar::connect(&channel, token).await.err().unwrap_or_else(|| panic!("{case} got in"));
        assert_eq!(refused.code(), Code::Unauthenticated, "{case}");
        assert!(refused.message().contains(message), "{case}: {}", refused.message());
    }
    Sidecar::connect(&channel, Some(&good)).await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_of_the_same_name_but_another_uid_is_another_pod() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("reborn").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    sidecar.update().await?;
    let mut reporter = Reporter::connect(&channel, &token).await?;
    shared
        .control_plane
        .run_kubectl(&["delete", "pod", "-n", namespace, "bot", "--grace-period=0", "--force"])
        .await?;
    let (fresh, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let end = sidecar.end().await?;
    assert_eq!((end.code(), end.message()), (Code::Unauthenticated, "the pod is gone"));
    assert_eq!(reporter.end().await?.code(), Code::Unauthenticated);
    // The review of the old token may still be remembered: the pod's uid is what counts.
    let refused = Sidecar::connect(&channel, Some(&token)).await.err().expect("the old token is refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    Sidecar::connect(&channel, Some(&fresh)).await?;
    Ok(())
}

#[tokio::test]
async fn a_sidecar_gets_its_own_world_at_once_and_on_every_change_of_it() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("world").await?;
    let other = &shared.control_plane.create_namespace("world-other").await?;
    let both = |namespace: &str| {
        provider("sim", namespace, &["m", "second"]) + &policy("default", namespace, &["m"], "")
    };
    shared.control_plane.apply_yaml(&(both(namespace) + &both(other))).await?;
    let object = ("rpol", namespace.as_str(), "default");
    condition(&shared.client, object, "Programmed", "True", "NoPods").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let expected = [format!("Provider {namespace}/sim@1"), format!("Policy {namespace}/default@1")];
    let first = sidecar.update_where(|update| named(update) == expected).await?;
    assert_eq!(first.root_namespace, ROOT);
    status(&shared.client, object, |s| s["dataPlane"]["connected"] == 1 && s["dataPlane"]["synced"] == 0)
        .await?;
    sidecar.ack(&first).await?;
    let acked = status(&shared.client, object, |s| s["dataPlane"]["synced"] == 1).await?;
    let expected = json!({"matched": 1, "connected": 1, "synced": 1, "nacked": 0, "wired": 0, "silent": 1, "refused": 0, "sidecarsOutdated": 0});
    assert_eq!(acked["dataPlane"], expected);
    assert_eq!((&acked["summary"]["pods"], &acked["summary"]["state"]), (&json!("1/1"), &json!("NotWired")));
    // A change elsewhere sends nothing here; the next update is that of the own change.
    shared.control_plane.apply_yaml(&policy("default", other, &["second"], "")).await?;
    condition(&shared.client, ("rpol", other, "default"), "Ready", "True", "Ready").await?;
    shared.control_plane.apply_yaml(&policy("default", namespace, &["m", "second"], "")).await?;
    let second = sidecar.update().await?;
    assert_eq!(second.nonce, first.nonce + 1);
    assert_eq!(
        named(&second),
        [format!("Provider {namespace}/sim@1"), format!("Policy {namespace}/default@2")]
    );
    condition(&shared.client, object, "Programmed", "False", "SidecarsBehind").await?;
    sidecar.ack(&second).await?;
    let message = condition(&shared.client, object, "Programmed", "True", "Programmed").await?;
    assert_eq!(message, "1 of 1 sidecars run generation 2.");
    assert!(metric(shared.admin, "pointsman_streams_connected").await? >= 1.0);
    Ok(())
}

#[tokio::test]
async fn a_refused_update_shows_which_object_where_and_why() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("refused").await?;
    let manifests = provider("sim", namespace, &["m"]) + &policy("default", namespace, &["m"], "");
    shared.control_plane.apply_yaml(&manifests).await?;
    let object = ("rpol", namespace.as_str(), "default");
    condition(&shared.client, object, "Ready", "True", "Ready").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let first = sidecar.update_where(|update| update.entries.len() == 2).await?;
    let key =
        ObjectKey { kind: "Policy".to_owned(), namespace: namespace.clone(), name: "default".to_owned() };
    let problem = Problem { key: Some(key), path: "rules[0]".to_owned(), message: "cannot be".to_owned() };
    sidecar.nack(&first, Problem { message: "x".repeat(1_000_000), ..problem.clone() }).await?;
    condition(&shared.client, object, "Nacked", "True", "Refused").await?;
    sidecar.nack(&first, problem).await?;
    status(&shared.client, object, |s| {
        let conditions = s["conditions"].as_array().into_iter().flatten();
        conditions.filter_map(|c| c["message"].as_str()).any(|message| message.ends_with("cannot be"))
    })
    .await?;
    let message = condition(&shared.client, object, "Nacked", "True", "Refused").await?;
    assert_eq!(message, format!("{namespace}/bot: rules[0]: cannot be"));
    condition(&shared.client, ("llmp", namespace, "sim"), "Nacked", "False", "NoneRefused").await?;
    status(&shared.client, object, |s| s["dataPlane"]["nacked"] == 1).await?;
    shared.control_plane.apply_yaml(&policy("default", namespace, &["m"], "  objective: Cost\n")).await?;
    let second = sidecar.update().await?;
    sidecar.ack(&second).await?;
    condition(&shared.client, object, "Nacked", "False", "NoneRefused").await?;
    condition(&shared.client, object, "Ready", "True", "Ready").await?;
    Ok(())
}

#[tokio::test]
async fn a_relabelled_pod_gets_another_policy() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("relabel").await?;
    let manifests = provider("sim", namespace, &["m"])
        + &policy("default", namespace, &["m"], "")
        + &policy("bots", namespace, &["m"], "  targetSelector: {matchLabels: {app: bot}}\n");
    shared.control_plane.apply_yaml(&manifests).await?;
    condition(&shared.client, ("rpol", namespace, "bots"), "Ready", "True", "Ready").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({"app": "web"})).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let has = |name: &'static str| {
        let policy = format!("Policy {namespace}/{name}@1");
        move |update: &pointsman_config::link::ConfigUpdate| named(update).contains(&policy)
    };
    sidecar.update_where(has("default")).await?;
    shared
        .control_plane
        .run_kubectl(&["label", "--overwrite", "pod", "-n", namespace, "bot", "app=bot"])
        .await?;
    let update = sidecar.update_where(has("bots")).await?;
    assert!(!has("default")(&update));
    Ok(())
}
