//! `GET /v1/scorer`: which routing model scores for each policy, which candidates it knows, and what it was made of.

use std::rc::Rc;

use http::{Response, StatusCode};
use pointsman_config::policy::ScorerKind;
use pointsman_config::score_text;
use pointsman_core::snapshot::{Policy, Snapshot};
use pointsman_models::coefficient::coefficient;
use pointsman_models::scorer::RoutingModel;
use serde_json::{Value, json};

use super::error::CallError;
use super::render;
use crate::body::Outgoing;
use crate::data::Data;
use crate::request_id::RequestId;
use crate::scoring::ScorerPart;

pub(crate) fn show(data: &Rc<Data>, id: RequestId) -> Result<Response<Outgoing>, CallError> {
    let plane = data.shared.plane.load_full().ok_or_else(CallError::not_configured)?;
    let parts = plane.snapshot.policies.iter().zip(&plane.policies);
    let policies: Vec<Value> =
        parts.map(|(policy, part)| shown(&plane.snapshot, policy, &part.scorer)).collect();
    let metrics = &data.shared.telemetry.scores;
    let body = json!({
        "score_text_version": score_text::VERSION,
        "texts": {
            "scored": metrics.misses.get(),
            "found_in_cache": metrics.hits.get(),
            "taken_from_session": metrics.reused.get(),
        },
        "policies": policies,
    });
    Ok(render::json(StatusCode::OK, body.to_string().into_bytes(), id))
}

fn shown(snapshot: &Snapshot, policy: &Policy, part: &ScorerPart) -> Value {
    let candidates: Vec<Value> = policy
        .candidates
        .iter()
        .zip(&part.positions)
        .map(|(candidate, position)| {
            let target = &snapshot.targets[candidate.target];
            let prior = &target.model.prior;
            // Of a price per million, blended three to one, as elsewhere; of an ordinary answer.
            let cost = target.model.prices.map(|prices| prices.blended().0 as f64 / 1e12);
            let seconds = prior.answer_ms(prior.output_tokens) / 1000.0;
            json!({
                "model": target.key.model,
                "provider": target.key.provider.to_string(),
                "quality_from": source(part, *position),
                "prior_quality": prior.quality,
                "prior_coefficient": coefficient(prior.quality, cost, Some(seconds)),
            })
        })
        .collect();
    json!({
        "policy": policy.name.to_string(),
        "kind": format!("{:?}", part.kind),
        "model": part.model.as_deref().map(model),
        "problem": part.problem,
        "candidates": candidates,
    })
}

fn source(part: &ScorerPart, position: Option<usize>) -> &'static str {
    match (part.kind, &part.model, position) {
        (ScorerKind::Embedding, Some(_), Some(_)) => "Scorer",
        (ScorerKind::Embedding, Some(_), None) => "Estimate",
        (ScorerKind::Embedding, None, _) | (ScorerKind::TokenLength | ScorerKind::Prior, ..) => "Prior",
    }
}

fn model(model: &RoutingModel) -> Value {
    let manifest = model.manifest();
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "kind": format!("{:?}", manifest.kind),
        "hash": model.hash().to_string(),
        "extractor": { "name": manifest.extractor.name, "version": manifest.extractor.version },
        "max_tokens": manifest.input.max_tokens,
        "memory_bytes": manifest.memory_bytes,
        "licence": manifest.licence,
        "made": { "by": manifest.made.by, "from": manifest.made.from, "on": manifest.made.on },
        "models": manifest.models.iter().map(|known| &known.name).collect::<Vec<_>>(),
        "tasks": model.tasks().iter().map(|task| &**task).collect::<Vec<_>>(),
    })
}
