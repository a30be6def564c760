//! What a policy or a rule requires of candidates, and what one cannot show. Settled when the snapshot is built.

use pointsman_config::policy::Requirement;
use pointsman_config::provider::{DataPolicy, ModelConfig, ProviderConfig};

/// What a candidate cannot show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// Its provider's data policy names another region, or none.
    Region(String),
    /// Its provider keeps data for longer, or does not say.
    Retention,
    /// Its provider may train on data, or does not say.
    Training,
    /// Its provider lacks this label.
    Label(String),
    /// The model lacks this ability.
    Capability(&'static str),
}

/// The first thing that is required and not shown. What a provider does not say, it does not show.
pub(super) fn unmet(required: &Requirement, provider: &ProviderConfig, model: &ModelConfig) -> Option<Unmet> {
    let Requirement { data_policy, labels, capabilities: needed } = required;
    let DataPolicy { region, retention, training } = data_policy;
    let shown = &provider.data_policy;
    if let Some(region) = region
        && shown.region.as_ref() != Some(region)
    {
        return Some(Unmet::Region(region.clone()));
    }
    if retention.is_some_and(|longest| shown.retention.is_none_or(|kept| kept > longest)) {
        return Some(Unmet::Retention);
    }
    if training.is_some_and(|most| shown.training.is_none_or(|does| does > most)) {
        return Some(Unmet::Training);
    }
    if let Some(label) = labels.iter().find(|l| provider.labels.get(&l.key) != Some(&l.value)) {
        return Some(Unmet::Label(format!("{}={}", label.key, label.value)));
    }
    let can = &model.capabilities;
    [
        ("vision", needed.vision, can.vision),
        ("tools", needed.tools, can.tools),
        ("structured output", needed.structured_output, can.structured_output),
        ("reasoning", needed.reasoning, can.reasoning),
    ]
    .into_iter()
    .find(|(_, needed, can)| *needed && !can)
    .map(|(name, ..)| Unmet::Capability(name))
}
