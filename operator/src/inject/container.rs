//! The sidecar's container.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, ExecAction, HTTPGetAction, Pod, Probe, ResourceRequirements,
    SeccompProfile, SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::containers::{self, CONTAINER};
use super::ports::Ports;
use super::settings::{Resources, Settings};
use super::{quantity, volumes};

/// The user of the image; said here too, because a pod may say otherwise for its containers.
const USER: i64 = 65532;
/// How long, in seconds, a pod waits for its first configuration before the container is started anew.
const PATIENCE: i32 = 120;

/// The container for one pod.
pub(super) fn container(pod: &Pod, settings: &Settings, ports: Ports) -> Container {
    let Ports { data, admin } = ports;
    let flags = [
        "sidecar".to_owned(),
        "run".to_owned(),
        format!("--listen-port={data}"),
        format!("--admin-port={admin}"),
        format!("--operator={}", settings.operator),
        "--keys-dir=/run/pointsman-keys".to_owned(),
    ];
    let port = ContainerPort {
        name: Some("pointsman-admin".to_owned()),
        container_port: i32::from(admin),
        ..ContainerPort::default()
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: Some(settings.pull_policy.clone()),
        restart_policy: Some("Always".to_owned()),
        args: Some(flags.to_vec()),
        ports: Some(vec![port]),
        startup_probe: Some(probe(pod, admin)),
        resources: resources(pod, settings),
        security_context: Some(security_context()),
        volume_mounts: Some(vec![
            mount(volumes::TOKEN, "/var/run/pointsman/token", true),
            mount(volumes::TRUST, "/var/run/pointsman/trust", true),
            mount(volumes::STATE, "/var/lib/pointsman", false),
            mount(volumes::KEYS, "/run/pointsman-keys", false),
        ]),
        ..Container::default()
    }
}

/// Asked by the kubelet on the pod's address. A mesh that insists on mutual TLS turns that away, and its rules are made
/// before ours: there the container asks itself.
fn probe(pod: &Pod, admin: u16) -> Probe {
    let every_second =
        Probe { period_seconds: Some(1), failure_threshold: Some(PATIENCE), ..Probe::default() };
    if containers::has_mesh(pod) {
        let command = ["/usr/local/bin/pointsman", "sidecar", "ready", &format!("--admin-port={admin}")];
        let exec = ExecAction { command: Some(command.map(str::to_owned).to_vec()) };
        // The program starts once for each question.
        return Probe { exec: Some(exec), timeout_seconds: Some(5), ..every_second };
    }
    let get = HTTPGetAction {
        path: Some("/readyz".to_owned()),
        port: IntOrString::Int(i32::from(admin)),
        ..HTTPGetAction::default()
    };
    Probe { http_get: Some(get), ..every_second }
}

/// What the Restricted Pod Security Standard asks for, and a read-only root.
fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

/// The settings' amounts. In a Guaranteed pod requests equal limits, so that it stays one; a pod with resources of its
/// own has them for all its containers.
fn resources(pod: &Pod, settings: &Settings) -> Option<ResourceRequirements> {
    if pod.spec.as_ref().is_some_and(|spec| spec.resources.is_some()) {
        return None;
    }
    let amounts = |amounts: &Resources| {
        let amounts = amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.clone())));
        Some(amounts.collect()).filter(|amounts: &std::collections::BTreeMap<_, _>| !amounts.is_empty())
    };
    let mut limits = settings.limits.clone();
    if is_guaranteed(pod) {
        for (name, amount) in &settings.requests {
            limits.entry(name.clone()).or_insert_with(|| amount.clone());
        }
        let both = amounts(&limits);
        return Some(ResourceRequirements { limits: both.clone(), requests: both, claims: None });
    }
    Some(ResourceRequirements {
        limits: amounts(&limits),
        requests: amounts(&settings.requests),
        claims: None,
    })
}

/// Whether every container has limits of CPU and memory, and requests as much.
fn is_guaranteed(pod: &Pod) -> bool {
    let all = containers::init(pod).iter().chain(containers::ordinary(pod));
    all.filter(|container| container.name != CONTAINER).all(|container| {
        let resources = container.resources.clone().unwrap_or_default();
        let (limits, requests) =
            (resources.limits.unwrap_or_default(), resources.requests.unwrap_or_default());
        ["cpu", "memory"].iter().all(|name| {
            let amount = |amounts: &std::collections::BTreeMap<String, Quantity>| {
                amounts.get(*name).map(|amount| quantity::parse(&amount.0))
            };
            let limit = amount(&limits);
            limit.is_some() && amount(&requests).is_none_or(|request| Some(request) == limit)
        })
    })
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}
