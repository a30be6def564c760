//! Why a call is not answered: whose fault it is, what may be said, which label it has.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use pointsman_core::overrides::Unheeded;
use pointsman_wire::openai::request::RequestError;

use super::intake::{BODY_AT_MOST, IntakeError};

/// Whose fault it is. Logged, so that people know whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Client,
    Policy,
    Upstream,
    Sidecar,
}

/// A call that ends in an error. Retrying elsewhere, where that may help, has already happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallError(Box<Said>);

/// What there is to say about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) fault: Fault,
    pub(crate) status: StatusCode,
    /// `error.type`
    pub(crate) kind: Cow<'static, str>,
    /// `error.code`; the first of the closed set of labels where a provider chose its own word.
    pub(crate) code: Cow<'static, str>,
    /// The same from a closed set, for metrics.
    pub(crate) label: &'static str,
    pub(crate) param: Option<Cow<'static, str>>,
    /// Safe to show, ends with a full stop, names the object to look at. The request id is added when it is rendered.
    pub(crate) message: String,
    /// What the SDKs are told about trying again; they decide by the status where nothing is said.
    pub(crate) should_retry: Option<bool>,
    /// Left out above 60 s: some SDKs sleep as long as they are told.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Deref for CallError {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl DerefMut for CallError {
    fn deref_mut(&mut self) -> &mut Said {
        &mut self.0
    }
}

impl CallError {
    pub(crate) fn into_said(self) -> Said {
        *self.0
    }

    pub(crate) fn new(fault: Fault, status: StatusCode, kind: &'static str, code: &'static str) -> Self {
        Self(Box::new(Said {
            fault,
            status,
            kind: kind.into(),
            code: code.into(),
            label: code,
            param: None,
            message: String::new(),
            should_retry: None,
            retry_after: None,
            headers: Vec::new(),
        }))
    }

    pub(crate) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn about(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Trying the same again at once helps nobody.
    pub(crate) fn no_retry(mut self) -> Self {
        self.should_retry = Some(false);
        self
    }

    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    fn client(status: StatusCode, code: &'static str) -> Self {
        Self::new(Fault::Client, status, "invalid_request_error", code)
    }

    pub(crate) fn unsupported_path(method: &http::Method, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::client(StatusCode::NOT_FOUND, "unsupported_path")
            .saying(format!("{method} {path} is not served here. Served: POST /v1/chat/completions, GET /v1/models, POST /v1/route, POST /v1/feedback, GET /v1/calls, GET /v1/calls/{{id}}."))
    }

    pub(crate) fn method_not_allowed(method: &http::Method, path: &str, allowed: &'static str) -> Self {
        let mut error = Self::client(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
            .saying(format!("{path} takes {allowed}, not {method}."));
        error.headers.push((http::header::ALLOW, HeaderValue::from_static(allowed)));
        error
    }

    /// A header of ours that cannot be obeyed.
    pub(crate) fn unheeded(unheeded: &Unheeded) -> Self {
        let Unheeded { header, why } = unheeded;
        Self::client(StatusCode::BAD_REQUEST, "invalid_header")
            .saying(format!("Header {header} cannot be obeyed: {why}."))
            .about(*header)
    }

    pub(crate) fn unknown_call(id: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        Self::client(StatusCode::NOT_FOUND, "call_not_found")
            .saying(format!(
                "Call '{id}' is not among the recent ones. Only the last calls are kept, in memory."
            ))
            .about("id")
    }

    pub(crate) fn bad_query(pair: &str) -> Self {
        let pair: String = pair.chars().take(100).collect();
        Self::client(StatusCode::BAD_REQUEST, "invalid_query")
            .saying(format!("'{pair}' is not understood: send after=ID, rated=true or both."))
    }

    pub(crate) fn calls_not_read(why: &str) -> Self {
        Self::new(Fault::Sidecar, StatusCode::SERVICE_UNAVAILABLE, "server_error", "calls_not_read")
            .saying(format!("The scored calls could not be read: {why}."))
    }

    /// Nobody in the namespace knows it. Calls of other namespaces are not looked for, so nothing is said of them.
    pub(crate) fn nobodys_call(id: &str, asked: u32) -> Self {
        let id: String = id.chars().take(64).collect();
        let others = match asked {
            0 => "no other pod of this namespace is connected".to_owned(),
            1 => "the one other pod of this namespace does not know it either".to_owned(),
            asked => format!("none of the {asked} other pods of this namespace knows it"),
        };
        Self::client(StatusCode::NOT_FOUND, "call_not_found")
            .saying(format!("Call '{id}' is not among the recent ones of this pod, and {others}."))
            .about("id")
    }

    pub(crate) fn bad_feedback(field: &'static str, what: &str) -> Self {
        Self::client(StatusCode::BAD_REQUEST, "invalid_feedback")
            .saying(format!("This feedback cannot be taken: {what}."))
            .about(field)
    }

    pub(crate) fn feedback_not_kept(why: &str) -> Self {
        Self::new(Fault::Sidecar, StatusCode::SERVICE_UNAVAILABLE, "server_error", "feedback_not_kept")
            .saying(format!("The feedback could not be kept: {why}."))
    }

    pub(crate) fn not_configured() -> Self {
        Self::new(Fault::Sidecar, StatusCode::SERVICE_UNAVAILABLE, "server_error", "not_configured")
            .saying("Pointsman has not been configured yet.")
            .after(Some(Duration::from_secs(1)))
    }

    pub(crate) fn model_not_found(model: &str, workload: Option<&str>, offered: &[&str]) -> Self {
        let model: String = model.chars().take(200).collect();
        let whom = workload.map_or_else(|| "here".to_owned(), |workload| format!("to {workload}"));
        let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
        Self::client(StatusCode::NOT_FOUND, "model_not_found")
            .saying(format!("The model '{model}' is not offered {whom}. Offered: {offered}."))
            .about("model")
    }
}

impl From<RequestError> for CallError {
    fn from(error: RequestError) -> Self {
        let mut this = Self::client(StatusCode::BAD_REQUEST, error.code());
        this.param = error.param().map(|param| Cow::Owned(param.to_owned()));
        this.saying(sentence(&error.to_string()))
    }
}

impl From<IntakeError> for CallError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::TooLarge => Self::client(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large")
                .saying(format!("The request body is larger than the limit of {} MiB.", BODY_AT_MOST >> 20)),
            IntakeError::NoRoom => {
                Self::new(Fault::Sidecar, StatusCode::SERVICE_UNAVAILABLE, "server_error", "too_many_bytes")
                    .saying("Pointsman holds too many large requests at this moment.")
                    .after(Some(Duration::from_secs(1)))
            }
            IntakeError::TooSlow => Self::client(StatusCode::REQUEST_TIMEOUT, "request_timeout")
                .saying("The request body did not come within 30 s."),
            IntakeError::Broken => Self::client(StatusCode::BAD_REQUEST, "request_cut")
                .saying("The connection broke while the request body was read."),
        }
    }
}

/// Makes an error's message a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
