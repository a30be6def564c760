//! Errors in OpenAI's dialect: ours to write, providers' to read and to classify.

mod classify;
mod scrub;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

pub use self::classify::ErrorClass;

/// More of an error body than this is not read.
pub const MAX_ERROR_BODY: usize = 64 * 1024;

/// An error for the caller: `{"error":{message,type,param,code}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// Must suffice alone: the SDKs print nothing else.
    pub message: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub param: Option<String>,
    pub code: Option<String>,
}

impl ErrorBody {
    /// Renders the body of the response.
    pub fn to_json(&self) -> Bytes {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody,
        }
        serde_json::to_vec(&Envelope { error: self }).expect("strings serialise").into()
    }
}

/// What a provider said when it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    pub class: ErrorClass,
    /// The provider's reason, at most 1 KiB, without keys, addresses and stack traces; may be empty.
    pub message: String,
    pub kind: Option<String>,
    pub param: Option<String>,
    pub code: Option<String>,
}

impl ProviderError {
    /// Reads a provider's error response. Every body is readable: without JSON the status alone classifies it.
    pub fn parse(status: u16, body: &[u8]) -> ProviderError {
        let body = &body[..body.len().min(MAX_ERROR_BODY)];
        Self::of(status, serde_json::from_slice(body).unwrap_or(Value::Null))
    }

    /// Reads an error event of a stream, whose status was 200. The payload is the whole event.
    pub fn of_event(payload: &[u8]) -> ProviderError {
        Self::parse(classify::IN_STREAM, payload)
    }

    fn of(status: u16, mut body: Value) -> ProviderError {
        // Gemini's compatible API wraps the error in an array.
        if let Value::Array(items) = &mut body {
            body = items.get_mut(0).map(Value::take).unwrap_or_default();
        }
        let inner = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
        let text = |names: &[&str]| names.iter().find_map(|name| inner.get(*name).and_then(word));
        let code = text(&["code"]).or_else(|| text(&["status"]));
        let kind = text(&["type", "status"]);
        let flat = body.get("error").and_then(Value::as_str).map(str::to_owned);
        let message = text(&["message", "detail"]).or(flat).unwrap_or_default();
        let inner_code = inner.pointer("/innererror/code").and_then(word);
        let clues = [code.as_deref(), kind.as_deref(), inner_code.as_deref()];
        ProviderError {
            class: classify::classify(status, &clues, &message),
            message: scrub::scrub(&message),
            kind: kind.map(|kind| scrub::scrub(&kind)),
            param: text(&["param"]).map(|param| scrub::scrub(&param)),
            code: code.map(|code| scrub::scrub(&code)),
        }
    }
}

/// Takes a string or a number as a word: codes come as both.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_errors_have_the_four_members_in_order() {
        let error = ErrorBody {
            message: "No \"gpt-6\" here.".into(),
            kind: "invalid_request_error".into(),
            param: None,
            code: Some("model_not_found".into()),
        };
        let expected = r#"{"error":{"message":"No \"gpt-6\" here.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
        assert_eq!(error.to_json(), expected);
    }

    #[test]
    fn every_shape_of_body_is_read() {
        for (body, message, code) in [
            (r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#, "m", Some("c")),
            (r#"{"error":"m"}"#, "m", None),
            (r#"{"message":"m","code":7}"#, "m", Some("7")),
            (r#"{"detail":"m"}"#, "m", None),
            (r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#, "m", Some("400")),
            ("<html>Bad gateway</html>", "", None),
            ("", "", None),
            ("[]", "", None),
        ] {
            let error = ProviderError::parse(400, body.as_bytes());
            assert_eq!((error.message.as_str(), error.code.as_deref()), (message, code), "{body}");
        }
    }
}
