//! What a caller is told when every attempt has failed.

use std::time::Duration;

use http::StatusCode;
use pointsman_core::failover::{Attempt, Failure, StatusClass};
use pointsman_wire::openai::error::{ErrorClass, ProviderError};

use super::call::Call;
use super::head::{X_ATTEMPTS, attempts};
use crate::listen::error::{CallError, Fault};

/// The last failure is the answer.
pub(super) fn after_all(call: &Call) -> CallError {
    let Some(last) = call.trail.0.last() else {
        // A plan is never empty where a candidate was picked.
        return CallError::new(
            Fault::Sidecar,
            StatusCode::SERVICE_UNAVAILABLE,
            "server_error",
            "no_candidate_available",
        )
        .saying(format!("No candidate of policy {} is left.", call.policy().name))
        .no_retry();
    };
    let mut error = match last.failure {
        Failure::Status { class: StatusClass::Credential, .. } => credential(call, last),
        Failure::Status { status, class, .. } if is_callers(class) => callers(call, last, status),
        failure => upstream(call, last, failure),
    };
    error.headers.push((X_ATTEMPTS, attempts(call, None)));
    error
}

fn is_callers(class: StatusClass) -> bool {
    match class {
        StatusClass::ContextLength | StatusClass::ContentPolicy | StatusClass::InvalidRequest => true,
        StatusClass::Credential
        | StatusClass::RateLimited
        | StatusClass::Overloaded
        | StatusClass::Server => false,
    }
}

/// The request itself is at fault: the provider's own words, status and code.
fn callers(call: &Call, last: &Attempt, status: u16) -> CallError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut error = CallError::new(Fault::Client, status, "invalid_request_error", "invalid_request");
    let Some(said) = &call.last_error else {
        return error.saying(format!("Provider {} refused this request.", provider(call, last)));
    };
    let ProviderError { message, kind, param, code, class: _ } = said.clone();
    if let Some(kind) = kind {
        error.kind = kind.into();
    }
    if let Some(code) = code {
        error.code = code.into();
    }
    error.param = param.map(Into::into);
    let said = if message.is_empty() { ".".to_owned() } else { format!(": {}", stopped(&message)) };
    error.saying(format!("Provider {} refused this request{said}", provider(call, last)))
}

fn credential(call: &Call, last: &Attempt) -> CallError {
    let quota = call.last_error.as_ref().is_some_and(|error| error.class == ErrorClass::Quota);
    let why = if quota { "says that its account has no money left" } else { "refused its credential" };
    let code = "provider_credential_rejected";
    CallError::new(Fault::Sidecar, StatusCode::SERVICE_UNAVAILABLE, "server_error", code)
        .saying(format!(
            "Provider {} {why} and no other candidate is left. This is the platform's fault, not your request's.",
            provider(call, last)
        ))
        .no_retry()
}

/// The provider is at fault: its own status is kept, and what it said.
fn upstream(call: &Call, last: &Attempt, failure: Failure) -> CallError {
    let status = status(failure);
    let kind = if status == StatusCode::TOO_MANY_REQUESTS { "rate_limit_error" } else { "server_error" };
    let times = times(call, last);
    let said = call.last_error.as_ref().filter(|error| !error.message.is_empty());
    let said = said.map(|error| format!(" (\"{}\")", error.message)).unwrap_or_default();
    let what = match failure {
        Failure::Status { status, .. } => format!("answered {status}{times}{said}"),
        Failure::Connect | Failure::NotSent => format!("could not be reached{times}"),
        Failure::Reset => format!("broke the connection{times} before it had answered"),
        Failure::Timeout => format!("did not answer in time{times}"),
        Failure::BadAnswer => format!("gave an answer that cannot be understood{times}"),
    };
    let message = format!(
        "Provider {} {what} and policy {} has no other candidate for model {}.",
        provider(call, last),
        call.policy().name,
        call.plane.snapshot.targets[call.target(last.candidate)].key.model
    );
    let wait = match failure {
        Failure::Status { retry_after_ms, .. } => retry_after_ms.map(Duration::from_millis),
        _ => None,
    };
    CallError::new(Fault::Upstream, status, kind, "upstream_unavailable")
        .saying(message)
        .after(wait)
        .no_retry()
}

fn status(failure: Failure) -> StatusCode {
    match failure {
        // A redirect is not followed, and a success that failed all the same is the provider's fault.
        Failure::Status { status, .. } => {
            let own =
                StatusCode::from_u16(status).ok().filter(|s| s.is_client_error() || s.is_server_error());
            own.unwrap_or(StatusCode::BAD_GATEWAY)
        }
        Failure::Connect | Failure::NotSent => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Reset | Failure::BadAnswer => StatusCode::BAD_GATEWAY,
        Failure::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// How often in a row the same provider failed in the same way.
fn times(call: &Call, last: &Attempt) -> String {
    let same = |attempt: &&Attempt| {
        provider(call, attempt) == provider(call, last)
            && std::mem::discriminant(&attempt.failure) == std::mem::discriminant(&last.failure)
            && status(attempt.failure) == status(last.failure)
    };
    match call.trail.0.iter().rev().take_while(same).count() {
        0 | 1 => String::new(),
        2 => " twice".to_owned(),
        many => format!(" {many} times"),
    }
}

fn provider<'a>(call: &'a Call, attempt: &Attempt) -> &'a pointsman_config::entry::Name {
    &call.plane.snapshot.targets[call.target(attempt.candidate)].key.provider
}

fn stopped(message: &str) -> String {
    let message = message.trim_end();
    if message.ends_with(['.', '!', '?']) { message.to_owned() } else { format!("{message}.") }
}
