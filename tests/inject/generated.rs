//! Ten thousand pods that nobody thought of.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use crate::fixture::shared;
use crate::golden::dry_run;
use crate::patch::{apply, contains, planned};

const PODS: u64 = 10_000;
/// So many pods are shown to the API server at a time.
const AT_A_TIME: usize = 16;

/// A small generator of its own: the same pods in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

fn pod(seed: u64) -> Value {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for _ in 0..8 {
        chance.below(2);
    }
    let mut spec = json!({"containers": []});
    let guaranteed = chance.one_in(3);
    let mesh = chance.one_in(3);
    for index in 0..=chance.below(5) {
        let mut container = container(&mut chance, &format!("app-{index}"), guaranteed);
        if mesh && chance.one_in(4) && index > 0 {
            container["name"] = json!(chance.one(&["istio-proxy", "linkerd-proxy"]));
        }
        push(&mut spec["containers"], container);
    }
    if chance.one_in(2) {
        spec["initContainers"] = json!([]);
        for index in 0..chance.below(4) {
            let mut init = container(&mut chance, &format!("init-{index}"), guaranteed);
            if chance.one_in(3) {
                init["restartPolicy"] = json!("Always");
            }
            if mesh && chance.one_in(3) {
                init["name"] = json!(chance.one(&["istio-init", "linkerd-init", "istio-validation"]));
            }
            push(&mut spec["initContainers"], init);
        }
    }
    if chance.one_in(2) {
        let volumes = (0..chance.below(4)).map(|index| json!({"name": format!("v-{index}"), "emptyDir": {}}));
        spec["volumes"] = Value::Array(volumes.collect());
        if chance.one_in(12) {
            let name = chance.one(&["pointsman-token", "pointsman-keys", "pointsman-state"]);
            let medium = if chance.one_in(2) { json!({"medium": "Memory"}) } else { json!({}) };
            push(&mut spec["volumes"], json!({"name": name, "emptyDir": medium}));
        }
    }
    for (field, odds) in [("hostNetwork", 40), ("shareProcessNamespace", 40), ("hostPID", 60)] {
        if chance.one_in(odds) {
            spec[field] = json!(chance.one_in(2));
        }
    }
    if chance.one_in(30) {
        spec["os"] = json!({"name": chance.one(&["linux", "windows"])});
    }
    if chance.one_in(3) {
        spec["securityContext"] = json!({"runAsUser": chance.below(3) * 1000, "fsGroup": 2000});
    }
    let mut metadata = json!({"name": format!("bot-{seed}")});
    if chance.one_in(2) {
        metadata["labels"] =
            json!({"app": "bot", "pointsman.dev/inject": chance.one(&["enabled", "enabled", "disabled"])});
    }
    if chance.one_in(2) {
        metadata["annotations"] = json!({"team/x": "~1"});
        for (name, values, odds) in [
            ("pointsman.dev/port", &["15100", "14100", "0", "http"][..], 6),
            ("pointsman.dev/admin-port", &["15101", "15100"][..], 6),
            ("pointsman.dev/skip-env", &["*", "app-0", "app-1, init-0"][..], 5),
        ] {
            if chance.one_in(odds) {
                metadata["annotations"][name] = json!(chance.one(values));
            }
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn container(chance: &mut Chance, name: &str, guaranteed: bool) -> Value {
    let mut container = json!({"name": name, "image": "registry.example/app:1"});
    if chance.one_in(2) {
        container["env"] = json!([]);
        for _ in 0..chance.below(4) {
            let name = chance.one(&[
                "LOG",
                "OPENAI_BASE_URL",
                "OPENAI_API_KEY",
                "NO_PROXY",
                "no_proxy",
                "HTTP_PROXY",
                "MODEL",
            ]);
            let value =
                chance.one(&["", "x", "http://127.0.0.1:14100/v1", "https://llm.example/v1", "$(LOG)"]);
            push(&mut container["env"], json!({"name": name, "value": value}));
        }
    }
    if chance.one_in(4) {
        let port = 14_098 + chance.below(4);
        container["ports"] = json!([{"containerPort": if chance.one_in(3) { port } else { 8080 }}]);
    }
    if guaranteed || chance.one_in(4) {
        container["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        if chance.one_in(2) {
            container["resources"]["requests"] = json!({"cpu": "1000m", "memory": "1024Mi"});
        }
    }
    container
}

fn push(list: &mut Value, item: Value) {
    // Names are unique, or it is no pod.
    let items = list.as_array_mut().unwrap();
    let is_container = item.get("image").is_some();
    if !is_container || items.iter().all(|known| known["name"] != item["name"]) {
        items.push(item);
    }
}

/// Guaranteed, as Kubernetes says it: each container has limits of both, and requests as much or nothing.
fn is_guaranteed(pod: &Value) -> bool {
    let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array().cloned());
    lists.into_iter().flatten().flatten().all(|container| {
        let resources = &container["resources"];
        ["cpu", "memory"].iter().all(|name| {
            let limit = &resources["limits"][name];
            let request = &resources["requests"][name];
            let same = [("1", "1000m"), ("1Gi", "1024Mi")].map(|(one, other)| (json!(one), json!(other)));
            limit.is_string()
                && (request.is_null() || request == limit || same.contains(&(limit.clone(), request.clone())))
        })
    })
}

/// Ours comes before the first init container that is not a mesh's and does not keep running.
fn stands_first(pod: &Value) -> bool {
    let names = |container: &Value| container["name"].as_str().unwrap().to_owned();
    let init = pod["spec"]["initContainers"].as_array().unwrap();
    let ours = init.iter().position(|container| names(container) == "pointsman").unwrap();
    let is_application =
        |container: &Value| container["restartPolicy"] != "Always" && names(container).starts_with("init-");
    init.iter().position(is_application).is_none_or(|first| ours < first)
}

#[test]
fn nothing_is_lost_a_second_pass_adds_nothing_and_guaranteed_stays_guaranteed() {
    let (mut patched_pods, mut refused, mut guaranteed) = (0, 0, 0);
    for seed in 0..PODS {
        let pod = pod(seed);
        let Ok(patch) = planned(&pod) else {
            refused += 1;
            continue;
        };
        let patched = apply(&pod, &patch);
        assert!(contains(&patched, &pod), "pod {seed}: {pod}");
        assert_eq!(planned(&patched), Ok(Vec::new()), "pod {seed}: {pod}");
        if patch.is_empty() {
            assert_eq!(pod["metadata"]["labels"]["pointsman.dev/inject"], "disabled", "pod {seed}: {pod}");
            continue;
        }
        patched_pods += 1;
        assert!(stands_first(&patched), "pod {seed}: {patched}");
        if is_guaranteed(&pod) {
            guaranteed += 1;
            assert!(is_guaranteed(&patched), "pod {seed}: {patched}");
        }
    }
    assert!(
        patched_pods > 6000 && refused > 500 && guaranteed > 500,
        "{patched_pods} {refused} {guaranteed}"
    );
}

#[tokio::test]
async fn the_api_server_takes_what_it_took_before() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("generated").await?;
    let api: &Api<Pod> = &Api::namespaced(shared.client.clone(), namespace);
    let shown = futures::stream::iter(0..PODS).map(|seed| is_still_taken(api, namespace, seed));
    let taken = shown.buffer_unordered(AT_A_TIME).filter(|taken| std::future::ready(*taken)).count().await;
    assert!(taken > 6000, "only {taken} were taken");
    Ok(())
}

/// Whether the API server takes a pod; then it takes it with a sidecar too, and as Guaranteed as it was.
async fn is_still_taken(api: &Api<Pod>, namespace: &str, seed: u64) -> bool {
    let pod = pod(seed);
    let Ok(patch) = planned(&pod) else { return false };
    if patch.is_empty() || dry_run(api, namespace, &pod).await.is_err() {
        return false;
    }
    let patched = apply(&pod, &patch);
    let answer = dry_run(api, namespace, &patched).await;
    let answer = answer.unwrap_or_else(|error| panic!("pod {seed}: {error}: {patched}"));
    if is_guaranteed(&pod) {
        let class = answer.status.and_then(|status| status.qos_class);
        assert_eq!(class.as_deref(), Some("Guaranteed"), "pod {seed}");
    }
    true
}
