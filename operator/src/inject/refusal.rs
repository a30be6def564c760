//! Why a pod gets no sidecar although its labels ask for one.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::containers::{self, CONTAINER};

/// A reason, in words that name the remedy; short enough for a warning of the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Calls of every pod of the node would meet on one loopback.
    #[error("hostNetwork: the node's loopback is shared by every pod; leave it out, or run a gateway")]
    HostNetwork,
    /// Siblings could read keys from the sidecar's memory.
    #[error("{0}: other containers could read the sidecar's memory; leave it out")]
    SharedProcesses(&'static str),
    /// There is no sidecar for it.
    #[error("the pod runs on Windows; the sidecar runs on Linux only")]
    Windows,
    /// The kubelet has made the pod; the API server only shows it.
    #[error("a mirror pod comes from a file of its node; nothing can be added to it")]
    Mirror,
    /// Another container is where ours would be.
    #[error("a container is called \"{CONTAINER}\" and is not ours; rename it")]
    NameTaken,
    /// Another volume has the name of one of ours.
    #[error("volume \"{0}\" is not ours; rename it")]
    VolumeTaken(&'static str),
    /// Two would listen on one port.
    #[error("container \"{container}\" declares port {port}; set annotation {annotation} to a free one")]
    PortTaken {
        /// Who declares it.
        container: String,
        /// Which.
        port: i32,
        /// What moves ours.
        annotation: &'static str,
    },
    /// An annotation that is no port.
    #[error("annotation {annotation}: \"{value}\" is not a port of its own from 1024 to 65535")]
    BadPort {
        /// Which annotation.
        annotation: &'static str,
        /// What it says.
        value: String,
    },
    /// No native sidecars.
    #[error("the API server is Kubernetes {0}; injection needs 1.33 or newer")]
    OldKubernetes(String),
}

/// What about the pod itself forbids a sidecar, whatever the sidecar's settings.
pub(super) fn of_pod(pod: &Pod) -> Result<(), Refusal> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    let is_set = |field: Option<bool>| field == Some(true);
    if pod.annotations().contains_key("kubernetes.io/config.mirror") {
        return Err(Refusal::Mirror);
    }
    let os = spec.os.as_ref().map(|os| os.name.as_str());
    let node_os = spec.node_selector.iter().flatten().find(|(key, _)| *key == "kubernetes.io/os");
    if os == Some("windows") || node_os.is_some_and(|(_, os)| os == "windows") {
        return Err(Refusal::Windows);
    }
    if is_set(spec.host_network) {
        return Err(Refusal::HostNetwork);
    }
    if is_set(spec.share_process_namespace) {
        return Err(Refusal::SharedProcesses("shareProcessNamespace"));
    }
    if is_set(spec.host_pid) {
        return Err(Refusal::SharedProcesses("hostPID"));
    }
    let ephemeral = spec.ephemeral_containers.iter().flatten().any(|container| container.name == CONTAINER);
    if ephemeral || containers::ordinary(pod).iter().any(|container| container.name == CONTAINER) {
        return Err(Refusal::NameTaken);
    }
    Ok(())
}
