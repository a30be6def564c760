//! What stands beside a policy so that a call looks nothing up: its routing model, and where each candidate stands in it.

use std::sync::Arc;

use pointsman_config::policy::ScorerKind;
use pointsman_core::snapshot::{Policy, Snapshot};
use pointsman_models::length::Ruler;
use pointsman_models::scorer::{Peers, RoutingModel};
use pointsman_wire::openai::request::ChatRequest;

use super::Shelf;

/// The scorer of one policy.
pub(crate) struct ScorerPart {
    /// What the policy asks for.
    pub(crate) kind: ScorerKind,
    /// Who scores.
    pub(crate) model: Option<Arc<RoutingModel>>,
    /// Why it is not the model that the policy asks for.
    pub(crate) problem: Option<String>,
    /// Parallel to the policy's candidates: where each stands in predictions; none where the model does not know it.
    pub(crate) positions: Vec<Option<usize>>,
    /// Parallel too, where there is a model: by whom each candidate is estimated that it does not know.
    pub(crate) peers: Vec<Option<Peers>>,
    /// Whether candidates are estimated where the model knows none of them; else tiers choose.
    pub(crate) estimates: bool,
    /// Where tiers go by length.
    ruler: Option<Ruler>,
}

impl ScorerPart {
    pub(crate) fn new(snapshot: &Snapshot, policy: &Policy, shelf: &mut Shelf) -> Self {
        let config = &policy.config.scorer;
        let taken = match config.kind {
            ScorerKind::Embedding => shelf.take(config),
            ScorerKind::TokenLength | ScorerKind::Prior => super::shelf::Taken { model: None, problem: None },
        };
        let position = |target: usize| {
            let known = &snapshot.targets[target];
            let model = taken.model.as_ref()?;
            model.position(&known.key.model).or_else(|| model.position(&known.model.provider_model))
        };
        let each = || policy.candidates.iter().map(|candidate| candidate.target);
        let positions: Vec<Option<usize>> = each().map(position).collect();
        let priors = each().map(|target| snapshot.targets[target].model.prior.quality);
        let candidates: Vec<(Option<usize>, f64)> = positions.iter().copied().zip(priors).collect();
        let names = |target: usize| {
            let known = &snapshot.targets[target];
            [&*known.key.model, &*known.model.provider_model]
        };
        Self {
            kind: config.kind,
            ruler: Ruler::of(config.kind, &policy.config.tiers, each().map(names)),
            peers: taken.model.as_ref().map(|model| model.peers(&candidates)).unwrap_or_default(),
            positions,
            estimates: policy.config.tiers.is_empty(),
            model: taken.model,
            problem: taken.problem,
        }
    }

    /// How long the conversation is in tokens, as far as a tier asks.
    pub(crate) fn length(&self, chat: &ChatRequest) -> u64 {
        self.ruler.map_or(0, |ruler| ruler.length(chat.messages()))
    }
}
