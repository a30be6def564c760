//! One API server, one operator process, sidecar processes, and a fake provider with books.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use pointsman_test_support::control_plane::{self, BoundPod, ControlPlane};
use pointsman_test_support::process::{Process, binary};
use pointsman_test_support::provider::{Model, Provider};
use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};

use crate::{ENDING, LARGE, LARGE_PRICE, SMALL, SMALL_PRICE};

const ROOT: &str = "pointsman-system";
const OPERATOR: &str = "system:serviceaccount:pointsman-system:pointsman";
const AUDIENCE: &str = "pointsman.dev/sidecar";
const IMAGE: &str = "pointsman:test";

pub(crate) struct Cluster {
    pub(crate) api: ControlPlane,
    pub(crate) provider: Provider,
    operator: Process,
    grpc: String,
    folder: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let api = control_plane::start().await?;
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        api.create_namespace_named(ROOT).await?;
        api.apply_crds(&manifests.join("crds")).await?;
        api.apply_path(&manifests.join("rbac")).await?;
        let folder = tempfile::tempdir()?;
        let grpc = format!("127.0.0.1:{}", pointsman_test_support::free_port()?);
        let operator = start_operator(&api, &grpc).await?;
        Ok(Self { api, provider: provider(), operator, grpc, folder })
    }

    pub(crate) async fn restart_operator(&mut self) -> anyhow::Result<()> {
        self.operator.kill()?;
        self.operator = start_operator(&self.api, &self.grpc).await?;
        Ok(())
    }

    /// A namespace whose secrets the operator may read, with the provider's key in it.
    pub(crate) async fn namespace(&self, prefix: &str) -> anyhow::Result<String> {
        let namespace = self.namespace_without_consent(prefix).await?;
        self.consent(&namespace).await?;
        Ok(namespace)
    }

    pub(crate) async fn namespace_without_consent(&self, prefix: &str) -> anyhow::Result<String> {
        let namespace = self.api.create_namespace(prefix).await?;
        self.secret(&namespace, "sk-e2e").await?;
        Ok(namespace)
    }

    pub(crate) async fn consent(&self, namespace: &str) -> anyhow::Result<()> {
        let role = "--clusterrole=pointsman-secret-reader";
        let account = format!("--serviceaccount={ROOT}:pointsman");
        self.kubectl(&["create", "rolebinding", "pointsman-secrets", role, &account, "-n", namespace])
            .await
            .map(drop)
    }

    pub(crate) async fn secret(&self, namespace: &str, key: &str) -> anyhow::Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "llm", "namespace": namespace, "annotations": {"pointsman.dev/allowed-hosts": "127.0.0.1"}},
            "stringData": {"apiKey": key},
        });
        self.api.apply_yaml(&secret.to_string()).await.map(drop)
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let done = self.api.run_kubectl(arguments).await;
        done.with_context(|| format!("kubectl {}\n{}", arguments.join(" "), self.operator_output()))
    }

    pub(crate) async fn json_path(
        &self,
        object: &str,
        namespace: &str,
        path: &str,
    ) -> anyhow::Result<String> {
        let output = format!("jsonpath={path}");
        self.kubectl(&["get", object, "-n", namespace, "-o", &output]).await
    }

    pub(crate) fn operator_output(&self) -> String {
        self.operator.output()
    }

    /// A pod (which nothing runs: there is no node) and, beside it, the sidecar that its token stands for.
    pub(crate) async fn sidecar(&self, namespace: &str, name: &str) -> anyhow::Result<Sidecar> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {
                "serviceAccountName": "default",
                "initContainers": [
                    {"name": "pointsman", "image": IMAGE, "restartPolicy": "Always", "args": ["sidecar", "run"]},
                ],
                "containers": [{"name": "app", "image": "app"}],
            },
        });
        self.api.apply_yaml(&pod.to_string()).await?;
        let uid = self.json_path(&format!("pod/{name}"), namespace, "{.metadata.uid}").await?;
        let token = self
            .api
            .token_request(namespace, "default", AUDIENCE, Some(BoundPod { name, uid: &uid }))
            .await?;
        let folder = self.folder.path().join(format!("{namespace}-{name}"));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("token"), token)?;
        let ca = wait_for("the operator publishes its CA", LONG, || async {
            let ca = self.json_path("configmap/pointsman-trust", ROOT, "{.data.ca\\.crt}").await?;
            Ok((!ca.is_empty()).then_some(ca))
        })
        .await?;
        std::fs::write(folder.join("ca.crt"), ca)?;
        Sidecar::start(&self.grpc, folder).await
    }

    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.operator.stop(ENDING).await?;
        anyhow::ensure!(status.success(), "the operator ended with {status}:\n{}", self.operator_output());
        Ok(())
    }
}

