//! The variables by which stock SDKs find the sidecar, and which containers keep their own.

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::ResourceExt;

use super::containers;
use super::plan::Operation;

/// Containers that get no variables.
const SKIP: &str = "pointsman.dev/skip-env";
/// With a proxy set, SDKs would send loopback calls to it.
const NO_PROXY: &str = "127.0.0.1,localhost,::1";
/// The SDK refuses to start without a key; the sidecar strips it.
const PLACEHOLDER: &str = "pointsman";

/// One family of SDKs.
struct Surface {
    base_url: &'static str,
    path: &'static str,
    key: &'static str,
}

/// The families whose calls the sidecar understands.
const SURFACES: [Surface; 1] = [Surface { base_url: "OPENAI_BASE_URL", path: "/v1", key: "OPENAI_API_KEY" }];

const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Every variable that is looked at here: caches of pods keep no others.
pub(crate) const NAMES: [&str; 10] = [
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Adds what is missing.
pub(super) fn plan(pod: &Pod, port: u16) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, container) in containers::callers(pod).filter(|(_, container)| !is_skipped(pod, container)) {
        let wanted = missing(container, port);
        if wanted.is_empty() {
            continue;
        }
        if container.env.as_ref().is_none_or(Vec::is_empty) {
            let path = format!("{path}/env");
            operations.push(Operation::add(path, wanted));
            continue;
        }
        operations
            .extend(wanted.into_iter().map(|variable| Operation::add(format!("{path}/env/-"), variable)));
    }
    operations
}

fn missing(container: &Container, port: u16) -> Vec<EnvVar> {
    let variable =
        |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() };
    let mut wanted = Vec::new();
    for surface in SURFACES.iter().filter(|surface| !has_own(container, surface, port)) {
        if find(container, surface.base_url).is_none() {
            wanted.push(variable(surface.base_url, address(surface, port)));
        }
        if find(container, surface.key).is_none() {
            wanted.push(variable(surface.key, PLACEHOLDER.to_owned()));
        }
    }
    if EXCEPTIONS.iter().all(|name| find(container, name).is_none()) {
        wanted.push(variable(EXCEPTIONS[0], NO_PROXY.to_owned()));
    }
    wanted
}

/// What keeps a pod's calls from coming to its sidecar, in sentences with their remedies.
pub(super) fn obstacles(pod: &Pod, port: u16) -> Vec<(&'static str, String)> {
    let mut obstacles = Vec::new();
    for (_, container) in containers::callers(pod).filter(|(_, container)| !is_skipped(pod, container)) {
        for surface in SURFACES.iter().filter(|surface| has_own(container, surface, port)) {
            let told = format!(
                "Container \"{}\" sets {} itself, so its calls do not come to the sidecar: remove the variable, or set it to {}.",
                container.name,
                surface.base_url,
                address(surface, port)
            );
            obstacles.push(("OwnEndpoint", told));
        }
        if is_behind_a_proxy(container) {
            let told = format!(
                "Container \"{}\" names a proxy and its own NO_PROXY without 127.0.0.1, so its calls go to the proxy: add 127.0.0.1 to NO_PROXY.",
                container.name
            );
            obstacles.push(("ProxyInTheWay", told));
        }
    }
    obstacles
}

fn address(surface: &Surface, port: u16) -> String {
    format!("http://127.0.0.1:{port}{}", surface.path)
}

/// Whether a container calls somewhere else by its own will.
fn has_own(container: &Container, surface: &Surface, port: u16) -> bool {
    find(container, surface.base_url).is_some_and(|variable| {
        let value = variable.value.as_deref().unwrap_or_default().trim_end_matches('/');
        let local =
            ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:{port}{}", surface.path));
        !local.iter().any(|address| address == value)
    })
}

fn is_behind_a_proxy(container: &Container) -> bool {
    let exceptions: Vec<_> = EXCEPTIONS.iter().filter_map(|name| find(container, name)).collect();
    let excepted = |variable: &&EnvVar| match &variable.value {
        Some(list) => list.split(',').map(str::trim).any(|entry| matches!(entry, "127.0.0.1" | "*")),
        // Comes from elsewhere: nobody can tell.
        None => true,
    };
    !exceptions.is_empty()
        && !exceptions.iter().all(excepted)
        && PROXIES.iter().any(|name| find(container, name).is_some())
}

fn find<'c>(container: &'c Container, name: &str) -> Option<&'c EnvVar> {
    container.env.iter().flatten().find(|variable| variable.name == name)
}

fn is_skipped(pod: &Pod, container: &Container) -> bool {
    let list = pod.annotations().get(SKIP).map_or("", String::as_str);
    list.split(',').map(str::trim).any(|name| name == "*" || name == container.name)
}
