//! Where keys go, and how fast they go away.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use pointsman_operator::Pace;
use pointsman_sidecar::link::LinkConfig;
use pointsman_sidecar::{Config, Handle, Sidecar};
use pointsman_test_support::provider::{Model, Price, Provider};
use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

use crate::fixture::{ROOT, Shared, config, injected, says, shared, status};
use crate::sidecar::{self, channel};

const KEY: &str = "sk-canary";

fn manifests(namespace: &str, url: &str) -> String {
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: openai, namespace: {namespace}}}\nspec:\n  type: OpenAICompatible\n  endpoint: {{type: URL, url: \"{url}\"}}\n  auth: {{type: APIKey, apiKey: {{secretRef: {{name: llm, key: apiKey}}}}}}\n  models: [{{name: m, pricing: {{input: \"1\", output: \"2\"}}}}]\n---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: default, namespace: {namespace}}}\nspec:\n  candidates: [{{model: m}}]\n"
    )
}

fn secret(namespace: &str, hosts: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "llm", "namespace": namespace, "annotations": {"pointsman.dev/allowed-hosts": hosts}},
        "stringData": {"apiKey": KEY},
    })
    .to_string()
}

async fn consent(shared: &Shared, namespace: &str) -> anyhow::Result<()> {
    let (role, account) =
        ("--clusterrole=pointsman-secret-reader", "--serviceaccount=pointsman-system:pointsman");
    let arguments = ["create", "rolebinding", "pointsman-secrets", "-n", namespace, role, account];
    shared.control_plane.run_kubectl(&arguments).await.map(drop)
}

fn provider() -> Provider {
    let provider = Provider::start();
    let price = Price { input: 1_000_000_000, cached_input: 1_000_000_000, output: 2_000_000_000 };
    provider.serve("m", Model::priced(price));
    provider.require_key(KEY);
    provider
}

#[tokio::test]
async fn the_lock_on_a_key_is_tried_again_whenever_the_secret_or_the_endpoint_changes() -> anyhow::Result<()>
{
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("locks").await?;
    consent(&shared, namespace).await?;
    let here = manifests(namespace, "http://127.0.0.1:9/v1");
    shared.control_plane.apply_yaml(&here).await?;
    shared.control_plane.apply_yaml(&secret(namespace, "127.0.0.1")).await?;
    let (_, token) = injected(&shared, namespace, "bot").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let mut stream = sidecar::Sidecar::connect(&channel, Some(&token)).await?;
    stream.update_where(|update| update.credentials.len() == 1).await?;
    let object = ("llmp", namespace.as_str(), "openai");
    let forbidden =
        || async { status(&shared.client, object, |s| says(s, "ResolvedRefs", "HostNotAllowed")).await };
    // The owner of the key locks it to somewhere else: it is taken back.
    shared.control_plane.apply_yaml(&secret(namespace, "llm.example.com")).await?;
    stream.update_where(|update| update.credentials.is_empty()).await?;
    forbidden().await?;
    shared.control_plane.apply_yaml(&secret(namespace, "127.0.0.1")).await?;
    stream.update_where(|update| update.credentials.len() == 1).await?;
    // Whoever may edit the provider alone sends it elsewhere: it does not go.
    shared.control_plane.apply_yaml(&manifests(namespace, "http://127.0.0.2:9/v1")).await?;
    stream.update_where(|update| update.credentials.is_empty()).await?;
    forbidden().await?;
    shared.control_plane.apply_yaml(&here).await?;
    stream.update_where(|update| update.credentials.len() == 1).await?;
    // The provider goes, the Secret stays.
    shared.control_plane.run_kubectl(&["delete", "llmp", "-n", namespace, "openai"]).await?;
    stream.update_where(|update| update.credentials.is_empty()).await?;
    Ok(())
}

/// A sidecar of this process on the folders of a pod.
struct Folders {
    disk: tempfile::TempDir,
    memory: tempfile::TempDir,
}

impl Folders {
    /// What an injected pod finds: its token and the operator's authority.
    async fn of_a_pod(shared: &Shared, namespace: &str) -> anyhow::Result<Self> {
        let (_, token) = injected(shared, namespace, "bot").await?;
        let folders = Self { disk: tempfile::tempdir()?, memory: tempfile::tempdir_in("/dev/shm")? };
        std::fs::write(folders.disk.path().join("token"), token)?;
        let maps: Api<ConfigMap> = Api::namespaced(shared.client.clone(), ROOT);
        let trust = maps.get("pointsman-trust").await?.data.unwrap_or_default();
        std::fs::write(folders.disk.path().join("ca.crt"), &trust["ca.crt"])?;
        Ok(folders)
    }

    fn start(&self, operator: std::net::SocketAddr) -> anyhow::Result<Handle> {
        let file = |name: &str| Some(self.disk.path().join(name));
        let link = LinkConfig {
            address: format!("https://{operator}"),
            token_file: file("token"),
            ca_file: file("ca.crt"),
            server_name: Some("localhost".to_owned()),
            version: "test".to_owned(),
        };
        let config = Config {
            state: file("state"),
            keys: Some(self.memory.path().to_owned()),
            link: Some(link),
            ..Config::default()
        };
        Ok(Sidecar::start(config)?)
    }
}

