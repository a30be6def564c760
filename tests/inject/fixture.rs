//! A cluster with everything that an installation brings, but for the operator's pod: that runs here.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use pointsman_crds::{LLMProvider, RoutingPolicy};
use pointsman_operator::{Operator, OperatorConfig, Pace};
use pointsman_test_support::control_plane::{self, BoundPod, ControlPlane};
use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::patch::settings;

pub(crate) const ROOT: &str = "pointsman-system";
pub(crate) const AUDIENCE: &str = "pointsman.dev/sidecar";
pub(crate) const INJECT: &str = "pointsman.dev/inject=enabled";

/// A control plane with definitions, roles and admission policies.
pub(crate) async fn cluster() -> anyhow::Result<ControlPlane> {
    let control_plane = control_plane::start().await?;
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    control_plane.apply_crds(&manifests.join("crds")).await?;
    control_plane.create_namespace_named(ROOT).await?;
    control_plane.apply_path(&manifests.join("rbac/operator.yaml")).await?;
    control_plane.apply_path(&manifests.join("admission/policies.yaml")).await?;
    Ok(control_plane)
}

/// How fast things happen in tests.
pub(crate) fn pace() -> Pace {
    Pace {
        quiet: Duration::from_millis(20),
        figures: Duration::from_millis(200),
        small_figures: Duration::from_millis(400),
        ledger: Duration::from_millis(200),
        lease: Duration::from_secs(3),
        renew: Duration::from_millis(200),
        tend: Duration::from_millis(50),
        silence: Duration::from_millis(300),
        ..Pace::default()
    }
}

/// An operator that injects, with no more rights than its manifests give it.
pub(crate) async fn config(control_plane: &ControlPlane, identity: &str) -> anyhow::Result<OperatorConfig> {
    let user = format!("system:serviceaccount:{ROOT}:pointsman");
    let groups =
        ["system:serviceaccounts", "system:authenticated", &format!("system:serviceaccounts:{ROOT}")];
    let loopback: SocketAddr = "127.0.0.1:0".parse()?;
    Ok(OperatorConfig {
        client: control_plane.client_for(&user, &groups).await?,
        root_namespace: ROOT.to_owned(),
        service_account: "pointsman".to_owned(),
        identity: identity.to_owned(),
        listen: loopback,
        admin_listen: loopback,
        advertise: None,
        server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        injection: Some(settings()),
        webhook_listen: loopback,
        webhook_configuration: "pointsman".to_owned(),
        certificate_dir: None,
        allow_private_endpoints: true,
        check_peer_address: true,
        pace: pace(),
        clock: jiff::Timestamp::now,
    })
}

/// Installs the configuration of the webhook as the manifests have it, but by address: there is no Service here.
pub(crate) async fn install_webhook(
    control_plane: &ControlPlane,
    address: SocketAddr,
    failure_policy: &str,
) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/admission/webhook.yaml");
    let mut configuration: Value = serde_yaml::from_str(&std::fs::read_to_string(path)?)?;
    for entry in configuration["webhooks"].as_array_mut().context("it has webhooks")? {
        let path = entry["clientConfig"]["service"]["path"].as_str().context("it has a path")?.to_owned();
        entry["clientConfig"] = json!({"url": format!("https://{address}{path}")});
        entry["failurePolicy"] = json!(failure_policy);
    }
    control_plane.apply_yaml(&configuration.to_string()).await?;
    Ok(())
}

/// Waits until the API server calls the webhook and trusts it.
pub(crate) async fn until_injecting(control_plane: &ControlPlane) -> anyhow::Result<()> {
    let namespace = control_plane.create_namespace("probe").await?;
    control_plane.run_kubectl(&["label", "namespace", &namespace, INJECT]).await?;
    let api: Api<Pod> = Api::namespaced(control_plane.new_client().await?, &namespace);
    wait_for("the webhook injects", LONG, || async {
        let pod =
            create(&api, &json!({"metadata": {"generateName": "probe-"}, "spec": plain()}), true).await?;
        Ok(has_sidecar(&pod).then_some(()))
    })
    .await
}

/// What most tests share: one cluster and one operator, which run until the test binary ends.
pub(crate) struct Shared {
    pub(crate) control_plane: &'static ControlPlane,
    /// Bound to the calling test's runtime.
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
}

