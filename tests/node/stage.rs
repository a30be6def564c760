//! One story's namespace: the shop's provider, key, policy and budget under another name, and applications in it.

use anyhow::Context;
use pointsman_config::money::Nano;
use pointsman_test_support::wait_for;
use serde_json::Value;

use crate::node::{Node, PATIENT};

/// Asks and prints which model answered; the stock client, which tries again so often.
const ASK: &str = "
import sys
from openai import OpenAI
answer = OpenAI(max_retries=int(sys.argv[2])).chat.completions.create(
    model=sys.argv[1], max_tokens=50, messages=[{'role': 'user', 'content': 'hello'}])
print(answer.model)
";

/// Whether the pod's network knows the provider: its name, and where the Service leads.
const REACH: &str = "import socket; socket.create_connection(('cloud', 8080), 2)";

/// Waits for its end, and takes it at once.
const IDLE: &str =
    "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); signal.pause()";

/// A namespace of a story.
pub(crate) struct Stage<'a> {
    pub(crate) node: &'a Node,
    pub(crate) name: String,
    /// Whether the shop's provider is in this namespace.
    has_provider: bool,
}

impl<'a> Stage<'a> {
    /// The shop without its application, in a namespace whose pods get the sidecar.
    pub(crate) async fn set(node: &'a Node, story: &str) -> anyhow::Result<Self> {
        let mut stage = Self::empty(node, story).await?;
        stage.has_provider = true;
        let shop = node.kubectl(&["kustomize", "examples/shop"]).await?;
        let ours: Vec<&str> =
            shop.split("\n---\n").filter(|object| !object.contains("\n  name: assistant\n")).collect();
        let moved = stage.moved(&ours.join("\n---\n"));
        node.apply(&moved).await?;
        stage.kubectl(&["rollout", "status", "deployment/cloud", "--timeout=180s"]).await?;
        stage.kubectl(&["wait", "--for=condition=Accepted", "rpol/default", "--timeout=60s"]).await?;
        Ok(stage)
    }

    /// A namespace that somebody else fills.
    pub(crate) fn of(node: &'a Node, name: &str) -> Self {
        Self { node, name: name.to_owned(), has_provider: false }
    }

