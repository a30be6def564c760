//! A cluster with the kinds, the operator's own rights, and a running operator.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, CustomResourceExt};
use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy};
use pointsman_operator::{Operator, OperatorConfig, Pace};
use pointsman_test_support::control_plane::{self, BoundPod, ControlPlane};
use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const ROOT: &str = "pointsman-system";
pub(crate) const AUDIENCE: &str = "pointsman.dev/sidecar";

/// A control plane that knows the kinds and gives the operator its rights.
pub(crate) async fn cluster() -> anyhow::Result<ControlPlane> {
    let control_plane = control_plane::start().await?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    control_plane.apply_crds(&here.join("../manifests/crds")).await?;
    control_plane.create_namespace_named(ROOT).await?;
    control_plane.apply_path(&here.join("../manifests/rbac/operator.yaml")).await?;
    Ok(control_plane)
}

/// An operator with no more rights than its manifests give it, at a pace for tests.
pub(crate) async fn operator(control_plane: &ControlPlane, identity: &str) -> anyhow::Result<Operator> {
    let user = format!("system:serviceaccount:{ROOT}:pointsman");
    let groups =
        ["system:serviceaccounts", "system:authenticated", &format!("system:serviceaccounts:{ROOT}")];
    let loopback: SocketAddr = "127.0.0.1:0".parse()?;
    let config = OperatorConfig {
        client: control_plane.client_for(&user, &groups).await?,
        root_namespace: ROOT.to_owned(),
        service_account: "pointsman".to_owned(),
        identity: identity.to_owned(),
        listen: loopback,
        admin_listen: loopback,
        advertise: None,
        server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        injection: None,
        webhook_listen: loopback,
        webhook_configuration: "pointsman".to_owned(),
        certificate_dir: None,
        allow_private_endpoints: false,
        check_peer_address: true,
        clock: jiff::Timestamp::now,
        pace: Pace {
            quiet: Duration::from_millis(20),
            figures: Duration::from_millis(200),
            small_figures: Duration::from_millis(400),
            ledger: Duration::from_millis(200),
            lease: Duration::from_secs(3),
            renew: Duration::from_millis(200),
            ..Pace::default()
        },
    };
    config.start().await.context("the operator starts")
}

/// What most tests share: one cluster and one operator, which run until the test binary ends.
pub(crate) struct Shared {
    pub(crate) control_plane: &'static ControlPlane,
    /// Bound to the calling test's runtime.
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

struct Running {
    control_plane: ControlPlane,
    address: SocketAddr,
    admin: SocketAddr,
}

/// The shared cluster. It lives on a thread and a runtime of its own: those of a test end with the test.
pub(crate) async fn shared() -> anyhow::Result<Shared> {
    static ONE: OnceCell<Running> = OnceCell::const_new();
    let running = ONE.get_or_try_init(start).await?;
    Ok(Shared {
        control_plane: &running.control_plane,
        client: running.control_plane.new_client().await?,
        address: running.address,
        admin: running.admin,
    })
}

async fn start() -> anyhow::Result<Running> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let started = async {
                let control_plane = cluster().await?;
                let operator = operator(&control_plane, "operator-0").await?;
                anyhow::Ok((control_plane, operator))
            };
            match started.await {
                Ok((control_plane, operator)) => {
                    let (address, admin) = (operator.address, operator.admin_address);
                    let _ = sender.send(Ok(Running { control_plane, address, admin }));
                    operator.run_until(std::future::pending()).await.unwrap();
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        });
    });
    receiver.await.context("the shared cluster starts")?
}

