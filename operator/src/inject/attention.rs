//! What people should hear about a pod: that it has no sidecar and why, or that its calls go elsewhere. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::plan::{carries, plan, refuses};
use super::ports::Ports;
use super::{LABEL, Settings, TEMPLATE, is_exempt, variables};
use crate::compile::Labels;

/// One remark; it becomes an Event on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remark {
    pub(crate) reason: &'static str,
    pub(crate) note: String,
}

/// What is known of a pod's sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) carries: bool,
    /// Whether labels ask for a sidecar and nothing forbids it.
    pub(crate) awaits: bool,
    pub(crate) outdated: bool,
    pub(crate) remarks: Vec<Remark>,
}

/// Judges a pod. Without settings nothing is injected, and nothing is missed.
pub(crate) fn standing(pod: &Pod, namespace: &Labels, settings: Option<&Settings>) -> Standing {
    let carries = carries(pod);
    let asked = asks(pod, namespace);
    let Some(settings) = settings else {
        return Standing { carries, awaits: asked && !carries, ..Standing::default() };
    };
    if carries {
        let template = pod.annotations().get(TEMPLATE);
        return Standing {
            carries,
            awaits: false,
            outdated: template.is_some_and(|template| *template != settings.template()),
            remarks: obstacles(pod),
        };
    }
    let exempt = is_exempt(&pod.namespace().unwrap_or_default(), &settings.root_namespace);
    if !asked || exempt {
        return Standing::default();
    }
    let (awaits, remark) = match plan(pod, settings) {
        Ok(_) => (true, missing()),
        Err(refusal) => {
            (false, Remark { reason: "InjectionRefused", note: format!("No sidecar: {refusal}.") })
        }
    };
    Standing { carries, awaits, outdated: false, remarks: vec![remark] }
}

fn missing() -> Remark {
    let note = "No sidecar, though the labels ask for one: the pod is older than they are, or the webhook did not \
                answer when it was created. Create it anew, as with kubectl rollout restart.";
    Remark { reason: "SidecarMissing", note: note.to_owned() }
}

fn obstacles(pod: &Pod) -> Vec<Remark> {
    let Ok(ports) = Ports::of(pod) else { return Vec::new() };
    let told = variables::obstacles(pod, ports.data).into_iter();
    told.map(|(reason, note)| Remark { reason, note }).collect()
}

/// Whether labels ask for a sidecar, as the selectors of the webhook's configuration read them.
fn asks(pod: &Pod, namespace: &Labels) -> bool {
    let pod_asks = pod.labels().get(LABEL).is_some_and(|value| value == "enabled");
    match namespace.get(LABEL).map(String::as_str) {
        Some("disabled") => false,
        Some("enabled") => !refuses(pod),
        _ => pod_asks,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::super::settings::example;
    use super::*;

    fn judge(namespace: Option<&str>, pod: Value) -> Standing {
        let labels = namespace.map(|value| (LABEL.to_owned(), value.to_owned())).into_iter().collect();
        standing(&serde_json::from_value(pod).unwrap(), &labels, Some(&example()))
    }

    fn pod(label: Option<&str>, spec: Value) -> Value {
        let mut labels = json!({});
        if let Some(label) = label {
            labels[LABEL] = json!(label);
        }
        json!({"metadata": {"name": "bot", "namespace": "shop", "labels": labels}, "spec": spec})
    }

    fn plain() -> Value {
        json!({"containers": [{"name": "app"}]})
    }

    fn injected(env: Value) -> Value {
        json!({
            "initContainers": [{"name": "pointsman", "restartPolicy": "Always", "args": ["sidecar", "run"]}],
            "containers": [{"name": "app", "env": env}],
        })
    }

    #[test]
    fn labels_ask_as_the_selectors_read_them() {
        for (namespace, label, asks) in [
            (None, None, false),
            (None, Some("enabled"), true),
            (None, Some("disabled"), false),
            (Some("enabled"), None, true),
            (Some("enabled"), Some("disabled"), false),
            (Some("disabled"), Some("enabled"), false),
        ] {
            let judged = judge(namespace, pod(label, plain()));
            assert_eq!(judged.awaits, asks, "{namespace:?} {label:?}");
            let reasons: Vec<_> = judged.remarks.iter().map(|remark| remark.reason).collect();
            assert_eq!(reasons, if asks { vec!["SidecarMissing"] } else { vec![] });
        }
    }

    #[test]
    fn a_pod_that_cannot_have_one_is_told_why_and_not_waited_for() {
        let judged = judge(None, pod(Some("enabled"), json!({"hostNetwork": true, "containers": []})));
        assert!(!judged.awaits);
        assert!(judged.remarks[0].note.starts_with("No sidecar: hostNetwork: "), "{:?}", judged.remarks);
    }

    #[test]
    fn nobody_is_told_in_namespaces_that_are_left_alone() {
        let mut system = pod(Some("enabled"), plain());
        system["metadata"]["namespace"] = json!("kube-system");
        assert_eq!(judge(None, system), Standing::default());
    }

    #[test]
    fn an_endpoint_of_its_own_is_told_with_the_remedy() {
        let own = json!([{"name": "OPENAI_BASE_URL", "value": "https://elsewhere.example/v1"}]);
        let judged = judge(None, pod(None, injected(own)));
        assert_eq!(judged.remarks[0].reason, "OwnEndpoint");
        assert!(judged.remarks[0].note.ends_with("or set it to http://127.0.0.1:14100/v1."));
        let ours = json!([{"name": "OPENAI_BASE_URL", "value": "http://localhost:14100/v1/"}]);
        assert_eq!(judge(None, pod(None, injected(ours))).remarks, []);
    }

    #[test]
    fn a_proxy_that_takes_loopback_calls_is_told() {
        let proxy = |exceptions: &str| json!([{"name": "https_proxy", "value": "http://proxy:3128"}, {"name": "no_proxy", "value": exceptions}]);
        let reasons = |exceptions: &str| {
            let judged = judge(None, pod(None, injected(proxy(exceptions))));
            judged.remarks.iter().map(|remark| remark.reason).collect::<Vec<_>>()
        };
        assert_eq!(reasons("internal.example"), ["ProxyInTheWay"]);
        assert_eq!(reasons("internal.example, 127.0.0.1"), [] as [&str; 0]);
        assert_eq!(reasons("*"), [] as [&str; 0]);
    }

    #[test]
    fn a_sidecar_of_other_settings_is_outdated_and_one_written_by_hand_is_not() {
        let mut carried = pod(None, injected(json!([])));
        assert!(!judge(None, carried.clone()).outdated);
        carried["metadata"]["annotations"] = json!({TEMPLATE: example().template()});
        assert!(!judge(None, carried.clone()).outdated);
        carried["metadata"]["annotations"] = json!({TEMPLATE: "sha256-0"});
        assert!(judge(None, carried).outdated);
    }
}
