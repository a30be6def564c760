//! Puts sidecars into pods, and finds the pods that lack one.
//!
//! ```text
//! API server ──► server ──► review ──► PLAN: refusal? ports, container, volumes, variables ──► JSON patch, add only
//! caches of pods ──► ATTENTION ──► attend: Events on pods and policies
//! ```
//!
//! Capitals are pure. The way from a pod to its patch asks nobody: no API call, no clock.

pub(crate) mod attend;
pub(crate) mod attention;
mod container;
mod containers;
pub(crate) mod images;
mod plan;
mod ports;
mod quantity;
mod refusal;
pub mod review;
pub(crate) mod server;
mod settings;
mod variables;
mod volumes;

pub use plan::{Operation, plan};
pub use refusal::Refusal;
pub use settings::{Resources, Settings};

pub(crate) use containers::CONTAINER;
pub(crate) use settings::TEMPLATE;
pub(crate) use variables::NAMES as VARIABLES;

/// The label that asks for a sidecar (`enabled`) or refuses it (`disabled`), on a namespace or a pod.
pub(crate) const LABEL: &str = "pointsman.dev/inject";

/// Namespaces in which nothing is ever injected, beside the operator's own.
const NEVER: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Whether pods of this namespace are left alone, whatever labels say.
pub(crate) fn is_exempt(namespace: &str, root_namespace: &str) -> bool {
    namespace == root_namespace || NEVER.contains(&namespace)
}