    /// A labelled namespace with nothing in it, which takes restricted pods only.
    pub(crate) async fn empty(node: &'a Node, story: &str) -> anyhow::Result<Self> {
        let name = format!("{story}-{}", std::process::id());
        node.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{pointsman.dev/inject: enabled, \
             pod-security.kubernetes.io/enforce: restricted}}}}\n"
        ))
        .await?;
        let stage = Self::of(node, &name);
        wait_for("the namespace has its service account", PATIENT, || async {
            stage.kubectl(&["get", "serviceaccount/default", "-o", "name"]).await.map(Some)
        })
        .await?;
        Ok(stage)
    }

    /// Manifests of namespace `shop`, for this one.
    pub(crate) fn moved(&self, yaml: &str) -> String {
        yaml.replace("namespace: shop\n", &format!("namespace: {}\n", self.name))
            .replace("cloud.shop.svc", &format!("cloud.{}.svc", self.name))
    }

    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut all = vec!["-n", &self.name];
        all.extend(arguments);
        self.node.kubectl(&all).await
    }

    /// Applies objects that name no namespace to this one.
    pub(crate) async fn apply(&self, yaml: &str) -> anyhow::Result<String> {
        self.node.kubectl_with(&["apply", "-n", &self.name, "-f", "-"], yaml).await
    }

    pub(crate) async fn value(&self, object: &str, path: &str) -> anyhow::Result<String> {
        self.node.value(&self.name, object, path).await
    }

    /// Edits the policy so that exactly one model can answer, whatever the sidecar thinks of the prompt and has learned.
    pub(crate) async fn only(&self, model: &str) -> anyhow::Result<()> {
        let edit = serde_json::json!({"spec": {"candidates": [{"model": model}]}}).to_string();
        self.kubectl(&["patch", "rpol", "default", "--type=merge", "-p", &edit]).await.map(drop)
    }

    /// An application that waits to be asked; 2/2, on a node whose network has heard of the provider's Service by then.
    pub(crate) async fn app(&self, name: &str) -> anyhow::Result<()> {
        let target = format!("deployment/{name}");
        self.apply(&deployment(name, 1, IDLE)).await?;
        self.kubectl(&["rollout", "status", &target, "--timeout=180s"]).await?;
        if self.has_provider {
            wait_for("the pod reaches the provider", PATIENT, || async {
                self.kubectl(&["exec", &target, "-c", "app", "--", "python3", "-c", REACH]).await.map(Some)
            })
            .await?;
        }
        Ok(())
    }

    /// One call from inside the application's container, never repeated; gives the model that answered.
    pub(crate) async fn ask(&self, app: &str, model: &str) -> anyhow::Result<String> {
        self.ask_with(app, model, "0").await
    }

    /// The same with as many attempts as the stock client makes by default.
    pub(crate) async fn ask_as_usual(&self, app: &str, model: &str) -> anyhow::Result<String> {
        self.ask_with(app, model, "2").await
    }

    async fn ask_with(&self, app: &str, model: &str, retries: &str) -> anyhow::Result<String> {
        let target = format!("deployment/{app}");
        let exec = ["exec", &target, "-c", "app", "--", "python3", "-c", ASK, model, retries];
        Ok(self.kubectl(&exec).await?.trim().to_owned())
    }

    /// The name of the one pod of an application that is not ending.
    pub(crate) async fn pod(&self, app: &str) -> anyhow::Result<String> {
        let label = format!("app={app}");
        let list: Value =
            serde_json::from_str(&self.kubectl(&["get", "pods", "-l", &label, "-o", "json"]).await?)?;
        let pods = list["items"].as_array().context("a list")?;
        let alive: Vec<&str> = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter_map(|pod| pod["metadata"]["name"].as_str())
            .collect();
        anyhow::ensure!(alive.len() == 1, "one pod of {app}: {alive:?}");
        Ok(alive[0].to_owned())
    }

    /// What the provider itself says that it bills, in nano-USD.
    pub(crate) async fn billed(&self) -> anyhow::Result<u64> {
        let books = format!("/api/v1/namespaces/{}/services/cloud:books/proxy/_simulated/books", self.name);
        let report: Value = serde_json::from_str(&self.node.kubectl(&["get", "--raw", &books]).await?)?;
        report["total"]["cost_nano"].as_u64().with_context(|| format!("the books have a total: {report}"))
    }

    /// Which API keys the provider takes from now on.
    pub(crate) async fn provider_takes(&self, keys: &[&str]) -> anyhow::Result<()> {
        let send = "
import sys, urllib.request
request = urllib.request.Request('http://cloud:8081/_simulated/keys', data=sys.argv[1].encode(), method='PUT')
urllib.request.urlopen(request).read()";
        let keys = serde_json::to_string(keys)?;
        self.kubectl(&["exec", "deployment/app", "-c", "app", "--", "python3", "-c", send, &keys])
            .await
            .map(drop)
    }

    /// Waits until the Budget's status says what the provider's own books say, to the nano-dollar.
    pub(crate) async fn books_agree(&self) -> anyhow::Result<u64> {
        self.books_agree_with(self).await
    }

    /// The same with the books of a provider of another namespace, whom nobody else calls.
    pub(crate) async fn books_agree_with(&self, owner: &Stage<'_>) -> anyhow::Result<u64> {
        wait_for("the budget's status equals the provider's books", PATIENT, || async {
            let billed = owner.billed().await?;
            let spent = self.value("bgt/shop", "{.status.limits[0].spent}").await?;
            let spent = Nano::parse_usd(spent.trim_start_matches('$')).context("an amount")?.0;
            anyhow::ensure!(spent == billed, "the budget says {spent}, the provider billed {billed}");
            Ok((billed > 0).then_some(billed))
        })
        .await
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", &self.name, "--wait=false"];
        let command = self.node.kubectl_command(&delete);
        let _ = command.into_std().output();
    }
}

/// A Deployment of the shop's image that runs `script`, as restricted as namespaces ask for.
pub(crate) fn deployment(name: &str, replicas: u32, script: &str) -> String {
    serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container("app", script)]},
            },
        },
    })
    .to_string()
}

/// A container of the shop's image that runs `script`.
pub(crate) fn container(name: &str, script: &str) -> Value {
    serde_json::json!({
        "name": name,
        "image": "pointsman.dev/shop:1",
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", script],
        "securityContext": {
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}