/// One of the four kinds in a namespace.
pub(crate) fn api(client: &Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let resource = match kind {
        "llmp" => LLMProvider::api_resource(),
        "rpol" => RoutingPolicy::api_resource(),
        "abt" => ABTest::api_resource(),
        "bgt" => Budget::api_resource(),
        other => panic!("no kind {other}"),
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// Waits until a condition of an object, compiled at its present generation, is as expected, and gives its message.
pub(crate) async fn condition(
    client: &Client,
    object: (&str, &str, &str),
    type_: &str,
    status: &str,
    reason: &str,
) -> anyhow::Result<String> {
    let (kind, namespace, name) = object;
    let api = api(client, kind, namespace);
    let last = std::sync::Mutex::new(Value::Null);
    let waited = wait_for(&format!("{kind}/{name} says {type_}={status} {reason}"), LONG, || async {
        let object = api.get(name).await?;
        let conditions = object.data["status"]["conditions"].clone();
        let found = conditions.as_array().into_iter().flatten().find(|c| c["type"] == type_).cloned();
        let generation = json!(object.metadata.generation);
        let as_expected = found.filter(|c| {
            c["status"] == status && c["reason"] == reason && c["observedGeneration"] == generation
        });
        *last.lock().unwrap() = conditions;
        Ok(as_expected.map(|c| c["message"].as_str().unwrap_or_default().to_owned()))
    })
    .await;
    waited.with_context(|| format!("its conditions were {}", last.into_inner().unwrap()))
}

/// Waits until an object's status, as a whole, satisfies `check`.
pub(crate) async fn status(
    client: &Client,
    (kind, namespace, name): (&str, &str, &str),
    check: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let api = api(client, kind, namespace);
    let last = std::sync::Mutex::new(Value::Null);
    let waited = wait_for(&format!("the status of {kind}/{name}"), LONG, || async {
        let status = api.get(name).await?.data["status"].clone();
        *last.lock().unwrap() = status.clone();
        Ok(check(&status).then_some(status))
    })
    .await;
    waited.with_context(|| format!("it was {}", last.into_inner().unwrap()))
}

/// A pod with a sidecar, and the token that would be projected into it.
pub(crate) async fn pod(
    control_plane: &ControlPlane,
    namespace: &str,
    name: &str,
    labels: Value,
) -> anyhow::Result<(String, String)> {
    let mut labels = labels;
    labels["pointsman.dev/inject"] = "enabled".into();
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "initContainers": [
                {"name": "pointsman", "image": "sidecar", "restartPolicy": "Always", "args": ["sidecar", "run"]},
            ],
            "containers": [{"name": "app", "image": "app"}],
        },
    }))?;
    let client = control_plane.new_client().await?;
    let created = Api::<Pod>::namespaced(client, namespace).create(&PostParams::default(), &pod).await?;
    let uid = created.metadata.uid.context("a pod has a uid")?;
    let bound = BoundPod { name, uid: &uid };
    let token = control_plane.token_request(namespace, "default", AUDIENCE, Some(bound)).await?;
    Ok((token, uid))
}

/// The value of a metric, summed over its labels.
pub(crate) async fn metric(admin: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let text = get(admin, "/metrics").await?.1;
    let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// A GET over plain HTTP: status and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    let status = head.split(' ').nth(1).context("a head has a status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// A simulated provider that serves models for a price, in YAML.
pub(crate) fn provider(name: &str, namespace: &str, models: &[&str]) -> String {
    let models: String = models
        .iter()
        .map(|model| format!("\n  - {{name: {model}, pricing: {{input: \"1\", output: \"2\"}}}}"))
        .collect();
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  type: Simulated\n  models:{models}\n"
    )
}

/// A policy over candidates, in YAML; `more` are further lines of its spec.
pub(crate) fn policy(name: &str, namespace: &str, candidates: &[&str], more: &str) -> String {
    let candidates: String = candidates.iter().map(|model| format!("\n  - model: {model}")).collect();
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  candidates:{candidates}\n{more}"
    )
}

/// A budget of one limit, in YAML.
pub(crate) fn budget(name: &str, namespace: &str, amount: &str, more: &str) -> String {
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: Budget\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  limits: [{{name: m, amount: {amount}, window: Total}}]\n{more}"
    )
}