async fn start_operator(api: &ControlPlane, grpc: &str) -> anyhow::Result<Process> {
    let groups =
        ["system:serviceaccounts", "system:serviceaccounts:pointsman-system", "system:authenticated"];
    let kubeconfig = api.kubeconfig_for(OPERATOR, &groups)?;
    let mut command = Command::new(binary("pointsman")?);
    command.env("KUBECONFIG", kubeconfig).args([
        "operator",
        "run",
        "--allow-private-endpoints",
        "--server-name=127.0.0.1",
    ]);
    command.args(["--listen", grpc, "--advertise", grpc, "--admin-listen", "127.0.0.1:0"]);
    command.args(["--sidecar-image", IMAGE, "--webhook-listen", "127.0.0.1:0"]);
    command.args(["--figures-interval", "200ms", "--ledger-interval", "500ms"]);
    let operator = Process::start(&mut command)?;
    operator.wait_for_line("serves", LONG).await?;
    Ok(operator)
}

fn provider() -> Provider {
    let provider = Provider::start();
    provider.serve(SMALL, Model::priced(SMALL_PRICE));
    provider.serve(LARGE, Model::priced(LARGE_PRICE));
    provider
}

/// A sidecar process.
pub(crate) struct Sidecar {
    process: Process,
    grpc: String,
    folder: PathBuf,
    data: String,
    admin: String,
}

/// What a call was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl Sidecar {
    async fn start(grpc: &str, folder: PathBuf) -> anyhow::Result<Self> {
        let ready = folder.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let at = |name: &str| folder.join(name).display().to_string();
        let process = Process::start_binary(
            "pointsman",
            &[
                "sidecar",
                "run",
                "--listen-port=0",
                "--admin-listen=127.0.0.1:0",
                &format!("--operator={grpc}"),
                &format!("--token-file={}", at("token")),
                &format!("--ca-file={}", at("ca.crt")),
                &format!("--state-dir={}", at("state")),
                &format!("--ready-file={}", at("ready.json")),
                "--drain-timeout=5s",
            ],
        )?;
        let addresses: Value = wait_for("the sidecar listens", LONG, || async {
            Ok(Some(serde_json::from_str(&std::fs::read_to_string(&ready)?)?))
        })
        .await
        .with_context(|| process.output())?;
        let url =
            |pointer: &str| addresses.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { process, grpc: grpc.to_owned(), folder, data: url("/data/0"), admin: url("/admin") })
    }

    /// Killed without warning, and started on the same disk.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        *self = Self::start(&self.grpc, self.folder.clone()).await?;
        Ok(())
    }

    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let status = self.process.stop(ENDING).await?;
        anyhow::ensure!(status.success(), "the sidecar ended with {status}:\n{}", self.output());
        Ok(())
    }

    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    pub(crate) async fn chat(&self, model: &str, prompt: &str) -> anyhow::Result<Answer> {
        self.post(json!({"messages": [{"role": "user", "content": prompt}], "model": model})).await
    }

    pub(crate) async fn stream(&self, model: &str, prompt: &str) -> anyhow::Result<Answer> {
        self.post(json!({"messages": [{"role": "user", "content": prompt}], "model": model, "stream": true}))
            .await
    }

    pub(crate) async fn feedback(&self, body: Value) -> anyhow::Result<Answer> {
        let request = http::Request::post(format!("{}/v1/feedback", self.data));
        answer(pointsman_test_support::http::send(request.body(body.to_string())?).await?)
    }

    /// Gets a path of the listener that applications call.
    pub(crate) async fn data(&self, path: &str) -> anyhow::Result<Answer> {
        let request = http::Request::get(format!("{}{path}", self.data));
        answer(pointsman_test_support::http::send(request.body(String::new())?).await?)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<u16> {
        let request = http::Request::get(format!("{}{path}", self.admin));
        Ok(pointsman_test_support::http::send(request.body(String::new())?).await?.status().as_u16())
    }

    /// Whether anything under the sidecar's state folder holds `text`.
    pub(crate) fn disk_contains(&self, text: &str) -> anyhow::Result<bool> {
        let state = self.folder.join("state");
        anyhow::ensure!(std::fs::read_dir(&state)?.count() > 0, "nothing was written to {}", state.display());
        let found = Command::new("grep").args(["-r", "-q", text]).arg(&state).status()?;
        Ok(found.success())
    }

    async fn post(&self, body: Value) -> anyhow::Result<Answer> {
        let request = http::Request::post(format!("{}/v1/chat/completions", self.data))
            .header("content-type", "application/json")
            .header("authorization", "Bearer pointsman");
        answer(pointsman_test_support::http::send(request.body(body.to_string())?).await?)
    }
}

fn answer(response: http::Response<String>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}
