//! Keys: read only where a RoleBinding lets the operator, sent only where their Secret lets them go.

use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

use crate::fixture::{condition, pod, shared};
use crate::sidecar::{Sidecar, channel};

fn openai(namespace: &str, more: &str) -> String {
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: openai, namespace: {namespace}}}\nspec:\n  type: OpenAI\n  auth: {{apiKey: {{secretRef: {{name: openai}}}}}}\n  models: [{{name: gpt-5-mini}}]\n{more}"
    )
}

fn secret(namespace: &str, key: &str, value: &str, hosts: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: openai, namespace: {namespace}, annotations: {{pointsman.dev/allowed-hosts: \"{hosts}\"}}}}\nstringData: {{{key}: {value}}}\n"
    )
}

/// Runs the command that a condition has printed.
async fn run_printed(shared: &crate::fixture::Shared, message: &str) -> anyhow::Result<()> {
    let command = message.split("kubectl ").nth(1).expect("the message prints a command");
    let arguments: Vec<_> = command.split_whitespace().collect();
    shared.control_plane.run_kubectl(&arguments).await?;
    Ok(())
}

#[tokio::test]
async fn each_step_from_a_forbidden_secret_to_a_serving_provider_is_told() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("keys").await?;
    let object = ("llmp", namespace.as_str(), "openai");
    let client = &shared.client;
    shared.control_plane.apply_yaml(&openai(namespace, "")).await?;
    let message = condition(client, object, "ResolvedRefs", "False", "SecretForbidden").await?;
    run_printed(&shared, &message).await?;
    condition(client, object, "ResolvedRefs", "False", "SecretMissing").await?;
    shared.control_plane.apply_yaml(&secret(namespace, "other", "k", "")).await?;
    condition(client, object, "ResolvedRefs", "False", "SecretKeyMissing").await?;
    shared.control_plane.apply_yaml(&secret(namespace, "apiKey", "k", "")).await?;
    condition(client, object, "Ready", "True", "Ready").await?;
    let elsewhere = "  endpoint: {type: URL, url: \"https://llm.example.com/v1\"}\n";
    shared.control_plane.apply_yaml(&openai(namespace, elsewhere)).await?;
    let message = condition(client, object, "ResolvedRefs", "False", "HostNotAllowed").await?;
    run_printed(&shared, &message.replace("annotate", "annotate --overwrite")).await?;
    condition(client, object, "Ready", "True", "Ready").await?;
    let private = "  endpoint: {type: URL, url: \"https://10.0.0.1/v1\"}\n";
    shared.control_plane.apply_yaml(&openai(namespace, private)).await?;
    condition(client, object, "ResolvedRefs", "False", "PrivateEndpoint").await?;
    shared.control_plane.run_kubectl(&["delete", "rolebinding", "-n", namespace, "--all"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_rotated_key_reaches_the_sidecars_that_use_it_and_no_others() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("rotation").await?;
    let other = &shared.control_plane.create_namespace("rotation-other").await?;
    let binding = [
        "create",
        "rolebinding",
        "reader",
        "-n",
        namespace,
        "--clusterrole=pointsman-secret-reader",
        "--serviceaccount=pointsman-system:pointsman",
    ];
    shared.control_plane.run_kubectl(&binding).await?;
    shared
        .control_plane
        .apply_yaml(&(secret(namespace, "apiKey", "first", "") + &openai(namespace, "")))
        .await?;
    condition(&shared.client, ("llmp", namespace, "openai"), "Ready", "True", "Ready").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let (stranger, _) = pod(shared.control_plane, other, "bot", json!({})).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let mut outsider = Sidecar::connect(&channel, Some(&stranger)).await?;
    let first = sidecar.update_where(|update| !update.credentials.is_empty()).await?;
    let [credential] = &first.credentials[..] else { panic!("one key: {:?}", first.credentials.len()) };
    assert_eq!(
        (credential.reference.as_str(), &credential.secret[..]),
        (&*format!("{namespace}/openai/apiKey"), &b"first"[..])
    );
    assert!(
        !first.entries.iter().any(|entry| format!("{entry:?}").contains("first")),
        "entries carry no key"
    );
    assert!(outsider.update().await?.credentials.is_empty());
    shared.control_plane.apply_yaml(&secret(namespace, "apiKey", "second", "")).await?;
    let second =
        sidecar.update_where(|update| update.credentials.iter().any(|c| c.secret == b"second")).await?;
    assert_ne!(second.credentials[0].version, credential.version);
    shared.control_plane.run_kubectl(&["delete", "secret", "-n", namespace, "openai"]).await?;
    let gone = sidecar.update_where(|update| update.credentials.is_empty()).await?;
    assert_eq!(gone.entries.len(), 2, "the provider, invalid now, and the policy over it");
    wait_for("status tells", LONG, || async {
        condition(&shared.client, ("llmp", namespace, "openai"), "ResolvedRefs", "False", "SecretMissing")
            .await?;
        Ok(Some(()))
    })
    .await
}
