//! Who gets configuration: a pod with a sidecar, by its own token, from its own address. Nobody else gets a byte.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use pointsman_test_support::control_plane::BoundPod;
use serde_json::json;
use tonic::Code;

use crate::fixture::{AUDIENCE, create, injected, plain, shared};
use crate::sidecar::{Sidecar, channel, named};

const AN_HOUR: i64 = 3600;

#[tokio::test]
async fn sixteen_tokens_get_nothing_and_the_right_one_gets_its_own_world() -> anyhow::Result<()> {
    let shared = shared().await?;
    let (control_plane, client) = (shared.control_plane, &shared.client);
    let namespace = &control_plane.create_namespace("tokens").await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let (pod, good) = injected(&shared, namespace, "bot").await?;
    let uid = pod.metadata.uid.unwrap();
    let request =
        |audience: &'static str, bound| control_plane.token_request(namespace, "default", audience, bound);
    let bound = BoundPod { name: "bot", uid: &uid };
    let wrong_audience = request("https://kubernetes.default.svc", Some(bound)).await?;
    let unbound = request(AUDIENCE, None).await?;
    // Bound to something that is no pod.
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": namespace}});
    control_plane.apply_yaml(&secret.to_string()).await?;
    let bound_to = ["create", "token", "default", "-n", namespace, "--audience", AUDIENCE];
    let to_secret = [&bound_to[..], &["--bound-object-kind=Secret", "--bound-object-name=other"]].concat();
    let bound_to_secret = control_plane.run_kubectl(&to_secret).await?.trim().to_owned();
    // A pod that carries no sidecar.
    let bare = create(&pods, &json!({"metadata": {"name": "bare"}, "spec": plain()}), false).await?;
    let bare_uid = bare.metadata.uid.unwrap();
    let bare = request(AUDIENCE, Some(BoundPod { name: "bare", uid: &bare_uid })).await?;
    // Pods that are gone, or are others by now.
    let (_, deleted) = injected(&shared, namespace, "deleted").await?;
    let (_, reborn) = injected(&shared, namespace, "reborn").await?;
    let delete = ["delete", "pod", "-n", namespace, "deleted", "reborn", "--grace-period=0", "--force"];
    control_plane.run_kubectl(&delete).await?;
    injected(&shared, namespace, "reborn").await?;
    // A pod that runs elsewhere than whoever shows its token.
    let (_, stolen) = injected(&shared, namespace, "elsewhere").await?;
    let address = json!({"status": {"podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}]}});
    pods.patch_status("elsewhere", &PatchParams::default(), &Patch::Merge(&address)).await?;
    // What the API server's own key signs, and what another does.
    let forge = |issuer: &str, from: i64, to: i64, own_key: bool| {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({
            "iss": issuer, "aud": [AUDIENCE], "sub": format!("system:serviceaccount:{namespace}:default"),
            "iat": now + from, "nbf": now + from, "exp": now + to,
            "kubernetes.io": {
                "namespace": namespace, "serviceaccount": {"name": "default", "uid": "forged"},
                "pod": {"name": "bot", "uid": uid},
            },
        });
        control_plane.forge_token(&claims, own_key)
    };
    let own = "https://kubernetes.default.svc";
    let expired = forge(own, -2 * AN_HOUR, -AN_HOUR, true)?;
    let early = forge(own, AN_HOUR, 2 * AN_HOUR, true)?;
    let other_issuer = forge("https://elsewhere.example", 0, AN_HOUR, true)?;
    let other_key = forge(own, 0, AN_HOUR, false)?;
    let other_account = forge(own, 0, AN_HOUR, true)?;
    let channel = channel(client, shared.address).await?;
    for (case, token, message) in [
        ("none", None, "send the pod's projected token"),
        ("empty", Some(""), "send the pod's projected token"),
        ("nonsense", Some("abc"), "is not valid for audience"),
        ("half of a good one", Some(&good[..good.len() / 2]), "is not valid for audience"),
        ("another audience", Some(&wrong_audience), "is not valid for audience"),
        ("another issuer", Some(&other_issuer), "is not valid for audience"),
        ("another key", Some(&other_key), "is not valid for audience"),
        ("another account of the same name", Some(&other_account), "is not valid for audience"),
        ("expired", Some(&expired), "is not valid for audience"),
        ("not valid yet", Some(&early), "is not valid for audience"),
        ("unbound", Some(&unbound), "is not bound to a pod"),
        ("bound to a Secret", Some(&bound_to_secret), "is not bound to a pod"),
        ("of a deleted pod", Some(&deleted), "is not valid for audience"),
        ("of a pod that was created anew", Some(&reborn), "is not valid for audience"),
        ("of a pod without a sidecar", Some(&bare), "the pod carries no sidecar"),
        ("from another address", Some(&stolen), "does not come from an address of the pod"),
    ] {
        // The caches may be behind for a moment, and then let nobody in either.
        let refused =
            Sidecar::connect(&channel, token).await.err().unwrap_or_else(|| panic!("{case} got in"));
        assert_eq!(refused.code(), Code::Unauthenticated, "{case}: {refused}");
        assert!(refused.message().contains(message), "{case}: {}", refused.message());
    }
    let mut sidecar = Sidecar::connect(&channel, Some(&good)).await?;
    let world = sidecar.update().await?;
    let foreign = named(&world).into_iter().find(|entry| !entry.contains(&format!(" {namespace}/")));
    assert_eq!(foreign, None, "nothing of another namespace");
    Ok(())
}
