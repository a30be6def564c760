//! Sends one attempt and judges the head of its answer.

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, Instant};

use http::header::RETRY_AFTER;
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use pointsman_core::failover::{Failure, StatusClass};
use pointsman_wire::openai::error::{ErrorClass, MAX_ERROR_BODY, ProviderError};
use pointsman_wire::openai::request::ChatRequest;

use super::call::Call;
use super::request;
use crate::deadline::Deadline;
use crate::plane::{Key, ProviderPart};
use crate::pool::{Lease, Progress, SendError};

/// A successful head, its body still to come.
pub(super) struct Answer {
    pub(super) candidate: usize,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) lease: Lease,
    /// When the request was sent.
    pub(super) since: Instant,
    /// When the head came.
    pub(super) arrived: Instant,
    pub(super) limits: Limits,
}

/// The moments and spans that bound one attempt.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Until when the first content must come.
    pub(super) first: Instant,
    first_within: Duration,
    pub(super) total: Instant,
    pub(super) idle: Duration,
}

impl Limits {
    /// The deadline for the first content of a request sent at `at`.
    fn first_after(&self, at: Instant) -> Instant {
        (at + self.first_within).min(self.total)
    }

    /// The deadline for the next piece after something came at `now`.
    pub(super) fn next(&self, now: Instant) -> Instant {
        (now + self.idle).min(self.total)
    }
}

/// Sends the call to a candidate that has its rights.
pub(super) async fn send(
    call: &mut Call,
    candidate: usize,
    chat: &ChatRequest,
    headers: &HeaderMap,
    deadline: &Deadline,
) -> Result<Answer, Failure> {
    let plane = call.plane.clone();
    let (_, _, provider) = plane.target(call.target(candidate));
    if matches!(provider.key, Key::Missing) {
        return Err(Failure::Status { status: 401, class: StatusClass::Credential, retry_after_ms: None });
    }
    let pool = call.data.pools.of(provider.origin_id, &provider.origin);
    let upstream = request::build(call, candidate, chat, headers, provider);
    let since = Instant::now();
    let planned = limits(call, provider, since);
    let connected = Cell::new(since);
    call.sent(since);
    let sent = {
        let call = &*call;
        let on_progress = |progress: Progress| {
            let at = match progress {
                Progress::Dialling { until } => until,
                Progress::Connected(at) => {
                    call.connected();
                    at
                }
            };
            connected.set(at);
            deadline.set(planned.first_after(at));
        };
        // Pinned here, because it holds the whole request: passed by value it would be copied twice more.
        let sending = pin!(pool.send(upstream, provider.timeouts.connect, since, on_progress));
        deadline.guard(sending).await
    };
    let arrived = Instant::now();
    let limits = Limits { first: planned.first_after(connected.get()), ..planned };
    call.waited += arrived - since;
    match sent {
        Err(_) => Err(Failure::Timeout),
        Ok(Err(error)) => Err(unsent(&error)),
        Ok(Ok((response, lease))) if response.status().is_success() => {
            let (Parts { status, headers, .. }, body) = response.into_parts();
            Ok(Answer { candidate, status, headers, body, lease, since, arrived, limits })
        }
        Ok(Ok((response, lease))) => Err(Box::pin(refused(call, response, lease, limits, deadline)).await),
    }
}

fn limits(call: &Call, provider: &ProviderPart, since: Instant) -> Limits {
    let timeouts = provider.timeouts;
    let policy = call.policy().config.resilience.first_token_ms.map(Duration::from_millis);
    let first = policy.map_or(timeouts.first_token, |policy| policy.min(timeouts.first_token));
    Limits { first: since + first, first_within: first, total: since + timeouts.total, idle: timeouts.idle }
}

fn unsent(error: &SendError) -> Failure {
    tracing::debug!(%error, "attempt not answered");
    if error.is_unsent() { Failure::Connect } else { Failure::Reset }
}

/// Reads why the provider refused.
async fn refused(
    call: &mut Call,
    response: Response<Incoming>,
    lease: Lease,
    limits: Limits,
    deadline: &Deadline,
) -> Failure {
    let (head, body) = response.into_parts();
    let started = Instant::now();
    deadline.set(limits.next(started));
    let read = deadline.guard(Limited::new(body, MAX_ERROR_BODY).collect()).await;
    call.waited += started.elapsed();
    let body = match read {
        Ok(Ok(body)) => {
            lease.release(Instant::now());
            body.to_bytes()
        }
        // Too long or broken off: the status alone says enough, the connection is not used again.
        Ok(Err(_)) | Err(_) => bytes::Bytes::new(),
    };
    let status = head.status.as_u16();
    let error = ProviderError::parse(status, &body);
    let retry_after_ms = retry_after(&head.headers).and_then(|wait| u64::try_from(wait.as_millis()).ok());
    let failure = Failure::Status { status, class: class(error.class), retry_after_ms };
    call.last_error = Some(error);
    failure
}

/// What a provider's refusal means for the next step.
pub(super) fn class(class: ErrorClass) -> StatusClass {
    match class {
        ErrorClass::ContextLength => StatusClass::ContextLength,
        ErrorClass::ContentPolicy => StatusClass::ContentPolicy,
        ErrorClass::InvalidRequest => StatusClass::InvalidRequest,
        ErrorClass::Credential | ErrorClass::Quota => StatusClass::Credential,
        ErrorClass::RateLimited => StatusClass::RateLimited,
        // A redirect, or a model that the provider does not know: elsewhere.
        ErrorClass::Overloaded | ErrorClass::Other => StatusClass::Overloaded,
        ErrorClass::Server => StatusClass::Server,
    }
}

/// How long the provider asks us to wait. A date is taken for a minute: clocks differ, and nobody sends dates here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = match number("retry-after-ms") {
        Some(millis) => millis / 1000.0,
        None if headers.contains_key(RETRY_AFTER) => number("retry-after").unwrap_or(60.0),
        None => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_both_spellings() {
        for (name, value, expected) in [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after-ms", "1500", Some(1_500)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT", Some(60_000)),
            ("retry-after", "-1", None),
            ("x-other", "1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header"));
            let found = retry_after(&headers).map(|wait| wait.as_millis());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
