//! How texts are scored and conversations recognised.

use pointsman_config::policy::{ScorerConfig, ScorerKind, SessionConfig};
use pointsman_crds::v1alpha1::routingpolicy as api;

pub(super) fn compile(scorer: Option<&api::Scorer>) -> ScorerConfig {
    let Some(scorer) = scorer else { return ScorerConfig::default() };
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
