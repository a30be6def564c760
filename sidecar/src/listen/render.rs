//! The one place that turns an error into a status, headers and a body.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use pointsman_wire::openai::error::ErrorBody;

use super::error::{CallError, Said};
use crate::body::Outgoing;
use crate::request_id::RequestId;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Longer waits are not told: SDKs sleep as long as they are told, some of them for days.
const LONGEST_TOLD_WAIT: Duration = Duration::from_secs(60);

/// An error as its caller sees it.
pub(crate) fn error(error: CallError, id: RequestId) -> Response<Outgoing> {
    let Said { fault, status, kind, code, label: _, param, message, should_retry, retry_after, headers } =
        error.into_said();
    tracing::debug!(request_id = %id, ?fault, status = status.as_u16(), %code, "call refused");
    let body = ErrorBody {
        message: format!("{message} Request {id}."),
        kind: kind.into_owned(),
        param: param.map(Into::into),
        code: Some(code.into_owned()),
    };
    let mut response = json(status, body.to_json(), id);
    let out = response.headers_mut();
    if let Some(should_retry) = should_retry {
        out.insert(X_SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
    }
    if let Some(wait) = retry_after.filter(|wait| *wait <= LONGEST_TOLD_WAIT) {
        out.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    for (name, value) in headers {
        out.insert(name, value);
    }
    response
}

/// An answer of our own.
pub(crate) fn json(status: StatusCode, body: impl Into<Outgoing>, id: RequestId) -> Response<Outgoing> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    response
}

/// JSON objects, one per line.
pub(crate) fn json_lines(body: impl Into<Outgoing>, id: RequestId) -> Response<Outgoing> {
    let mut response = json(StatusCode::OK, body, id);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    response
}

/// Rounded up, at least one: who comes back too early waits twice.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use crate::listen::error::Fault;

    #[test]
    fn long_waits_are_not_told() {
        let id = RequestId::new(std::time::SystemTime::now(), &mut Chance::seeded(1));
        for (millis, told) in [(1, Some("1")), (7_200, Some("8")), (60_000, Some("60")), (60_001, None)] {
            let wait = Some(Duration::from_millis(millis));
            let refusal = CallError::new(Fault::Policy, StatusCode::SERVICE_UNAVAILABLE, "server_error", "x")
                .after(wait);
            let response = error(refusal, id);
            let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            assert_eq!(header, told, "{millis}");
        }
    }
}
