//! What candidates must show, in the contract's words.

use pointsman_config::policy::{Label, Requirement};
use pointsman_config::provider::Capabilities;
use pointsman_crds::v1alpha1::llmprovider::Capability;
use pointsman_crds::v1alpha1::routingpolicy as api;

use crate::compile::provider::data_policy;

/// Compiles a requirement. Whether a candidate meets it is found out by whoever has the candidates.
pub(super) fn requirement(required: &api::Requirement) -> Requirement {
    let needs = |capability| required.capabilities.contains(&capability);
    let label = |label: &api::RequiredLabel| Label { key: label.key.clone(), value: label.value.clone() };
    let mut labels: Vec<_> = required.labels.iter().map(label).collect();
    labels.sort();
    Requirement {
        data_policy: data_policy(required.data_policy.as_ref()),
        labels,
        capabilities: Capabilities {
            vision: needs(Capability::Vision),
            tools: needs(Capability::Tools),
            structured_output: needs(Capability::StructuredOutput),
            reasoning: needs(Capability::Reasoning),
        },
    }
}
