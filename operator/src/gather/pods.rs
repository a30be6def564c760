//! Pods: whether they carry a sidecar, who they are, where they are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus};
use kube::ResourceExt;
use kube::runtime::reflector::Store;

use crate::compile::{self, Labels};
use crate::inject::{self, Settings};
use crate::shared::PodRecord;
use crate::status::PodFacts;

/// Keeps of a pod what is read here: caches of whole pods are large.
pub(super) fn trim(pod: &mut Pod) {
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations
            .retain(|name, _| name.starts_with("pointsman.dev/") || name == "kubernetes.io/config.mirror");
    }
    let spec = pod.spec.take().unwrap_or_default();
    let trimmed = |containers: Vec<Container>| containers.into_iter().map(trim_container).collect();
    pod.spec = Some(PodSpec {
        containers: trimmed(spec.containers),
        init_containers: spec.init_containers.map(trimmed),
        service_account_name: spec.service_account_name,
        host_network: spec.host_network,
        host_pid: spec.host_pid,
        share_process_namespace: spec.share_process_namespace,
        os: spec.os,
        node_selector: spec.node_selector,
        volumes: spec.volumes.map(|volumes| {
            volumes.into_iter().filter(|volume| volume.name.starts_with("pointsman-")).collect()
        }),
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

fn trim_container(container: Container) -> Container {
    let ours = container.name == inject::CONTAINER;
    let env = container.env.into_iter().flatten();
    let env: Vec<_> = env.filter(|variable| inject::VARIABLES.contains(&variable.name.as_str())).collect();
    Container {
        name: container.name,
        restart_policy: container.restart_policy,
        args: container.args.filter(|_| ours),
        ports: container.ports,
        env: Some(env).filter(|env| !env.is_empty()),
        ..Container::default()
    }
}

/// The pods that run or will run, by uid.
pub(super) fn records(
    store: &Store<Pod>,
    namespaces: &BTreeMap<String, Labels>,
    injection: Option<&Settings>,
) -> BTreeMap<String, PodRecord> {
    let none = Labels::new();
    let pods = store.state();
    let living = pods.iter().filter(|pod| !has_ended(pod));
    living
        .map(|pod| {
            let labels = namespaces.get(&pod.namespace().unwrap_or_default()).unwrap_or(&none);
            (pod.uid().unwrap_or_default(), record(pod, labels, injection))
        })
        .collect()
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What is known of one pod.
pub(crate) fn record(pod: &Pod, namespace_labels: &Labels, injection: Option<&Settings>) -> PodRecord {
    let spec = pod.spec.as_ref();
    let standing = inject::attention::standing(pod, namespace_labels, injection);
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
            injected: standing.carries || standing.awaits,
            outdated: standing.outdated,
        },
        service_account: spec
            .and_then(|s| s.service_account_name.clone())
            .unwrap_or_else(|| "default".to_owned()),
        addresses,
        carries: standing.carries,
        remarks: standing.remarks,
    }
}
