//! Candidates: which providers in reach serve them.
//!
//! In reach is every provider of the policy's namespace, and a provider of another namespace only where the candidate
//! names it and it consents. Nothing resolves across namespaces by itself.

use pointsman_config::entry::Name;
use pointsman_config::policy::CandidateConfig;
use pointsman_crds::shared::Reference;
use pointsman_crds::v1alpha1::routingpolicy::Candidate;
use pointsman_models::did_you_mean;

use super::Providers;
use crate::compile::problem::{Problems, Reason};
use crate::compile::provider::ProviderFacts;
use crate::compile::world::Labels;

/// From where names are resolved.
pub(super) struct Reach<'a> {
    pub(super) providers: &'a Providers,
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
}

impl<'a> Reach<'a> {
    /// The object that a reference names.
    pub(super) fn name(&self, reference: &Reference) -> Name {
        Name::new(reference.namespace.as_deref().unwrap_or(self.namespace), &reference.name)
    }

    fn own(&self) -> impl Iterator<Item = (&'a Name, &'a ProviderFacts)> + '_ {
        let own = self.providers.iter().filter(|(name, _)| name.namespace == self.namespace);
        own.map(|(name, outcome)| (name, &outcome.facts))
    }

    /// The provider that a reference names, if it exists and consents.
    pub(super) fn provider(
        &self,
        path: &str,
        reference: &Reference,
        problems: &mut Problems,
    ) -> Option<(&'a Name, &'a ProviderFacts)> {
        let name = self.name(reference);
        let found = self.providers.get_key_value(&name).map(|(name, outcome)| (name, &outcome.facts));
        if name.namespace != self.namespace {
            // One answer for "does not exist" and "does not consent": other namespaces are not to be searched from here.
            let permitted = found.filter(|(_, facts)| facts.permits(self.namespace, self.labels));
            if permitted.is_none() {
                let message = format!(
                    "LLMProvider \"{name}\" does not exist or does not allow namespace \"{}\": \
                     its spec.allowedNamespaces must name this namespace",
                    self.namespace
                );
                problems.add(path, Reason::NotPermitted, message);
            }
            return permitted;
        }
        if found.is_none() {
            let names = self.own().map(|(own, _)| own.name.as_str());
            let message = format!("LLMProvider \"{name}\" does not exist{}", hint(&name.name, names));
            problems.add(path, Reason::UnknownProvider, message);
        }
        found
    }
}

/// Resolves every candidate; one that nobody serves is noted and left out.
pub(super) fn resolve(
    reach: &Reach<'_>,
    candidates: &[Candidate],
    problems: &mut Problems,
) -> Vec<CandidateConfig> {
    let numbered = candidates.iter().enumerate();
    numbered.filter_map(|(index, candidate)| one(reach, index, candidate, problems)).collect()
}

fn one(
    reach: &Reach<'_>,
    index: usize,
    candidate: &Candidate,
    problems: &mut Problems,
) -> Option<CandidateConfig> {
    let path = format!("spec.candidates[{index}]");
    let asked: Vec<_> = if candidate.provider_refs.is_empty() {
        reach.own().map(|(name, facts)| (None, name, facts)).collect()
    } else {
        named(reach, &path, candidate, problems)
    };
    if asked.is_empty() && !candidate.provider_refs.is_empty() {
        // Each reference has its own problem; that nobody serves the model only follows.
        return None;
    }
    let model = &candidate.model;
    let mut providers: Vec<_> = asked
        .iter()
        .filter(|(_, _, facts)| facts.serves(model))
        .map(|(_, name, _)| (*name).clone())
        .collect();
    if providers.is_empty() {
        let choices =
            asked.iter().flat_map(|(_, _, facts)| facts.models.iter().map(|m| m.config.name.as_str()));
        let where_ = match candidate.provider_refs.is_empty() {
            true => format!("no LLMProvider of namespace \"{}\"", reach.namespace),
            false => "none of its providerRefs".to_owned(),
        };
        let message = format!("{where_} serves \"{model}\"{}", hint(model, choices));
        problems.add(format!("{path}.model"), Reason::UnknownModel, message);
        return None;
    }
    for (at, name, facts) in &asked {
        if let Some(at) = at
            && !facts.serves(model)
        {
            let message = format!(
                "LLMProvider \"{name}\" does not serve \"{model}\": leave it out here, or add the model there"
            );
            problems.add(format!("{path}.providerRefs[{at}]"), Reason::UnknownProvider, message);
        }
    }
    providers.sort();
    providers.dedup();
    Some(CandidateConfig {
        model: model.clone(),
        providers,
        tier: candidate.tier.clone(),
        weight: candidate.weight.and_then(|weight| u32::try_from(weight).ok()),
    })
}

type Asked<'a> = (Option<usize>, &'a Name, &'a ProviderFacts);

fn named<'a>(
    reach: &Reach<'a>,
    path: &str,
    candidate: &Candidate,
    problems: &mut Problems,
) -> Vec<Asked<'a>> {
    let mut found = Vec::new();
    for (at, reference) in candidate.provider_refs.iter().enumerate() {
        let provider = reach.provider(&format!("{path}.providerRefs[{at}]"), reference, problems);
        found.extend(provider.map(|(name, facts)| (Some(at), name, facts)));
    }
    found
}

/// The end of a message about a name that nothing has.
pub(in crate::compile) fn hint<'a>(name: &str, choices: impl Iterator<Item = &'a str>) -> String {
    let choices: Vec<_> = choices.collect();
    if let Some(meant) = did_you_mean(name, choices.iter().copied()) {
        return format!(": did you mean \"{meant}\"?");
    }
    let mut some: Vec<_> = choices;
    some.sort_unstable();
    some.dedup();
    match some.len() {
        0 => String::new(),
        1..=8 => format!(": there are {}", some.join(", ")),
        count => format!(": there are {} and {} more", some[..8].join(", "), count - 8),
    }
}
