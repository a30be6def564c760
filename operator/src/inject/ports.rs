//! Which ports the sidecar of one pod takes.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::containers::{self, CONTAINER};
use super::refusal::Refusal;

/// Where the application calls.
pub(super) const PORT: &str = "pointsman.dev/port";
/// Probes and metrics.
pub(super) const ADMIN_PORT: &str = "pointsman.dev/admin-port";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) data: u16,
    pub(super) admin: u16,
}

impl Ports {
    /// The usual ones, or those that the pod asks for, if nobody else has them.
    pub(super) fn of(pod: &Pod) -> Result<Self, Refusal> {
        let ports = Self { data: asked(pod, PORT, 14100)?, admin: asked(pod, ADMIN_PORT, 14101)? };
        if ports.data == ports.admin {
            return Err(Refusal::BadPort { annotation: ADMIN_PORT, value: ports.admin.to_string() });
        }
        let all = containers::init(pod).iter().chain(containers::ordinary(pod));
        for container in all.filter(|container| container.name != CONTAINER) {
            for port in
                container.ports.iter().flatten().filter(|port| port.protocol.as_deref() != Some("UDP"))
            {
                let annotation = match u16::try_from(port.container_port) {
                    Ok(taken) if taken == ports.data => PORT,
                    Ok(taken) if taken == ports.admin => ADMIN_PORT,
                    _ => continue,
                };
                let port = port.container_port;
                return Err(Refusal::PortTaken { container: container.name.clone(), port, annotation });
            }
        }
        Ok(ports)
    }
}

fn asked(pod: &Pod, annotation: &'static str, usual: u16) -> Result<u16, Refusal> {
    let Some(value) = pod.annotations().get(annotation) else { return Ok(usual) };
    // Others need rights that the sidecar does not have.
    let port = value.parse().ok().filter(|port| *port >= 1024);
    port.ok_or_else(|| Refusal::BadPort { annotation, value: value.chars().take(32).collect() })
}
