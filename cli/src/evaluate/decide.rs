//! One pass over a file: scores, admits, decides, and moves the shadow price from call to call.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::bail;
use pointsman_config::money::Nano;
use pointsman_config::policy::{Optimizer, ScorerKind};
use pointsman_core::decide::{
    Admit, CandidateScore, Decision, Method, Outcome as Chosen, ScoreMethod, ScoreSource, Scores, View,
    admit, decide,
};
use pointsman_core::facts::{Facts, Nobody, Prompt};
use pointsman_core::health::HealthRow;
use pointsman_core::lengths::Expected;
use pointsman_core::measured::Measured;
use pointsman_core::overrides::Overrides;
use pointsman_core::shadow::{self, ShadowPrice};
use pointsman_core::snapshot::Asked;
use pointsman_core::time::Millis;
use pointsman_models::length::Ruler;
use pointsman_models::scorer::{Peers, Prediction, RoutingModel, ScoreText, Scratch};
use pointsman_train::outcomes::Outcome;
use serde_json::{Value, json};

use super::world::World;

/// One pass: its price, and what it has decided so far.
pub(super) struct Pass<'a> {
    world: &'a World,
    scorer: &'a RoutingModel,
    /// Where each candidate stands in predictions.
    positions: Vec<Option<usize>>,
    /// By whom each candidate is estimated that the scorer does not know.
    peers: Vec<Option<Peers>>,
    /// Where tiers go by length.
    ruler: Option<Ruler>,
    scratch: Scratch,
    price: Option<ShadowPrice>,
    expected: f64,
    decided: u64,
    picks: BTreeMap<String, usize>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(world: &'a World, scorer: &'a RoutingModel) -> Self {
        let targets =
            || world.policy.candidates.iter().map(|candidate| &world.snapshot.targets[candidate.target]);
        let positions: Vec<Option<usize>> =
            targets().map(|target| scorer.position(&target.key.model)).collect();
        let priors = targets().map(|target| target.model.prior.quality);
        let candidates: Vec<(Option<usize>, f64)> = positions.iter().copied().zip(priors).collect();
        Self {
            world,
            scorer,
            peers: scorer.peers(&candidates),
            ruler: Ruler::of(
                world.policy.config.scorer.kind,
                &world.policy.config.tiers,
                targets().map(|target| [&*target.key.model, &*target.model.provider_model]),
            ),
            positions,
            scratch: Scratch::default(),
            price: None,
            expected: 0.0,
            decided: 0,
            picks: BTreeMap::new(),
        }
    }

    /// Decides one prompt and says so in one line.
    pub(super) fn decide(&mut self, line: &Outcome) -> anyhow::Result<Value> {
        let asks = self.world.policy.config.scorer.kind == ScorerKind::Embedding;
        let prediction = asks.then(|| self.scorer.predict(&ScoreText::of(&line.prompt), &mut self.scratch));
        let candidates = prediction.as_ref().map(|known| self.candidate_scores(known)).unwrap_or_default();
        let decision = self.choose(line, prediction.as_ref(), &candidates);
        let Chosen::Picked(pick, _) = decision.outcome else {
            bail!(
                "prompt \"{}\": the policy answers it by no candidate ({:?}); let its rules and bounds leave one",
                line.prompt_id,
                decision.outcome
            );
        };
        self.steer(&decision);
        self.decided += 1;
        let model = |i: usize| {
            let target = self.world.policy.candidates[i].target;
            self.world.snapshot.targets[target].key.model.clone()
        };
        let (mut scores, mut cost) = (BTreeMap::new(), BTreeMap::new());
        for (i, row) in decision.considered.iter().enumerate() {
            // A rule may have settled the call before it was scored; what the scorer says is told all the same.
            scores.insert(model(i), candidates.get(i).map_or(row.quality, |score| score.value));
            let usd = row.expected_cost.map(Nano::as_usd);
            let cheapest: &mut Option<f64> = cost.entry(model(i)).or_insert(usd);
            *cheapest = cheapest.zip(usd).map_or(usd.or(*cheapest), |(a, b)| Some(f64::min(a, b)));
        }
        self.expected += decision.considered[pick].expected_cost.map_or(0.0, Nano::as_usd);
        *self.picks.entry(model(pick)).or_default() += 1;
        Ok(json!({
            "prompt_id": line.prompt_id,
            "model": model(pick),
            "propensity": decision.propensity,
            "scores": scores,
            "cost": cost,
        }))
    }

    /// What all calls together are expected to cost.
    pub(super) fn expected_usd(&self) -> f64 {
        self.expected
    }

    /// Which share of the calls each model got, for people.
    pub(super) fn shares(&self) -> String {
        let all: usize = self.picks.values().sum();
        let mut shares: Vec<_> = self.picks.iter().collect();
        shares.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let said = shares
            .iter()
            .map(|(model, count)| format!("{model} {:.1} %", 100.0 * **count as f64 / all.max(1) as f64));
        said.collect::<Vec<_>>().join(", ")
    }

    fn choose(
        &mut self,
        line: &Outcome,
        prediction: Option<&Prediction>,
        candidates: &[CandidateScore],
    ) -> Decision {
        let world = self.world;
        let expected = |target: usize| Expected::from(&world.snapshot.targets[target].model.prior);
        let lambda = self.lambda(line, &expected);
        let prompt = Prompt(&line.prompt);
        let facts = Facts {
            model: "auto",
            input_tokens: line.in_tokens,
            input_tokens_bound: line.in_tokens,
            input_is_bounded: true,
            max_output_tokens: None,
            answers: 1,
            needs: Default::default(),
            text: &prompt,
            caller: &Nobody,
        };
        let view = View {
            snapshot: &world.snapshot,
            policy: &world.policy,
            asked: Asked::Virtual,
            caller: Overrides::default(),
            health: &|_| HealthRow::Healthy,
            expected: &expected,
            measured: &|_| Measured::default(),
            turn: &|_| self.decided,
            room: &|_| None,
            length: &|| self.ruler.map_or(0, |ruler| ruler.length(conversation(&line.prompt))),
            in_flight: 0,
            lambda,
            now: Millis::default(),
            draws: draws(&line.prompt_id),
        };
        match admit(&facts, &view) {
            Admit::Decided(decision) => decision,
            Admit::Score(admitted) => {
                let scores = prediction.map_or(Scores::NONE, |known| Scores {
                    candidates,
                    complexity: Some(known.how_complex()),
                    task: known.task.and_then(|task| self.scorer.tasks().get(usize::from(task))),
                    method: if candidates.is_empty() { ScoreMethod::Prior } else { ScoreMethod::Embedding },
                    ..Scores::NONE
                });
                decide(&view, admitted, &scores)
            }
        }
    }

    /// The scorer's word on what it knows, an item-response estimate on what it does not; nothing where it knows no
    /// candidate and the policy has tiers, to which it leaves the choice.
    fn candidate_scores(&self, prediction: &Prediction) -> Vec<CandidateScore> {
        if !self.world.policy.config.tiers.is_empty() && self.positions.iter().all(Option::is_none) {
            return Vec::new();
        }
        let (targets, candidates) = (&self.world.snapshot.targets, &self.world.policy.candidates);
        let prior = |candidate: usize| targets[candidates[candidate].target].model.prior.quality;
        let of = |(i, position): (usize, &Option<usize>)| {
            let length = prediction.length(*position);
            match position {
                Some(at) => {
                    let value = f64::from(prediction.quality[*at]);
                    CandidateScore { value, source: ScoreSource::Scorer, length }
                }
                None => {
                    let value = prediction.estimate(prior(i), self.peers[i].as_ref());
                    CandidateScore { value, source: ScoreSource::Estimate, length }
                }
            }
        };
        self.positions.iter().enumerate().map(of).collect()
    }

    /// The price; the first call finds where to start, as the data plane does.
    fn lambda(&mut self, line: &Outcome, expected: &dyn Fn(usize) -> Expected) -> f64 {
        let Some(target) = self.target() else { return 0.0 };
        let world = self.world;
        let start = || {
            let candidates: Vec<(f64, f64)> = world
                .policy
                .candidates
                .iter()
                .filter_map(|candidate| {
                    let model = &world.snapshot.targets[candidate.target].model;
                    let usual = expected(candidate.target);
                    let cost = usual.cost(model.prices.as_ref()?, line.in_tokens, usual.output_tokens);
                    Some((model.prior.quality, cost.as_usd()))
                })
                .collect();
            ShadowPrice::at(shadow::start(&candidates, target))
        };
        self.price.get_or_insert_with(start).lambda()
    }

    fn steer(&mut self, decision: &Decision) {
        let by_price = matches!(decision.method, Method::Scored(Optimizer::ShadowPrice, _));
        let cost = decision.picked().and_then(|picked| picked.expected_cost);
        if let (true, Some(target), Some(cost), Some(price)) =
            (by_price, self.target(), cost, &mut self.price)
        {
            price.on_decision(target, cost);
        }
    }

    fn target(&self) -> Option<Nano> {
        let spend = self.world.policy.config.strategy.spend_per_thousand_calls;
        spend.map(|thousand| Nano(thousand.0 / 1000))
    }
}

/// Two draws that hang on the prompt alone, so that the same file is decided the same way again.
fn draws(id: &str) -> [f64; 2] {
    let digest = pointsman_train::split::digest(id);
    [0, 8].map(|at| {
        let bytes = digest[at..at + 8].try_into().expect("a digest has 32 bytes");
        (u64::from_be_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// A prompt is one message of the user's.
fn conversation(prompt: &str) -> [(Cow<'_, str>, [Cow<'_, str>; 1]); 1] {
    [("user".into(), [prompt.into()])]
}
