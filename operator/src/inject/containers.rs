//! Which container of a pod is whose: ours, a mesh's, or the application's.

use k8s_openapi::api::core::v1::{Container, Pod};

/// The name of our container.
pub(crate) const CONTAINER: &str = "pointsman";

/// Containers that service meshes inject; they make no calls of their own to a model.
const MESH: [&str; 12] = [
    "consul-connect-inject-init",
    "consul-dataplane",
    "istio-init",
    "istio-proxy",
    "istio-validation",
    "kuma-init",
    "kuma-sidecar",
    "kuma-validation",
    "linkerd-debug",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
];

pub(super) fn is_mesh(container: &Container) -> bool {
    MESH.contains(&container.name.as_str())
}

/// Whether a mesh has put its proxy before the pod.
pub(super) fn has_mesh(pod: &Pod) -> bool {
    init(pod).iter().chain(ordinary(pod)).any(is_mesh)
}

/// Whether an init container keeps running beside the application.
pub(super) fn is_native_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

pub(super) fn ordinary(pod: &Pod) -> &[Container] {
    pod.spec.as_ref().map_or(&[], |spec| &spec.containers)
}

pub(super) fn init(pod: &Pod) -> &[Container] {
    pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default()
}

/// Every container that may call a model, with the path to it.
pub(super) fn callers(pod: &Pod) -> impl Iterator<Item = (String, &Container)> {
    let paths = |kind: &'static str, list: &'_ [Container]| -> Vec<String> {
        (0..list.len()).map(|index| format!("/spec/{kind}/{index}")).collect()
    };
    let ordinary = paths("containers", ordinary(pod)).into_iter().zip(ordinary(pod));
    let init = paths("initContainers", init(pod)).into_iter().zip(init(pod));
    init.chain(ordinary).filter(|(_, container)| container.name != CONTAINER && !is_mesh(container))
}

/// Where among the init containers ours belongs: after what already runs, before whatever may call a model.
///
/// A mesh whose proxy is no native sidecar cuts the pod off between its init container and the start of its proxy: there
/// we stand before both.
pub(super) fn place(init: &[Container]) -> usize {
    let has_native_proxy = init.iter().any(|container| is_mesh(container) && is_native_sidecar(container));
    let goes_before =
        |container: &Container| is_native_sidecar(container) || has_native_proxy && is_mesh(container);
    init.iter().position(|container| !goes_before(container)).unwrap_or(init.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str) -> Container {
        let (name, native) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        Container {
            name: name.to_owned(),
            restart_policy: native.then(|| "Always".to_owned()),
            ..Container::default()
        }
    }

    #[test]
    fn ours_stands_after_native_proxies_and_before_ordinary_init_containers() {
        for (names, expected) in [
            ("", 0),
            ("migrate", 0),
            ("istio-init istio-proxy* migrate", 2),
            ("istio-validation istio-proxy*", 2),
            ("linkerd-init linkerd-proxy* logs* migrate", 3),
            ("logs* migrate", 1),
            ("migrate logs*", 0),
            ("migrate istio-init istio-proxy*", 0),
            ("istio-init migrate", 0),
        ] {
            let init: Vec<_> = names.split_whitespace().map(container).collect();
            assert_eq!(place(&init), expected, "{names}");
        }
    }
}
