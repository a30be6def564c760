//! What is known of one request before anything is decided.

use std::borrow::Cow;

use pointsman_config::policy::TextScope;
use pointsman_config::provider::Capabilities;

/// Gives the text of a request, decoded only when a rule asks for it.
pub trait Text {
    /// The text of one part of the request.
    fn text(&self, scope: TextScope) -> Cow<'_, str>;
}

/// What is known of one request.
pub struct Facts<'a> {
    /// The model that the caller asked for, decoded.
    pub model: &'a str,
    /// Estimated input tokens: what cost and rules go by.
    pub input_tokens: u64,
    /// A true upper bound of the input tokens: what is reserved.
    pub input_tokens_bound: u64,
    /// Whether that bound and the listed prices hold: not when the request draws on what is kept elsewhere, or asks for
    /// what is billed otherwise.
    pub input_is_bounded: bool,
    /// The caller's cap on output tokens.
    pub max_output_tokens: Option<u64>,
    /// How many answers the caller wants; each may use the whole cap.
    pub answers: u32,
    /// What the model must be able to do.
    pub needs: Capabilities,
    /// The text.
    pub text: &'a dyn Text,
    /// What else the caller says.
    pub caller: &'a dyn Caller,
}

/// What a caller says beside the text, looked up only when a rule asks for it.
pub trait Caller {
    /// The value of a header, by its name in lower case.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The value of an entry of the request's `metadata`.
    fn metadata(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The user that the request names.
    fn user(&self) -> Option<Cow<'_, str>>;
}

/// A caller who says nothing.
pub struct Nobody;

impl Caller for Nobody {
    fn header(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn metadata(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn user(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// A text that is one string: prompts of `explain`, and tests.
pub struct Prompt<'a>(pub &'a str);

impl Text for Prompt<'_> {
    fn text(&self, _: TextScope) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}
