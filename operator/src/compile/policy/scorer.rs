//! How texts are scored and conversations recognised.

use pointsman_config::policy::{ScorerConfig, ScorerKind, SessionConfig};
use pointsman_crds::v1alpha1::routingpolicy as api;

use crate::compile::problem::{Problems, Reason};

pub(super) fn compile(spec: &api::RoutingPolicySpec, problems: &mut Problems) -> ScorerConfig {
    let Some(scorer) = &spec.scorer else { return ScorerConfig::default() };
    let has_lengths = spec.tiers.iter().any(|tier| tier.min_tokens.is_some());
    if scorer.kind == api::ScorerKind::TokenLength && !has_lengths {
        let remedy = "kind TokenLength needs tiers with minTokens";
        problems.add("spec.scorer.kind", Reason::Invalid, remedy);
    }
    let kind = match scorer.kind {
        api::ScorerKind::Embedding => ScorerKind::Embedding,
        api::ScorerKind::TokenLength => ScorerKind::TokenLength,
        api::ScorerKind::Prior => ScorerKind::Prior,
    };
    ScorerConfig { kind, model: scorer.model.clone() }
}

/// Headers are looked up in lower case.
pub(super) fn session(session: Option<&api::Session>) -> Option<SessionConfig> {
    let header = session?.header.as_ref()?;
    Some(SessionConfig::Header { name: header.name.to_ascii_lowercase() })
}