async fn call(handle: &Handle) -> anyhow::Result<u16> {
    let address = handle.data_addrs().first().copied().context("it listens")?;
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).to_string();
    let request = http::Request::post(format!("http://{address}/v1/chat/completions"))
        .header("content-type", "application/json")
        .header("authorization", "Bearer pointsman");
    Ok(pointsman_test_support::http::send(request.body(body)?).await?.status().as_u16())
}

fn holds(folder: &Path, text: &str) -> bool {
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let number_list = text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        let content = String::from_utf8_lossy(&bytes);
        if content.contains(text) || content.contains(&number_list) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_restarted_sidecar_serves_while_the_operator_is_away_and_a_revoked_key_is_gone_for_good()
-> anyhow::Result<()> {
    let shared = shared().await?;
    let provider = provider();
    let namespace = &shared.control_plane.create_namespace("restart").await?;
    consent(&shared, namespace).await?;
    shared.control_plane.apply_yaml(&secret(namespace, "127.0.0.1")).await?;
    shared.control_plane.apply_yaml(&manifests(namespace, &provider.url())).await?;
    let folders = Folders::of_a_pod(&shared, namespace).await?;
    // An operator of its own, so that it can go away.
    let operator = config(shared.control_plane, "operator-away").await?.start().await?;
    let first = folders.start(operator.address)?;
    let answered = |handle: Handle| async move {
        wait_for("a call is answered", LONG, || async { Ok((call(&handle).await? == 200).then_some(())) })
            .await?;
        anyhow::Ok(handle)
    };
    let first = answered(first).await?;
    assert!(holds(folders.memory.path(), KEY) && !holds(folders.disk.path(), KEY));
    first.shutdown(Duration::ZERO).await;
    let address = operator.address;
    operator.stop().await?;
    let second = answered(folders.start(address)?).await?;
    second.shutdown(Duration::ZERO).await;
    // Back, with the Secret deleted meanwhile: the key goes from memory, and a restart does not bring it back.
    shared.control_plane.run_kubectl(&["delete", "secret", "-n", namespace, "llm"]).await?;
    let third = folders.start(shared.address)?;
    wait_for("the key is gone", LONG, || async { Ok((!holds(folders.memory.path(), KEY)).then_some(())) })
        .await?;
    wait_for("no call is answered any more", LONG, || async {
        Ok((call(&third).await? != 200).then_some(()))
    })
    .await?;
    third.shutdown(Duration::ZERO).await;
    let fourth = folders.start(address)?;
    assert_ne!(call(&fourth).await?, 200);
    fourth.shutdown(Duration::ZERO).await;
    Ok(())
}

/// What is promised of whatever is deleted.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_key_of_a_deleted_secret_or_provider_is_worth_nothing_within_five_seconds() -> anyhow::Result<()>
{
    let shared = shared().await?;
    let provider = provider();
    let namespace = &shared.control_plane.create_namespace("revoked").await?;
    consent(&shared, namespace).await?;
    let folders = Folders::of_a_pod(&shared, namespace).await?;
    // As patient as one in production.
    let mut config = config(shared.control_plane, "operator-patient").await?;
    config.pace = Pace::default();
    let operator = config.start().await?;
    let sidecar = folders.start(operator.address)?;
    for victim in ["secret/llm", "llmp/openai"] {
        shared.control_plane.apply_yaml(&secret(namespace, "127.0.0.1")).await?;
        shared.control_plane.apply_yaml(&manifests(namespace, &provider.url())).await?;
        wait_for("a call is answered", LONG, || async { Ok((call(&sidecar).await? == 200).then_some(())) })
            .await?;
        assert!(holds(folders.memory.path(), KEY), "{victim}");
        shared.control_plane.run_kubectl(&["delete", "-n", namespace, victim, "--wait=false"]).await?;
        wait_for(&format!("{victim} is revoked"), REVOKED_WITHIN, || async {
            let refused = call(&sidecar).await? != 200;
            Ok((refused && !holds(folders.memory.path(), KEY)).then_some(()))
        })
        .await?;
    }
    sidecar.shutdown(Duration::ZERO).await;
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_without_any_policy_is_ready_and_stays_so_across_a_restart() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("empty").await?;
    let folders = Folders::of_a_pod(&shared, namespace).await?;
    for operator in [shared.address, "127.0.0.1:9".parse()?] {
        let handle = folders.start(operator)?;
        let ready = format!("http://{}/readyz", handle.data_addrs()[0]);
        wait_for("it is ready", LONG, || async {
            let request = http::Request::get(&ready).body(String::new())?;
            let status = pointsman_test_support::http::send(request).await?.status();
            Ok((status == 200).then_some(()))
        })
        .await?;
        handle.shutdown(Duration::ZERO).await;
    }
    Ok(())
}
