//! What a pod may report: only of objects that its sidecar is configured with, or of its own namespace.
//!
//! A namespace is the trust boundary, so a report never moves another namespace's figures.

use std::collections::BTreeSet;

use pointsman_config::entry::Name;
use pointsman_config::link::UsageReport;

use super::parse_name;
use crate::compile::{CompiledWorld, Pod};

/// Leaves out of a report whatever is not the pod's to report.
pub fn permitted(compiled: &CompiledWorld, pod: &Pod, mut report: UsageReport) -> UsageReport {
    let budgets: BTreeSet<_> = compiled
        .budgets
        .iter()
        .filter(|(_, budget)| budget.facts.covers(&pod.namespace, &pod.namespace_labels))
        .map(|(name, _)| name)
        .collect();
    let own = |name: &Name| name.namespace == pod.namespace;
    let organisations = |name: &Name| name.namespace == compiled.root_namespace;
    let policy = |text: &str| parse_name(text).is_some_and(|name| own(&name) || organisations(&name));
    let provider = |text: &str| {
        parse_name(text).is_some_and(|name| {
            let shared =
                compiled.providers.get(&name).map(|p| p.facts.permits(&pod.namespace, &pod.namespace_labels));
            own(&name) || organisations(&name) || shared == Some(true)
        })
    };
    report.calls.retain(|calls| policy(&calls.policy) && provider(&calls.provider));
    report.limits.retain(|limit| parse_name(&limit.budget).is_some_and(|name| budgets.contains(&name)));
    report.policies.retain(|state| policy(&state.policy));
    report.targets.retain(|target| provider(&target.provider));
    report
}
