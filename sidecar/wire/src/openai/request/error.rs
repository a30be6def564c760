//! Why a request cannot be read, in words for its author.

use std::borrow::Cow;

use crate::json::SyntaxError;

/// A request that is its caller's to mend: HTTP 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("the request body is not valid JSON: {0}; send one JSON object")]
    Malformed(#[from] SyntaxError),
    #[error("the request body must be a JSON object with `model` and `messages`")]
    NotAnObject,
    #[error("`{field}` is missing; {remedy}")]
    Missing { field: Cow<'static, str>, remedy: &'static str },
    #[error("`{field}` has the wrong type; send {expected}")]
    WrongType { field: Cow<'static, str>, expected: &'static str },
    #[error("`{field}` is out of range; send {expected}")]
    OutOfRange { field: Cow<'static, str>, expected: &'static str },
    #[error("`{field}` appears more than once; send it once")]
    Duplicate { field: Cow<'static, str> },
}

impl RequestError {
    /// Names the field at fault: `error.param` in the answer.
    pub fn param(&self) -> Option<&str> {
        match self {
            RequestError::Malformed(_) | RequestError::NotAnObject => None,
            RequestError::Missing { field, .. }
            | RequestError::WrongType { field, .. }
            | RequestError::OutOfRange { field, .. }
            | RequestError::Duplicate { field } => Some(field),
        }
    }

    /// Names the kind of fault: `error.code` in the answer, as OpenAI spells it where it has the case.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::Malformed(_) => "invalid_json",
            RequestError::NotAnObject | RequestError::WrongType { .. } => "invalid_type",
            RequestError::Missing { .. } => "missing_required_parameter",
            RequestError::OutOfRange { .. } => "invalid_value",
            RequestError::Duplicate { .. } => "duplicate_parameter",
        }
    }
}
