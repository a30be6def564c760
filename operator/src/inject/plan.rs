//! From a pod to the patch that gives it a sidecar. Every operation adds; what is there already is left as it is, so a
//! second pass adds only what is still missing, which is usually nothing.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::{Value, json};

use super::containers::{self, CONTAINER};
use super::ports::{PORT, Ports};
use super::refusal::{self, Refusal};
use super::settings::{Settings, TEMPLATE};
use super::{LABEL, container, variables, volumes};

/// One addition, as JSON Patch spells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    op: &'static str,
    path: String,
    value: Value,
}

impl Operation {
    pub(super) fn add(path: String, value: impl Serialize) -> Self {
        Self { op: "add", path, value: serde_json::to_value(value).expect("API objects serialise") }
    }
}

/// What makes the pod complete; nothing where nothing is missing or the pod does not want it.
pub fn plan(pod: &Pod, settings: &Settings) -> Result<Vec<Operation>, Refusal> {
    if refuses(pod) {
        return Ok(Vec::new());
    }
    refusal::of_pod(pod)?;
    let present = find(pod);
    match present {
        Some(Present::ByHand) => return Ok(Vec::new()),
        Some(Present::Strange) => return Err(Refusal::NameTaken),
        Some(Present::Injected) | None => {}
    }
    let ports = Ports::of(pod)?;
    let volumes = volumes::plan(pod)?;
    let mut operations = Vec::new();
    // Paths of variables are those of the pod as it is: they come before anything moves.
    operations.extend(variables::plan(pod, ports.data));
    operations.extend(annotations(pod, settings, ports));
    operations.extend(volumes);
    if present.is_none() {
        operations.push(sidecar(pod, settings, ports));
    }
    Ok(operations)
}

/// Whether a pod has a sidecar, however it came by it.
pub(super) fn carries(pod: &Pod) -> bool {
    matches!(find(pod), Some(Present::Injected | Present::ByHand))
}

/// What a pod's init container of our name is.
enum Present {
    Injected,
    /// Written into the manifest by somebody who knows what they do.
    ByHand,
    Strange,
}

fn find(pod: &Pod) -> Option<Present> {
    let ours = containers::init(pod).iter().find(|container| container.name == CONTAINER)?;
    let runs =
        ours.args.as_ref().is_some_and(|args| args.starts_with(&["sidecar".to_owned(), "run".to_owned()]));
    if !containers::is_native_sidecar(ours) || !runs {
        return Some(Present::Strange);
    }
    let injected = pod.annotations().contains_key(TEMPLATE);
    Some(if injected { Present::Injected } else { Present::ByHand })
}

/// Whether the pod itself declines.
pub(super) fn refuses(pod: &Pod) -> bool {
    pod.labels().get(LABEL).is_some_and(|value| value == "disabled")
}

fn annotations(pod: &Pod, settings: &Settings, ports: Ports) -> Vec<Operation> {
    let wanted = [(TEMPLATE, settings.template()), (PORT, ports.data.to_string())];
    let missing = wanted.into_iter().filter(|(name, _)| !pod.annotations().contains_key(*name));
    if pod.annotations().is_empty() {
        let all: serde_json::Map<_, _> =
            missing.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        return vec![Operation::add("/metadata/annotations".to_owned(), all)];
    }
    missing
        .map(|(name, value)| {
            Operation::add(format!("/metadata/annotations/{}", name.replace('/', "~1")), value)
        })
        .collect()
}

fn sidecar(pod: &Pod, settings: &Settings, ports: Ports) -> Operation {
    let ours = container::container(pod, settings, ports);
    let init = containers::init(pod);
    if init.is_empty() {
        return Operation::add("/spec/initContainers".to_owned(), [ours]);
    }
    Operation::add(format!("/spec/initContainers/{}", containers::place(init)), ours)
}
