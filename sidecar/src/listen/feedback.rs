//! `POST /v1/feedback`: how good was the answer to this call? Said again, the last word wins. Any sidecar of the namespace
//! takes it.

use std::rc::Rc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::error::CallError;
use super::{intake, render};
use crate::body::Outgoing;
use crate::data::Data;
use crate::feedback::{Elsewhere, Judged, judge};
use crate::request_id::RequestId;

/// No provider's ids are longer; a longer one is nobody's.
const ID_AT_MOST: usize = 256;

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
    let judged = judge(data, &posted.id, score).await.map_err(|why| CallError::feedback_not_kept(&why))?;
    let judged = match judged {
        Some(judged) => judged,
        None => elsewhere(data, &posted.id, score).await?,
    };
    let mut body = json!({ "id": judged.id, "score": score, "kept": judged.kept });
    if let Some(before) = judged.before {
        body["replaced"] = json!(before);
    }
    Ok(render::json(StatusCode::OK, body.to_string().into_bytes(), id))
}

/// Asks the other sidecars of the namespace, through the operator.
async fn elsewhere(data: &Data, id: &str, score: f64) -> Result<Judged, CallError> {
    if id.len() > ID_AT_MOST {
        return Err(CallError::unknown_call(id));
    }
    match data.desk.ask_elsewhere(id, score).await.map_err(|why| CallError::feedback_not_kept(&why))? {
        Elsewhere::Known(id) => Ok(Judged { id, kept: true, before: None }),
        Elsewhere::Alone => Err(CallError::unknown_call(id)),
        Elsewhere::Unknown(asked) => Err(CallError::nobodys_call(id, asked)),
        Elsewhere::Silent(asked, silent) => Err(CallError::feedback_not_kept(&format!(
            "{silent} of {asked} other pods that may have served the call did not answer; give it again"
        ))),
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
