//! How does OpenAI's chat API say it? Requests read, answers, chunks and errors written.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;

/// The part of a chat request that a simulated provider acts on.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatCall {
    pub(crate) model: String,
    messages: Vec<Message>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl ChatCall {
    /// Parses a request body; the error is fit for the caller.
    pub(crate) fn parse(body: &[u8]) -> Result<ChatCall, String> {
        let call: ChatCall =
            serde_json::from_slice(body).map_err(|error| format!("could not parse the body: {error}"))?;
        if call.messages.is_empty() {
            return Err("messages is empty: send at least one message".to_owned());
        }
        if call.output_limit() == Some(0) {
            return Err("max_tokens is 0: ask for at least one token".to_owned());
        }
        Ok(call)
    }

    /// The smaller of the two spellings of the limit, if the caller gave any.
    pub(crate) fn output_limit(&self) -> Option<u64> {
        self.max_tokens.into_iter().chain(self.max_completion_tokens).min()
    }

    pub(crate) fn wants_usage_chunk(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true)
    }

    /// The text of the last user message (its first text part), by which outcomes are found.
    pub(crate) fn last_user_text(&self) -> &str {
        let last = self.messages.iter().rev().find(|message| message.role == "user");
        last.and_then(|message| message.texts().next()).unwrap_or_default()
    }

    /// A prompt without a record is billed one token per four bytes of its text, at least one.
    pub(crate) fn estimated_tokens(&self) -> u64 {
        let bytes: usize = self.messages.iter().flat_map(Message::texts).map(str::len).sum();
        (bytes as u64).div_ceil(4).max(1)
    }
}

impl Message {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let (whole, parts) = match &self.content {
            None => (None, &[][..]),
            Some(Content::Text(text)) => (Some(text.as_str()), &[][..]),
            Some(Content::Parts(parts)) => (None, parts.as_slice()),
        };
        whole.into_iter().chain(parts.iter().filter_map(|part| part.text.as_deref()))
    }
}

/// What every chunk and answer of one call repeats.
#[derive(Debug, Clone)]
pub(crate) struct Heading {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) created: u64,
}

impl Heading {
    /// A whole answer.
    pub(crate) fn completion(&self, answer: &Answer) -> Value {
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": answer.text(0, answer.output_tokens), "refusal": null},
                "logprobs": null,
                "finish_reason": answer.finish_reason(),
            }],
            "usage": usage(answer),
            "system_fingerprint": "simulated",
        })
    }

    /// One chunk with a delta; `usage` is null there for callers that asked for the usage chunk.
    pub(crate) fn chunk(&self, delta: Value, finish_reason: Option<&str>, usage_asked: bool) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        let mut chunk = self.bare_chunk(json!([choice]));
        if usage_asked {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The chunk after the last delta, for callers that asked for it.
    pub(crate) fn usage_chunk(&self, answer: &Answer) -> Value {
        let mut chunk = self.bare_chunk(json!([]));
        chunk["usage"] = usage(answer);
        chunk
    }

    fn bare_chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model,
            "choices": choices, "system_fingerprint": "simulated",
        })
    }
}

/// An error body.
pub(crate) fn error(message: &str, kind: &str, code: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// The list of models.
pub(crate) fn models<'a>(owner: &str, names: impl Iterator<Item = &'a str>) -> Value {
    let rows: Vec<Value> =
        names.map(|id| json!({"id": id, "object": "model", "created": 0, "owned_by": owner})).collect();
    json!({"object": "list", "data": rows})
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(body: Value) -> Result<ChatCall, String> {
        ChatCall::parse(body.to_string().as_bytes())
    }

    #[test]
    fn the_last_user_message_counts_in_either_shape() {
        let user = |content: Value| json!({"role": "user", "content": content});
        for (messages, expected) in [
            (json!([user(json!("a")), user(json!("b")), {"role": "assistant", "content": "c"}]), "b"),
            (json!([user(json!([{"type": "image_url"}, {"type": "text", "text": "d"}]))]), "d"),
            (json!([{"role": "system", "content": "s"}]), ""),
            (json!([{"role": "assistant", "content": null}]), ""),
        ] {
            let call = parse(json!({"model": "m", "messages": messages})).unwrap();
            assert_eq!(call.last_user_text(), expected);
        }
    }

    #[test]
    fn the_smaller_limit_wins() {
        for (old, new, expected) in [
            (None, None, None),
            (Some(5), None, Some(5)),
            (None, Some(6), Some(6)),
            (Some(5), Some(4), Some(4)),
        ] {
            let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
                              "max_tokens": old, "max_completion_tokens": new});
            assert_eq!(parse(body).unwrap().output_limit(), expected);
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        assert!(ChatCall::parse(b"{").unwrap_err().contains("parse"));
        assert!(parse(json!({"model": "m", "messages": []})).unwrap_err().contains("messages"));
        let none = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0});
        assert!(parse(none).unwrap_err().contains("max_tokens"));
    }
}
