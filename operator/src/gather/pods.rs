//! Pods: whether they carry a sidecar, who they are, where they are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodStatus};
use kube::ResourceExt;
use kube::runtime::reflector::Store;

use crate::compile::{self, Labels};
use crate::shared::PodRecord;
use crate::status::PodFacts;

/// The name of our container.
const CONTAINER: &str = "pointsman";
/// The label that asks for it.
const INJECT_LABEL: &str = "pointsman.dev/inject";

/// Keeps of a pod what is read here: caches of whole pods are large.
pub(super) fn trim(pod: &mut Pod) {
    pod.metadata.annotations = None;
    let spec = pod.spec.take().unwrap_or_default();
    let ours = |containers: Vec<k8s_openapi::api::core::v1::Container>| {
        let ours = containers.into_iter().filter(|container| container.name == CONTAINER);
        ours.map(|container| k8s_openapi::api::core::v1::Container {
            name: container.name,
            ..Default::default()
        })
        .collect()
    };
    pod.spec = Some(PodSpec {
        containers: ours(spec.containers),
        init_containers: spec.init_containers.map(ours),
        service_account_name: spec.service_account_name,
        ..PodSpec::default()
    });
    let status = pod.status.take().unwrap_or_default();
    pod.status = Some(PodStatus {
        phase: status.phase,
        pod_ip: status.pod_ip,
        pod_ips: status.pod_ips,
        ..Default::default()
    });
}

/// The pods that run or will run, by uid.
pub(super) fn records(
    store: &Store<Pod>,
    namespaces: &BTreeMap<String, Labels>,
) -> BTreeMap<String, PodRecord> {
    let none = Labels::new();
    let pods = store.state();
    let living = pods.iter().filter(|pod| !has_ended(pod));
    living
        .map(|pod| {
            let labels = namespaces.get(&pod.namespace().unwrap_or_default()).unwrap_or(&none);
            (pod.uid().unwrap_or_default(), record(pod, labels))
        })
        .collect()
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What is known of one pod.
pub(crate) fn record(pod: &Pod, namespace_labels: &Labels) -> PodRecord {
    let spec = pod.spec.as_ref();
    let containers =
        spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let carries = containers.into_iter().any(|container| container.name == CONTAINER);
    let asks = pod.labels().get(INJECT_LABEL).is_some_and(|value| value == "enabled");
    let status = pod.status.as_ref();
    let addresses = status.and_then(|status| status.pod_ip.as_ref()).into_iter();
    let more = status.into_iter().flat_map(|status| status.pod_ips.iter().flatten()).map(|ip| &ip.ip);
    let mut addresses: Vec<_> = addresses.chain(more).filter_map(|ip| ip.parse().ok()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    PodRecord {
        facts: PodFacts {
            pod: compile::Pod {
                namespace: pod.namespace().unwrap_or_default(),
                name: pod.name_any(),
                uid: pod.uid().unwrap_or_default(),
                labels: pod.labels().clone(),
                namespace_labels: namespace_labels.clone(),
            },
            injected: carries || asks,
        },
        service_account: spec
            .and_then(|s| s.service_account_name.clone())
            .unwrap_or_else(|| "default".to_owned()),
        addresses,
    }
}
