//! What kind of refusal is it? Whether to try again, elsewhere or not at all hangs on this.

/// Stands for the status of an error inside a stream, where the real one was 200.
pub(super) const IN_STREAM: u16 = 200;

/// A provider's refusal, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too long for this model: only a larger window helps.
    ContextLength,
    /// Refused for what it says: the caller must hear so, and no other model is asked.
    ContentPolicy,
    /// Wrong in itself: no model would take it.
    InvalidRequest,
    /// Our key is refused: the credential is of no use until it changes.
    Credential,
    /// The account has no money left, or has reached its cap.
    Quota,
    /// Too many requests now: later, or elsewhere.
    RateLimited,
    /// The provider is too busy, or gave up waiting: later, or elsewhere.
    Overloaded,
    /// The provider failed: once more, then elsewhere.
    Server,
    /// None of these, a model that the provider does not know among them: elsewhere.
    Other,
}

/// Names that settle the class whatever the status says, in order of precedence.
const NAMES: [(&str, ErrorClass); 21] = [
    ("context_length_exceeded", ErrorClass::ContextLength),
    ("content_policy_violation", ErrorClass::ContentPolicy),
    ("content_filter", ErrorClass::ContentPolicy),
    ("ResponsibleAIPolicyViolation", ErrorClass::ContentPolicy),
    ("moderation_blocked", ErrorClass::ContentPolicy),
    ("insufficient_quota", ErrorClass::Quota),
    ("billing_hard_limit_reached", ErrorClass::Quota),
    ("billing_not_active", ErrorClass::Quota),
    ("insufficient_balance", ErrorClass::Quota),
    ("invalid_api_key", ErrorClass::Credential),
    ("authentication_error", ErrorClass::Credential),
    ("permission_error", ErrorClass::Credential),
    ("UNAUTHENTICATED", ErrorClass::Credential),
    ("PERMISSION_DENIED", ErrorClass::Credential),
    ("model_not_found", ErrorClass::Other),
    ("rate_limit_exceeded", ErrorClass::RateLimited),
    ("rate_limit_error", ErrorClass::RateLimited),
    ("RESOURCE_EXHAUSTED", ErrorClass::RateLimited),
    ("overloaded_error", ErrorClass::Overloaded),
    ("server_overloaded", ErrorClass::Overloaded),
    ("UNAVAILABLE", ErrorClass::Overloaded),
];

/// Phrases of servers that have no code for it.
const PHRASES: [(&str, ErrorClass); 6] = [
    ("maximum context length", ErrorClass::ContextLength),
    ("context window", ErrorClass::ContextLength),
    ("context length", ErrorClass::ContextLength),
    ("prompt is too long", ErrorClass::ContextLength),
    ("input is too long", ErrorClass::ContextLength),
    ("content management policy", ErrorClass::ContentPolicy),
];

pub(super) fn classify(status: u16, clues: &[Option<&str>], message: &str) -> ErrorClass {
    let named = NAMES.iter().find(|(name, _)| clues.contains(&Some(name)));
    if let Some((_, class)) = named {
        return *class;
    }
    let status = if status == IN_STREAM { numeric(clues).unwrap_or(status) } else { status };
    if matches!(status, IN_STREAM | 400 | 413 | 422 | 500) {
        let message = message.to_ascii_lowercase();
        if let Some((_, class)) = PHRASES.iter().find(|(phrase, _)| message.contains(phrase)) {
            return *class;
        }
    }
    by_status(status)
}

/// Some gateways put the status of their provider into the code of an event.
fn numeric(clues: &[Option<&str>]) -> Option<u16> {
    clues.iter().flatten().find_map(|clue| clue.parse().ok().filter(|status| (400..600).contains(status)))
}

fn by_status(status: u16) -> ErrorClass {
    match status {
        400 | 413 | 415 | 422 => ErrorClass::InvalidRequest,
        401 | 403 => ErrorClass::Credential,
        402 => ErrorClass::Quota,
        429 => ErrorClass::RateLimited,
        408 | 503 | 504 | 529 => ErrorClass::Overloaded,
        IN_STREAM | 424 | 500..=599 => ErrorClass::Server,
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::*;
    use crate::openai::error::{ErrorClass, ProviderError};

    fn check(status: u16, body: &str, expected: ErrorClass) {
        assert_eq!(ProviderError::parse(status, body.as_bytes()).class, expected, "{status} {body}");
    }

    #[test]
    fn the_status_alone_classifies() {
        for (status, expected) in [
            (400, InvalidRequest),
            (401, Credential),
            (402, Quota),
            (403, Credential),
            (404, Other),
            (408, Overloaded),
            (413, InvalidRequest),
            (422, InvalidRequest),
            (429, RateLimited),
            (500, Server),
            (502, Server),
            (503, Overloaded),
            (504, Overloaded),
            (529, Overloaded),
            (302, Other),
        ] {
            check(status, "", expected);
        }
    }

    #[test]
    fn code_and_type_win_over_the_status() {
        check(400, r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#, ContextLength);
        check(400, r#"{"error":{"code":"content_policy_violation","message":"m"}}"#, ContentPolicy);
        check(429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#, Quota);
        check(400, r#"{"error":{"code":"billing_hard_limit_reached"}}"#, Quota);
        check(400, r#"{"error":{"type":"authentication_error"}}"#, Credential);
        check(404, r#"{"error":{"type":"invalid_request_error","code":"model_not_found"}}"#, Other);
        check(
            400,
            r#"{"error":{"code":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            ContentPolicy,
        );
        check(200, r#"{"error":{"code":429,"message":"slow down"}}"#, RateLimited);
        check(200, r#"{"error":{"message":"something broke"}}"#, Server);
        // OpenAI's word for every failure of its own says less than the status.
        check(503, r#"{"error":{"type":"server_error","message":"The server is overloaded."}}"#, Overloaded);
        check(500, r#"{"error":{"type":"server_error","message":"Something broke."}}"#, Server);
    }

    #[test]
    fn phrases_help_where_there_is_no_code() {
        check(400, r#"{"message":"This model's maximum context length is 8192 tokens."}"#, ContextLength);
        check(400, r#"{"error":{"message":"Unsupported value: temperature"}}"#, InvalidRequest);
        check(429, r#"{"error":{"message":"tokens per minute of the context window"}}"#, RateLimited);
    }
}
