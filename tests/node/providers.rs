//! Keys that turn, and providers of other namespaces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pointsman_test_support::wait_for;
use serde_json::json;

use crate::node::{PATIENT, node};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_used_within_five_seconds_and_no_call_fails() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "rotation").await?;
    stage.app("app").await?;
    stage.ask("app", "auto").await?;
    stage.provider_takes(&["sk-not-a-real-key", "sk-second"]).await?;

    let done = AtomicBool::new(false);
    let calls = async {
        let mut calls = 0;
        while !done.load(Ordering::Relaxed) {
            stage.ask("app", "auto").await?;
            calls += 1;
        }
        anyhow::Ok(calls)
    };
    let rotation = async {
        let rotated = async {
            let patch = json!({"stringData": {"apiKey": "sk-second"}}).to_string();
            stage.kubectl(&["patch", "secret", "cloud", "-p", &patch]).await?;
            // From here on the old key is worth nothing, and every call with it fails.
            tokio::time::sleep(Duration::from_secs(5)).await;
            stage.provider_takes(&["sk-second"]).await?;
            stage.ask("app", "auto").await?;
            anyhow::Ok(())
        };
        let rotated = rotated.await;
        done.store(true, Ordering::Relaxed);
        rotated
    };
    let (calls, rotated) = tokio::join!(calls, rotation);
    rotated?;
    assert!(calls? > 0);
    stage.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_see_each_others_models_by_reference_and_consent_only() -> anyhow::Result<()> {
    let node = node!();
    let owner = Stage::set(&node, "owner").await?;
    let other = Stage::empty(&node, "other").await?;
    let budget = "apiVersion: pointsman.dev/v1alpha1\nkind: Budget\nmetadata: {name: shop}\n\
                  spec: {limits: [{name: day, amount: 5 USD, window: Day}]}\n";
    other.apply(budget).await?;
    other.app("app").await?;

    // No policy, no provider: the other namespace's models do not exist here, by whatever name.
    for model in ["auto", "gpt-5", "gpt-5-mini"] {
        let refused = format!("{:#}", other.ask("app", model).await.unwrap_err());
        assert!(refused.contains("NotFoundError"), "{model}: {refused}");
    }

    // A reference alone resolves to nothing.
    other
        .apply(&format!(
            "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: default}}\n\
             spec: {{candidates: [{{model: gpt-5-mini, providerRefs: [{{name: cloud, namespace: {}}}]}}]}}\n",
            owner.name
        ))
        .await?;
    other.kubectl(&["wait", "--for=condition=ResolvedRefs=False", "rpol/default", "--timeout=60s"]).await?;
    let refused = format!("{:#}", other.ask("app", "auto").await.unwrap_err());
    assert!(refused.contains("Error code: "), "the sidecar refuses: {refused}");

    // With the owner's consent it does, and the bill is the owner's provider's.
    let consent = json!({"spec": {
        "credentialPlacement": "Sidecar",
        "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": other.name}}},
    }});
    owner.kubectl(&["patch", "llmp", "cloud", "--type=merge", "-p", &consent.to_string()]).await?;
    let model = wait_for("the shared provider answers", PATIENT, || async {
        other.ask("app", "auto").await.map(Some)
    })
    .await?;
    assert_eq!(model, "gpt-5-mini");
    other.books_agree_with(&owner).await?;

    // Consent withdrawn is obeyed too.
    owner
        .kubectl(&[
            "patch",
            "llmp",
            "cloud",
            "--type=merge",
            "-p",
            r#"{"spec":{"allowedNamespaces":{"from":"Same","selector":null}}}"#,
        ])
        .await?;
    wait_for("the shared provider is out of reach again", PATIENT, || async {
        let asked = other.ask("app", "auto").await;
        Ok(asked.is_err_and(|refused| format!("{refused:#}").contains("Error code: ")).then_some(()))
    })
    .await
}
