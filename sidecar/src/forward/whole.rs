//! An answer that comes in one piece: read to its end, settled, then passed on.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use pointsman_core::account::Settlement;
use pointsman_core::failover::Failure;
use pointsman_core::health::Signal;
use pointsman_wire::body::Spliced;
use pointsman_wire::estimate;
use pointsman_wire::openai::response::ChatResponse;

use super::attempt::{Answer, Limits};
use super::call::{Call, TriedEnd};
use super::head;
use crate::body::{Outgoing, Pieces};
use crate::deadline::Deadline;

/// A larger answer is no chat completion.
const ANSWER_AT_MOST: usize = 32 * 1024 * 1024;

/// Reads the answer, settles the attempt and renders the response.
pub(super) async fn read(
    call: &mut Call,
    answer: Answer,
    deadline: &Deadline,
) -> Result<Response<Outgoing>, Failure> {
    let Answer { candidate, status, headers, body, lease, since: _, arrived, limits } = answer;
    let read = collect(body, deadline, &limits, arrived).await;
    let now = Instant::now();
    call.waited += now - arrived;
    let body = read?;
    lease.release(now);
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    let parsed =
        if encoded { None } else { Some(ChatResponse::parse(&body).map_err(|_| Failure::BadAnswer)?) };
    let settlement = match &parsed {
        Some(response) => match response.usage.known() {
            Some(usage) => Settlement::Usage(usage),
            None => call.counted(estimate::output_tokens(response.output_characters(), 0)),
        },
        // We asked for no encoding; what cannot be read is estimated from its length.
        None => call.counted(estimate::tokens_of_bytes(body.len() as u64)),
    };
    call.land(settlement, TriedEnd::Answered(status.as_u16()), Signal::Success, now);
    let body = annotated(call, parsed, body);
    let cost = head::Cost::Exact(call.charged.cost);
    let mut response = Response::new(Outgoing::Whole(Pieces::from(body)));
    *response.status_mut() = status;
    *response.headers_mut() = head::answer(call, candidate, status.as_u16(), headers, cost);
    Ok(response)
}

fn annotated(call: &Call, parsed: Option<ChatResponse>, body: Bytes) -> Spliced {
    match parsed {
        Some(response) if call.asked.annotate => response.annotate_cost(call.charged.cost),
        _ => Spliced::from(body),
    }
}

/// Reads a body; one that comes in one piece, the usual case, is not copied.
async fn collect(
    mut body: Incoming,
    deadline: &Deadline,
    limits: &Limits,
    mut at: Instant,
) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let left = limits.total.saturating_duration_since(at);
        let piece = match deadline.guard_within(limits.idle.min(left), body.frame()).await {
            Err(_) => return Err(Failure::Timeout),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Failure::Reset),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
        at = Instant::now();
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&piece);
        if rest.len() > ANSWER_AT_MOST {
            return Err(Failure::BadAnswer);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
