//! The loop over attempts.

use std::time::Instant;

use http::{HeaderMap, Response};
use pointsman_core::decide::Outcome;
use pointsman_core::failover::{Next, next};
use pointsman_core::time::Millis;
use pointsman_wire::openai::request::ChatRequest;

use super::call::{Call, End};
use super::{attempt, exhausted, failed, stream, whole};
use crate::body::Outgoing;
use crate::deadline::Deadline;
use crate::listen::error::CallError;

/// Tries candidates until one answers or none is left.
pub(super) async fn carry(
    mut call: Box<Call>,
    chat: &ChatRequest,
    headers: &HeaderMap,
    deadline: Deadline,
) -> Result<Response<Outgoing>, CallError> {
    if let Outcome::Refused(refusal) = call.decision.outcome.clone() {
        let error = exhausted::refused(&call, &refusal);
        return Err(give_up(call, error));
    }
    let mut now = call.decided;
    loop {
        let candidate = match what_next(&call, call.data.shared.clock.millis(now)) {
            Next::Send { candidate, not_before } => {
                let not_before = call.data.shared.clock.instant(not_before);
                if not_before > now {
                    Box::pin(tokio::time::sleep_until(not_before.into())).await;
                }
                candidate
            }
            Next::Stop => {
                let error = failed::after_all(&call);
                return Err(give_up(call, error));
            }
        };
        let candidate = match call.reserve(candidate).await {
            Ok(candidate) => candidate,
            Err(error) => return Err(give_up(call, error)),
        };
        let answered = match attempt::send(&mut call, candidate, chat, headers, &deadline).await {
            Ok(answer) if call.asked.stream => {
                match Box::pin(stream::hold(&mut call, answer, &deadline)).await {
                    Ok(opening) => return Ok(stream::open(call, opening, deadline)),
                    Err(failure) => Err(failure),
                }
            }
            Ok(answer) => whole::read(&mut call, answer, &deadline).await,
            Err(failure) => Err(failure),
        };
        match answered {
            Ok(response) => return Ok(response),
            Err(failure) => call.fail(failure),
        }
        now = Instant::now();
    }
}

fn what_next(call: &Call, now: Millis) -> Next {
    let jitter = call.data.chance.borrow_mut().fraction();
    let health = |target| call.plane.health(target, now);
    next(&call.decision, &call.trail, &call.plane.snapshot, &health, now, jitter)
}

fn give_up(mut call: Box<Call>, error: CallError) -> CallError {
    call.end(End::Failed(error.label), Instant::now());
    error
}
