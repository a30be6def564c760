//! How good would each candidate's answer to this text be? Asked between admit and decide, on the data thread.
//!
//! ```text
//! session's last text, if this one is a short follow-up ─┐
//! score cache by (model, extractor, keyed hash of text) ─┼─► Prediction ─► one score per candidate, with its source
//! the routing model, inline ─────────────────────────────┘
//! ```
//!
//! What fails costs a score, never a call: without a model that can be asked, tiers or priors decide, and the Decision
//! says so. Decisions themselves are never cached.

mod cache;
mod place;
mod session;
mod shelf;

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use pointsman_config::policy::ScorerKind;
use pointsman_config::score_text::ScoreText;
use pointsman_core::decide::{CandidateScore, Scale, ScoreMethod, ScoreSource, Scores};
use pointsman_core::guard::Guard;
use pointsman_core::snapshot::Snapshot;
use pointsman_core::time::Millis;
use pointsman_models::scorer::{Prediction, RoutingModel, Scratch};
use pointsman_wire::openai::request::ChatRequest;
use smallvec::SmallVec;

use self::cache::{Recent, TextKey};
pub(crate) use self::place::ScorerPart;
use self::session::Sessions;
pub(crate) use self::shelf::Shelf;
use crate::chance::Chance;
use crate::plane::Plane;
use crate::telemetry::ScoreMetrics;

/// Predictions that are kept, at most: one to two thousand bytes each.
const PREDICTIONS_AT_MOST: usize = 1024;

/// What the data thread needs to score.
pub(crate) struct Scoring {
    key: TextKey,
    cache: Recent<cache::Key, Arc<Prediction>>,
    sessions: Sessions,
    scratch: Scratch,
    metrics: ScoreMetrics,
}

/// The scores of one call.
#[derive(Clone)]
pub(crate) struct Scored {
    pub(crate) model: Arc<RoutingModel>,
    pub(crate) prediction: Arc<Prediction>,
    pub(crate) found: Found,
    candidates: SmallVec<[CandidateScore; 8]>,
}

/// Where a prediction was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The model was asked.
    Model,
    /// The same text was scored before.
    Cache,
    /// A short follow-up: what was predicted for its session stands.
    Session,
}

impl Scoring {
    pub(crate) fn new(chance: &mut Chance, metrics: ScoreMetrics) -> Self {
        Self {
            key: TextKey::new([chance.bits(), chance.bits()]),
            cache: Recent::new(PREDICTIONS_AT_MOST),
            sessions: Sessions::default(),
            scratch: Scratch::default(),
            metrics,
        }
    }

    /// Scores a call for one policy; none where no model can say anything of it.
    pub(crate) fn score(
        &mut self,
        plane: &Plane,
        policy: usize,
        chat: &ChatRequest,
        headers: &HeaderMap,
        now: Millis,
    ) -> Option<Scored> {
        let part = &plane.policies[policy].scorer;
        let model = part.model.as_ref().filter(|_| part.kind == ScorerKind::Embedding)?;
        let known = &plane.snapshot.policies[policy];
        let session = known.config.session.as_ref().and_then(|by| self.sessions.of(policy, by, headers));
        let (prediction, found) = self.predict(model, chat, session, now)?;
        let candidates = part.scores(&plane.snapshot, policy, &prediction);
        Some(Scored { model: model.clone(), prediction, found, candidates })
    }

    fn predict(
        &mut self,
        model: &Arc<RoutingModel>,
        chat: &ChatRequest,
        session: Option<session::Id>,
        now: Millis,
    ) -> Option<(Arc<Prediction>, Found)> {
        if let Some(id) = session
            && session::is_short(chat.last_user_text_len())
            && let Some(prediction) = self.sessions.get(id, model.hash(), now)
        {
            self.metrics.reused.inc();
            return Some((prediction, Found::Session));
        }
        let text = ScoreText::newest_first(chat.user_messages_newest_first());
        if text.is_empty() {
            return None;
        }
        let key = self.key.of(model, &text);
        let (prediction, found) = match self.cache.get(&key) {
            Some(prediction) => {
                self.metrics.hits.inc();
                (prediction.clone(), Found::Cache)
            }
            None => {
                let began = Instant::now();
                let prediction = Arc::new(model.predict(&text, &mut self.scratch));
                self.metrics.durations.observe(began.elapsed().as_secs_f64());
                self.metrics.misses.inc();
                self.cache.put(key, prediction.clone());
                (prediction, Found::Model)
            }
        };
        if let Some(id) = session {
            self.sessions.put(id, model.hash(), prediction.clone(), now);
        }
        Some((prediction, found))
    }
}

impl Scored {
    /// For the decision.
    pub(crate) fn scores(&self) -> Scores<'_> {
        Scores {
            candidates: &self.candidates,
            scale: Scale::Probability,
            complexity: Some(self.prediction.how_complex()),
            task: self.prediction.task.and_then(|task| self.model.tasks().get(usize::from(task))),
            method: self.method(),
        }
    }

    /// The scores as far as they are believed: each moved towards its model's mean, as feedback has taught.
    pub(crate) fn believed(
        &self,
        guard: &Guard,
        mean: impl Fn(usize) -> f64,
    ) -> SmallVec<[CandidateScore; 8]> {
        let mut candidates = self.candidates.clone();
        if guard.weight() < 1.0 {
            for (i, score) in
                candidates.iter_mut().enumerate().filter(|(_, s)| s.source != ScoreSource::Prior)
            {
                score.value = guard.shrunk(score.value, mean(i));
                score.length = guard.shrunk(score.length, 1.0);
            }
        }
        candidates
    }

    /// What was said of one candidate, before anything was believed or not; none where its prior stands.
    pub(crate) fn said_of(&self, candidate: usize) -> Option<f64> {
        self.candidates.get(candidate).filter(|s| s.source != ScoreSource::Prior).map(|s| s.value)
    }

    /// Whether the text was too short to be judged by itself.
    pub(crate) fn is_of_session(&self) -> bool {
        self.found == Found::Session
    }

    /// A model that knows no candidate tells texts apart, not models: tiers may then choose.
    fn method(&self) -> ScoreMethod {
        let compares = self.candidates.iter().any(|score| score.source != ScoreSource::Prior);
        if compares { ScoreMethod::Embedding } else { ScoreMethod::Prior }
    }
}

impl ScorerPart {
    /// One score per candidate: the model's own where it knows the candidate, else an item-response estimate.
    ///
    /// Where it knows none of them and the policy has tiers, it leaves the choice to the tiers.
    fn scores(
        &self,
        snapshot: &Snapshot,
        policy: usize,
        prediction: &Prediction,
    ) -> SmallVec<[CandidateScore; 8]> {
        if !self.estimates && self.positions.iter().all(Option::is_none) {
            return SmallVec::new();
        }
        let candidates = &snapshot.policies[policy].candidates;
        let score = |(i, candidate): (usize, &pointsman_core::snapshot::Candidate)| {
            let position = self.positions.get(i).copied().flatten();
            let length = prediction.length(position);
            match position.and_then(|at| prediction.quality.get(at)) {
                Some(quality) => {
                    CandidateScore { value: f64::from(*quality), source: ScoreSource::Scorer, length }
                }
                None => {
                    let prior = snapshot.targets[candidate.target].model.prior.quality;
                    let value = prediction.estimate(prior, self.peers.get(i).and_then(Option::as_ref));
                    CandidateScore { value, source: ScoreSource::Estimate, length }
                }
            }
        };
        candidates.iter().enumerate().map(score).collect()
    }
}
