//! An answer that comes in one piece: read to its end, settled, then passed on.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use pointsman_core::account::Settlement;
use pointsman_core::failover::Failure;
use pointsman_core::health::Signal;
use pointsman_wire::body::Spliced;
use pointsman_wire::estimate;
use pointsman_wire::openai::response::ChatResponse;

use super::attempt::{Answer, Limits};
use super::call::{Call, End, TriedEnd};
use super::head;
use crate::body::{Outgoing, Pieces};
use crate::deadline::Deadline;

/// A larger answer is no chat completion.
const ANSWER_AT_MOST: usize = 32 * 1024 * 1024;

/// Reads the answer, settles the attempt, ends the call and renders the response.
pub(super) async fn read(
    call: &mut Call,
    answer: Answer,
    deadline: &Deadline,
) -> Result<Response<Outgoing>, Failure> {
    let Answer { candidate, status, headers, body, lease, since: _, arrived, limits } = answer;
    let (read, now) = collect(body, deadline, &limits, arrived).await;
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
    let length = body.len();
    call.completion = parsed.as_ref().and_then(|response| response.id()).map(|id| Box::from(&*id));
    let body = annotated(call, parsed, body);
    let same_length = body.len == length;
    let cost = head::Cost::Exact(call.charged.cost);
    let mut response = Response::new(Outgoing::Whole(Pieces::from(body)));
    *response.status_mut() = status;
    let now = Instant::now();
    *response.headers_mut() = head::answer(call, candidate, status.as_u16(), headers, cost, now);
    if !same_length {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    call.end(End::Answered, now);
    Ok(response)
}

fn annotated(call: &Call, parsed: Option<ChatResponse>, body: Bytes) -> Spliced {
    match parsed {
        Some(response) if call.asked.annotate => response.annotate_cost(call.charged.cost),
        _ => Spliced::from(body),
    }
}

/// Reads a body; one that comes in one piece, the usual case, is not copied. Also says when its end was there: what
/// came with the head took no time.
async fn collect(
    body: Incoming,
    deadline: &Deadline,
    limits: &Limits,
    arrived: Instant,
) -> (Result<Bytes, Failure>, Instant) {
    let mut at = arrived;
    let read = pieces(body, deadline, limits, &mut at).await;
    (read, at)
}

async fn pieces(
    mut body: Incoming,
    deadline: &Deadline,
    limits: &Limits,
    at: &mut Instant,
) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let frame = match poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await {
            Poll::Ready(at_hand) => at_hand,
            Poll::Pending => {
                let left = limits.total.saturating_duration_since(*at);
                let waited = deadline.guard_within(limits.idle.min(left), body.frame()).await;
                *at = Instant::now();
                waited.map_err(|_| Failure::Timeout)?
            }
        };
        let piece = match frame {
            None => break,
            Some(Err(_)) => return Err(Failure::Reset),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if first.is_empty() && rest.is_empty() {
            first = piece;
            continue;
        }
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