struct Running {
    control_plane: ControlPlane,
    address: SocketAddr,
}

/// The shared cluster. It lives on a thread and a runtime of its own: those of a test end with the test.
pub(crate) async fn shared() -> anyhow::Result<Shared> {
    static ONE: OnceCell<Running> = OnceCell::const_new();
    let running = ONE.get_or_try_init(start).await?;
    Ok(Shared {
        control_plane: &running.control_plane,
        client: running.control_plane.new_client().await?,
        address: running.address,
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
                let operator = config(&control_plane, "operator-0").await?.start().await?;
                let webhook = operator.webhook_address.context("it injects")?;
                install_webhook(&control_plane, webhook, "Fail").await?;
                until_injecting(&control_plane).await?;
                anyhow::Ok((control_plane, operator))
            };
            match started.await {
                Ok((control_plane, operator)) => {
                    let address = operator.address;
                    let _ = sender.send(Ok(Running { control_plane, address }));
                    run(operator).await;
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        });
    });
    receiver.await.context("the shared cluster starts")?
}

async fn run(operator: Operator) {
    operator.run_until(std::future::pending()).await.unwrap();
}

/// The spec of the smallest pod.
pub(crate) fn plain() -> Value {
    json!({"containers": [{"name": "app", "image": "registry.example/app:1"}]})
}

/// Creates a pod, or only asks what would become of it.
pub(crate) async fn create(api: &Api<Pod>, pod: &Value, dry_run: bool) -> Result<Pod, kube::Error> {
    let pod: Pod = serde_json::from_value(pod.clone()).expect("a pod");
    api.create(&PostParams { dry_run, ..PostParams::default() }, &pod).await
}

pub(crate) fn has_sidecar(pod: &Pod) -> bool {
    let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    init.into_iter().any(|container| container.name == "pointsman")
}

/// An injected pod of a labelled namespace, and the token that its kubelet would project.
pub(crate) async fn injected(shared: &Shared, namespace: &str, name: &str) -> anyhow::Result<(Pod, String)> {
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let pod =
        json!({"metadata": {"name": name, "labels": {"pointsman.dev/inject": "enabled"}}, "spec": plain()});
    let pod = create(&api, &pod, false).await?;
    let uid = pod.uid().context("a pod has a uid")?;
    let bound = BoundPod { name, uid: &uid };
    let token = shared.control_plane.token_request(namespace, "default", AUDIENCE, Some(bound)).await?;
    Ok((pod, token))
}

/// Waits for an Event on an object, and gives its note.
pub(crate) async fn event(
    client: &Client,
    namespace: &str,
    (kind, name, reason): (&str, &str, &str),
) -> anyhow::Result<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let what = format!("{kind}/{name} has the event {reason}");
    let waited = wait_for(&what, LONG, || async {
        let events = api.list(&ListParams::default()).await?;
        let found = events.items.into_iter().find(|event| {
            let about = event.regarding.clone().unwrap_or_default();
            event.reason.as_deref() == Some(reason)
                && about.kind.as_deref() == Some(kind)
                && about.name.as_deref() == Some(name)
        });
        Ok(found.map(|event| event.note.unwrap_or_default()))
    });
    waited.await
}

/// Waits until the status of a policy or provider satisfies `check`.
pub(crate) async fn status(
    client: &Client,
    (kind, namespace, name): (&str, &str, &str),
    check: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let resource = match kind {
        "llmp" => LLMProvider::api_resource(),
        "rpol" => RoutingPolicy::api_resource(),
        other => panic!("no kind {other}"),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let last = std::sync::Mutex::new(Value::Null);
    let what = format!("the status of {kind}/{name}");
    let waited = wait_for(&what, LONG, || async {
        let status = api.get(name).await?.data["status"].clone();
        *last.lock().unwrap() = status.clone();
        Ok(check(&status).then_some(status))
    });
    waited.await.with_context(|| format!("it was {}", last.into_inner().unwrap()))
}

/// Whether a condition of a status is as said.
pub(crate) fn says(status: &Value, type_: &str, reason: &str) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == type_ && condition["reason"] == reason)
}
