//! `POST /v1/feedback`: how good was the answer to this call? Said again, the last word wins.

use std::rc::Rc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::error::CallError;
use super::{intake, render};
use crate::body::Outgoing;
use crate::data::Data;
use crate::records::Lesson;
use crate::request_id::RequestId;

/// What is posted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    /// Our request id, or the id in the body of the answer.
    id: String,
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    thumbs: Option<Thumbs>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Thumbs {
    Up,
    Down,
}

pub(crate) async fn take(
    data: &Rc<Data>,
    id: RequestId,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, CallError> {
    let deadline = data.deadlines.take();
    let (body, _held) = intake::read(request.into_body(), &data.gate, &deadline).await?;
    let posted: Posted = serde_json::from_slice(&body).map_err(|error| {
        let form = r#"send {"id": "req_…", "score": 0.8} or {"id": "req_…", "thumbs": "up"}"#;
        CallError::bad_feedback("id", &format!("{error}; {form}"))
    })?;
    let score = score(&posted)?;
    let lesson = data.records.borrow().lesson(&posted.id);
    let recent = data.records.borrow_mut().rate(&posted.id, score);
    if let Some(lesson) = lesson {
        learn(data, &lesson, score);
    }
    let name = recent.map_or_else(|| posted.id.clone(), |known| known.to_string());
    let kept = data.desk.note(&name, score).await.map_err(|why| CallError::feedback_not_kept(&why))?;
    if recent.is_none() && kept != Some(true) {
        return Err(CallError::unknown_call(&posted.id));
    }
    data.shared.telemetry.feedback.inc();
    let body = json!({ "id": name, "score": score, "kept": kept == Some(true) });
    Ok(render::json(StatusCode::OK, body.to_string().into_bytes(), id))
}

/// Tells the guard of the policy's scorer.
fn learn(data: &Data, lesson: &Lesson, score: f64) {
    let Some(plane) = data.shared.plane.load_full() else { return };
    let policies = plane.snapshot.policies.iter().zip(&plane.policies);
    for (_, beside) in policies.filter(|(policy, _)| policy.name == lesson.policy) {
        beside.live.guard().observe(score, lesson.scored, lesson.mean);
    }
}

fn score(posted: &Posted) -> Result<f64, CallError> {
    match (posted.score, posted.thumbs) {
        (Some(score), None) if (0.0..=1.0).contains(&score) => Ok(score),
        (Some(_), None) => Err(CallError::bad_feedback("score", "write a number from 0 to 1")),
        (None, Some(Thumbs::Up)) => Ok(1.0),
        (None, Some(Thumbs::Down)) => Ok(0.0),
        (Some(_), Some(_)) => Err(CallError::bad_feedback("thumbs", "send either score or thumbs")),
        (None, None) => Err(CallError::bad_feedback("score", "say how good the answer was: score or thumbs")),
    }
}
