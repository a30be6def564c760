//! `POST /v1/route`: the decision without forwarding. Takes the same body as a chat completion.

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use pointsman_wire::openai::request::ChatRequest;
use serde::Deserialize;
use serde_json::json;

use super::error::CallError;
use super::{intake, render};
use crate::body::Outgoing;
use crate::chance::Chance;
use crate::data::Data;
use crate::forward::decide as decide_call;
use crate::records::decision_json;
use crate::request_id::RequestId;

/// The short form: a prompt instead of messages.
#[derive(Deserialize)]
struct Short {
    prompt: String,
    #[serde(default = "auto")]
    model: String,
    #[serde(default)]
    max_tokens: Option<u64>,
}

fn auto() -> String {
    "auto".to_owned()
}

pub(crate) async fn decide(
    data: &Rc<Data>,
    id: RequestId,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, CallError> {
    let plane = data.shared.plane.load_full().ok_or_else(CallError::not_configured)?;
    let deadline = data.deadlines.take();
    let (parts, body) = request.into_parts();
    let (body, _held) = intake::read(body, &data.gate, &deadline).await?;
    let began = Instant::now();
    let draws = draws(data, &body);
    let chat = ChatRequest::parse(&long(body))?;
    let decided = decide_call(data, &plane, &chat, &parts.headers, began, draws)?;
    let policy = &plane.snapshot.policies[decided.policy];
    let mut answer = decision_json(&plane.snapshot, policy, &decided.decision, decided.scored.as_ref());
    answer["processing_ms"] = json!((began.elapsed().as_secs_f64() * 1e6).round() / 1e3);
    Ok(render::json(StatusCode::OK, answer.to_string().into_bytes(), id))
}

/// The same `seed` draws the same; without one, every question draws anew, as calls do.
fn draws(data: &Data, body: &Bytes) -> [f64; 2] {
    #[derive(Deserialize)]
    struct Seeded {
        seed: Option<u64>,
    }
    match serde_json::from_slice(body) {
        Ok(Seeded { seed: Some(seed) }) => Chance::seeded(seed).draws(),
        Ok(Seeded { seed: None }) | Err(_) => data.chance.borrow_mut().draws(),
    }
}

/// Turns the short form into the long one; anything else stays what it is, and is judged as such.
fn long(body: Bytes) -> Bytes {
    let Ok(Short { prompt, model, max_tokens }) = serde_json::from_slice(&body) else { return body };
    let message = json!([{ "role": "user", "content": prompt }]);
    json!({ "model": model, "messages": message, "max_tokens": max_tokens }).to_string().into()
}
