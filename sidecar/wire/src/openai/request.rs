//! What a chat completion request asks for: one scan of the body, facts out, spans kept for the edits.
//!
//! The request is not judged as a provider would judge it. Only what we act on must be well-formed, once, and
//! readable in one way only; everything else passes through.

mod error;
mod metadata;
mod scan;
mod splice;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

pub use self::error::RequestError;
pub use self::splice::{Edits, MaxTokensField};
use crate::estimate::tokens_of_bytes;
use crate::json::{Span, Text};

/// Tokens that a chat template may add around each message.
const TOKENS_PER_MESSAGE: u64 = 16;
/// Tokens that a chat template may add around the whole conversation.
const TOKENS_PER_REQUEST: u64 = 64;
/// The dearest image in OpenAI's published tables: 2833 + 8 tiles x 5667 tokens (gpt-4o-mini, high detail).
const TOKENS_PER_IMAGE_AT_MOST: u64 = 50_000;
/// A picture of 1024 x 1024 at high detail: 85 + 4 tiles x 170 tokens.
const TOKENS_PER_IMAGE: u64 = 765;

/// A chat completion request, its body untouched beside what was read from it.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    body: Bytes,
    fields: Fields,
}

#[derive(Clone, Debug, Default)]
struct Fields {
    /// Where the first member stands: new members go before it.
    first_member: u32,
    model: Text,
    model_value: Span,
    stream: bool,
    stream_options: StreamOptions,
    max_tokens: Limit,
    max_completion_tokens: Limit,
    choices: Option<u32>,
    user: Option<Text>,
    has_tools: bool,
    json_schema: bool,
    reasoning: bool,
    /// Bytes of tools, tool calls and schemas: they reach the model, but are nobody's text.
    schema_bytes: u64,
    /// Of each message.
    roles: SmallVec<[Text; 8]>,
    images: u32,
    image_bytes: u64,
    is_unbounded: bool,
    texts: SmallVec<[MessageText; 8]>,
    text_bytes: u64,
}

impl Fields {
    fn message_count(&self) -> u32 {
        self.roles.len() as u32
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct StreamOptions {
    /// The whole value, `null` included.
    value: Option<Span>,
    is_object: bool,
    is_empty: bool,
    /// The value of `include_usage`, `null` included.
    include_usage_value: Option<Span>,
    include_usage: bool,
}

/// A token limit: where its key and its value stand (`null` included), and the number.
#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    key: Span,
    value: Option<Span>,
    tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct MessageText {
    message: u32,
    from_user: bool,
    text: Text,
}

impl ChatRequest {
    /// Reads a request body. The error says which field is wrong and what would be right.
    pub fn parse(body: &Bytes) -> Result<ChatRequest, RequestError> {
        Ok(ChatRequest { body: body.clone(), fields: scan::scan(body)? })
    }

    /// Returns the body as the caller sent it.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the model that the caller named.
    pub fn model(&self) -> Cow<'_, str> {
        self.fields.model.decode(&self.body)
    }

    /// Does the caller want a stream?
    pub fn stream(&self) -> bool {
        self.fields.stream
    }

    /// Did the caller ask for the usage chunk at the end of a stream?
    pub fn include_usage(&self) -> bool {
        self.fields.stream_options.include_usage
    }

    /// Returns the caller's limit on output tokens, the higher one where both spellings are used: nobody knows which of
    /// them a provider obeys, and what is reserved must hold either way.
    pub fn max_output_tokens(&self) -> Option<u64> {
        let limits = [self.fields.max_tokens.tokens, self.fields.max_completion_tokens.tokens];
        limits.into_iter().flatten().max()
    }

    /// Returns how many answers the caller wants (`n`): each of them has its own output.
    pub fn choices(&self) -> u32 {
        self.fields.choices.unwrap_or(1)
    }

    /// Returns the `user` that the application asserts.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.fields.user.map(|user| user.decode(&self.body))
    }

    /// Does the request offer tools (or their ancestor, functions)?
    pub fn has_tools(&self) -> bool {
        self.fields.has_tools
    }

    /// Does any message hold an image?
    pub fn has_images(&self) -> bool {
        self.fields.images > 0
    }

    /// Must the answer follow a JSON schema?
    pub fn wants_json_schema(&self) -> bool {
        self.fields.json_schema
    }

    /// Does the caller set how long to think (`reasoning_effort` other than `none` and `minimal`)?
    pub fn wants_reasoning(&self) -> bool {
        self.fields.reasoning
    }

    pub fn message_count(&self) -> u32 {
        self.fields.message_count()
    }

    /// Returns the length of all messages' text, decoded, in bytes.
    pub fn prompt_bytes(&self) -> u64 {
        self.fields.text_bytes
    }

    /// Guesses the input tokens: a quarter of the bytes of text, tools and schemas, 4 per message, 765 per image,
    /// 3 for the start of the answer; never above [`ChatRequest::input_tokens_bound`].
    pub fn input_tokens_estimate(&self) -> u64 {
        let fields = &self.fields;
        let text = tokens_of_bytes(fields.text_bytes + fields.schema_bytes);
        let around = 3 + 4 * u64::from(fields.message_count()) + TOKENS_PER_IMAGE * u64::from(fields.images);
        (text + around).min(self.input_tokens_bound())
    }

    /// Returns a number of input tokens that no tokenizer exceeds: one per byte of the body outside images (byte-level
    /// BPE emits at most one token per byte, and escapes only make the body longer), 16 per message, 64 per request,
    /// 50 000 per image. It holds only where [`ChatRequest::is_bounded`].
    pub fn input_tokens_bound(&self) -> u64 {
        let fields = &self.fields;
        (self.body.len() as u64 - fields.image_bytes)
            + TOKENS_PER_MESSAGE * u64::from(fields.message_count())
            + TOKENS_PER_IMAGE_AT_MOST * u64::from(fields.images)
            + TOKENS_PER_REQUEST
    }

    /// Do the body's size, the caps and the listed prices bound what the call costs? Not so where the request names a
    /// file or a recording that is kept elsewhere, lets the provider search the web, or asks for what is billed otherwise:
    /// a faster service tier, spoken answers, a predicted answer (what is not used of it is billed as output).
    pub fn is_bounded(&self) -> bool {
        !self.fields.is_unbounded
    }
}
