//! Records and decisions as JSON.

use pointsman_core::account::Charge;
use pointsman_core::decide::{Considered, Decision, Method, Outcome, Verdict};
use pointsman_core::explain::Explainer;
use pointsman_core::snapshot::{Policy, Snapshot};
use serde_json::{Value, json};

use super::Record;
use crate::forward::{End, Tried, TriedEnd};
use crate::scoring::Scored;
use crate::telemetry::names::failure;

impl Record {
    /// The whole record.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let policy = &self.snapshot.policies[self.policy];
        let attempts: Vec<Value> = self.tried.iter().map(|tried| self.attempt(tried)).collect();
        let served = self.served().map(|at| target(&self.snapshot, self.decision.considered[at].target));
        let record = json!({
            "id": self.id.as_str(),
            "time": self.at.to_string(),
            "requested_model": &*self.asked,
            "stream": self.stream,
            "input_tokens_estimate": self.input_tokens,
            "status": end(self.end),
            "served": served,
            "decision": decision_json(&self.snapshot, policy, &self.decision, self.scored.as_ref()),
            "attempts": attempts,
            "usage": usage(&self.charged),
            "cost_nano": self.charged.cost.0,
            "cost_usd": self.charged.cost.to_string(),
            "uncertain_nano": self.charged.uncertain.0,
            "completion_id": self.completion,
            "feedback": self.feedback,
            "latency_ms": millis(self.took),
            "overhead_ms": millis(self.overhead),
        });
        serde_json::to_vec(&record).expect("plain data serialises")
    }

    fn attempt(&self, tried: &Tried) -> Value {
        let mut attempt = target(&self.snapshot, self.decision.considered[tried.candidate].target);
        attempt["result"] = match &tried.end {
            TriedEnd::Answered(status) => status.to_string().into(),
            TriedEnd::Failed(why) => failure(why).into_owned().into(),
            TriedEnd::Cut => "stream_cut".into(),
            TriedEnd::ClientGone => "client_gone".into(),
        };
        attempt["took_ms"] = millis(tried.took);
        attempt["usage"] = usage(&tried.charge);
        attempt["cost_nano"] = tried.charge.cost.0.into();
        attempt["uncertain_nano"] = tried.charge.uncertain.0.into();
        attempt
    }
}

/// A decision, as `POST /v1/route` and the records show it: candidates best first.
pub(crate) fn decision_json(
    snapshot: &Snapshot,
    policy: &Policy,
    decision: &Decision,
    scored: Option<&Scored>,
) -> Value {
    let explainer = Explainer { snapshot, policy };
    let mut rows: Vec<&Considered> = decision.considered.iter().collect();
    rows.sort_by_key(|row| rank(&row.verdict));
    let ranking: Vec<Value> = rows.iter().map(|row| candidate(snapshot, &explainer, row)).collect();
    let picked = decision.picked().map(|row| &snapshot.targets[row.target].key);
    let reason = match &decision.outcome {
        Outcome::Picked(_, reason) => explainer.pick_reason(reason),
        Outcome::Refused(_) => "refused".to_owned(),
    };
    json!({
        "recommended_model": picked.map(|key| &key.model),
        "provider": picked.map(|key| key.provider.to_string()),
        "reason": reason,
        // Whom a call is really sent to: someone else than the pick where the policy only observes.
        "served_model": decision.first().map(|(first, _)| &snapshot.targets[decision.considered[first].target].key.model),
        "served_reason": decision.first().map(|(_, reason)| explainer.pick_reason(reason)),
        "confidence": decision.picked().map(|row| row.quality),
        "estimated_cost_usd": decision.picked().and_then(|row| row.expected_cost).map(|c| c.to_string()),
        "estimated_latency_ms": decision.picked().map(|row| row.expected_ms.round()),
        "reasoning": explainer.reasoning(decision),
        "model_ranking": ranking,
        "routing": {
            "policy": policy.name.to_string(),
            "generation": policy.generation,
            "mode": format!("{:?}", policy.config.mode),
            "objective": format!("{:?}", policy.config.objective),
            "method": method(&decision.method),
            "candidates": decision.considered.len(),
            "propensity": decision.propensity,
            "draws": decision.draws,
            "task": decision.task.as_deref(),
            "complexity": decision.complexity,
            "complexity_missing": decision.complexity_missing,
            "tier": decision.tier.map(|choice| &policy.config.tiers[choice.tier].name),
            "lambda": decision.lambda,
            "scorer": scored.map(scorer),
        },
    })
}

/// Which routing model scored the text, and where its prediction was found.
fn scorer(scored: &Scored) -> Value {
    let manifest = scored.model.manifest();
    json!({
        "kind": format!("{:?}", manifest.kind),
        "name": manifest.name,
        "version": manifest.version,
        "hash": scored.model.hash().to_string(),
        "found": format!("{:?}", scored.found),
        "difficulty": scored.prediction.difficulty,
    })
}

fn candidate(snapshot: &Snapshot, explainer: &Explainer<'_>, row: &Considered) -> Value {
    let mut candidate = target(snapshot, row.target);
    let (verdict, why) = match &row.verdict {
        Verdict::Picked => ("picked", None),
        Verdict::StandsBy(_) if row.dominated => {
            ("stands_by", Some("another one is nowhere worse and somewhere better".to_owned()))
        }
        Verdict::StandsBy(_) => ("stands_by", None),
        Verdict::LeftOut(reason) => ("left_out", Some(explainer.reason(reason))),
        Verdict::Undecided => ("undecided", None),
    };
    candidate["verdict"] = verdict.into();
    candidate["why"] = why.into();
    candidate["quality"] = row.quality.into();
    candidate["quality_from"] = format!("{:?}", row.source).into();
    // Candidates that were never compared have no score.
    candidate["score"] = if row.score.is_finite() { row.score.into() } else { Value::Null };
    candidate["expected_cost_usd"] = row.expected_cost.map(|cost| cost.to_string()).into();
    candidate["expected_ms"] = row.expected_ms.round().into();
    candidate
}

fn rank(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Picked => 0,
        Verdict::StandsBy(rank) => 1 + rank,
        Verdict::Undecided => usize::MAX - 1,
        Verdict::LeftOut(_) => usize::MAX,
    }
}

fn target(snapshot: &Snapshot, target: usize) -> Value {
    let key = &snapshot.targets[target].key;
    json!({ "model": key.model, "provider": key.provider.to_string() })
}

fn method(method: &Method) -> String {
    match method {
        Method::Direct => "Direct".to_owned(),
        Method::Scored(optimizer, scores) => format!("{} over {scores:?}", optimizer.name()),
        Method::Refused => "Refused".to_owned(),
    }
}

fn usage(charge: &Charge) -> Value {
    let usage = &charge.usage;
    json!({
        "input_tokens": usage.input,
        "cached_input_tokens": usage.cached_input,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
    })
}

fn end(end: End) -> &'static str {
    match end {
        End::Answered => "answered",
        End::Cut => "upstream_stream_cut",
        End::Failed(code) => code,
        End::ClientGone => "client_gone",
    }
}

fn millis(time: std::time::Duration) -> Value {
    ((time.as_secs_f64() * 10_000.0).round() / 10.0).into()
}
