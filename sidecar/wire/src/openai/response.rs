//! What a complete answer says: who answered, why it ended, what it used.

use std::borrow::Cow;

use bytes::Bytes;
use pointsman_config::money::Nano;

use super::usage::{self, Found, Reported};
use crate::body::{Spliced, Splicer};
use crate::json::{Cursor, Kind, Span, SyntaxError, Text, text_of};

/// A complete chat completion, its body untouched beside what was read from it.
///
/// The choices are most of a body and are read only when somebody asks: the parse skips them, checking their grammar.
#[derive(Clone, Debug)]
pub struct ChatResponse {
    body: Bytes,
    id: Option<Text>,
    model: Option<Text>,
    choices: Span,
    /// What the provider says was used.
    pub usage: Reported,
    found: Found,
}

impl ChatResponse {
    /// Reads a response body. A body that is not a JSON object is not an answer.
    pub fn parse(body: &Bytes) -> Result<ChatResponse, SyntaxError> {
        let mut cursor = Cursor::new(text_of(body)?);
        let mut response = ChatResponse {
            body: body.clone(),
            id: None,
            model: None,
            choices: Span::default(),
            usage: Reported::Missing,
            found: Found::default(),
        };
        response.members(&mut cursor)?;
        cursor.end()?;
        Ok(response)
    }

    /// Returns the id that the provider gave the answer.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.id.map(|id| id.decode(&self.body))
    }

    /// Returns the model that says it answered.
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.model.map(|model| model.decode(&self.body))
    }

    /// Returns why the first choice that says so ended.
    pub fn finish_reason(&self) -> Option<Cow<'_, str>> {
        let reason = self.choices().into_iter().find_map(|choice| choice.finish_reason)?;
        Some(reason.decode(self.choices_text()))
    }

    /// Counts the characters of all answers, reasoning and tool calls included: for the estimate where usage is not
    /// known.
    pub fn output_characters(&self) -> u64 {
        self.choices().iter().map(|choice| choice.output.characters).sum()
    }

    /// Writes the cost into the usage object; the body as it was where there is none.
    pub fn annotate_cost(&self, cost: Nano) -> Spliced {
        let mut splicer = Splicer::default();
        if self.found.is_object() {
            self.found.write_cost(&mut splicer, 0, cost);
        }
        splicer.apply(&self.body)
    }

    fn members(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        let mut members = cursor.members()?;
        while let Some(key) = members.next(cursor)? {
            match &*key {
                "id" => self.id = string(cursor)?,
                "model" => self.model = string(cursor)?,
                "choices" => self.choices = cursor.skip()?,
                "usage" => {
                    self.found = usage::read(cursor)?;
                    self.usage = self.found.reported;
                }
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }

    fn choices_text(&self) -> &str {
        std::str::from_utf8(&self.body[self.choices.range()]).unwrap_or_default()
    }

    /// The grammar has been checked: what ends the reading early is that `choices` is missing or no array.
    fn choices(&self) -> Vec<Choice> {
        let mut choices = Vec::new();
        let _ = read_choices(&mut Cursor::new(self.choices_text()), &mut choices);
        choices
    }
}

fn read_choices(cursor: &mut Cursor<'_>, choices: &mut Vec<Choice>) -> Result<(), SyntaxError> {
    let mut items = cursor.items()?;
    while items.next(cursor)? {
        choices.push(Choice::read(cursor)?);
    }
    Ok(())
}

/// One entry of `choices`, in an answer (`message`) or a chunk of one (`delta`).
#[derive(Default)]
pub(super) struct Choice {
    pub(super) index: u32,
    pub(super) finish_reason: Option<Text>,
    pub(super) output: Output,
}

/// Model output in a message or a delta.
#[derive(Default)]
pub(super) struct Output {
    /// Is there any: content, refusal, reasoning, tool call or audio?
    pub(super) any: bool,
    pub(super) characters: u64,
}

impl Choice {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Choice, SyntaxError> {
        let mut choice = Choice::default();
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| choice);
        }
        let mut members = cursor.members()?;
        while let Some(key) = members.next(cursor)? {
            match &*key {
                "index" => {
                    let span = cursor.skip()?;
                    choice.index = cursor.text()[span.range()].parse().unwrap_or(0);
                }
                "finish_reason" => choice.finish_reason = string(cursor)?.filter(|reason| !reason.is_empty()),
                "message" | "delta" => choice.output.read(cursor)?,
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(choice)
    }
}

impl Output {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| ());
        }
        let mut members = cursor.members()?;
        while let Some(key) = members.next(cursor)? {
            match &*key {
                "content" | "refusal" | "reasoning" | "reasoning_content" => self.text(cursor)?,
                "tool_calls" => self.calls(cursor)?,
                "function_call" => self.call(cursor)?,
                "audio" => {
                    self.any |= cursor.kind()? == Kind::Object;
                    cursor.skip()?;
                }
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }

    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        let Some(text) = string(cursor)? else { return Ok(()) };
        self.any |= !text.is_empty();
        self.characters += text.characters(cursor.text());
        Ok(())
    }

    fn calls(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| ());
        }
        let mut items = cursor.items()?;
        while items.next(cursor)? {
            if cursor.kind()? != Kind::Object {
                cursor.skip()?;
                continue;
            }
            self.any = true;
            let mut members = cursor.members()?;
            while let Some(key) = members.next(cursor)? {
                match &*key {
                    "function" => self.call(cursor)?,
                    _ => {
                        cursor.skip()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(|_| ());
        }
        self.any = true;
        let mut members = cursor.members()?;
        while let Some(key) = members.next(cursor)? {
            match &*key {
                "name" | "arguments" => self.text(cursor)?,
                _ => {
                    cursor.skip()?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a string; anything else is skipped.
pub(super) fn string(cursor: &mut Cursor<'_>) -> Result<Option<Text>, SyntaxError> {
    if cursor.kind()? == Kind::String {
        return cursor.string().map(Some);
    }
    cursor.skip().map(|_| None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pointsman_config::usage::Usage;

    use super::*;

    fn parse(body: &str) -> ChatResponse {
        ChatResponse::parse(&Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    #[test]
    fn reads_model_finish_usage_and_length() {
        let response = parse(
            r#"{"id":"x","model":"gpt-5","choices":[{"index":0,"message":{"role":"assistant","content":"h\u00e9 🚂\n",
            "tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"},{"finish_reason":"length"}],
            "usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
        );
        assert_eq!(response.model().as_deref(), Some("gpt-5"));
        assert_eq!(response.finish_reason().as_deref(), Some("stop"));
        assert_eq!(response.output_characters(), 5 + 1 + 2);
        assert_eq!(response.usage, Reported::Known(Usage { input: 3, output: 2, ..Usage::default() }));
    }

    #[test]
    fn cost_goes_into_the_usage_object_and_nothing_else_moves() {
        for (body, expected) in [
            (r#"{"usage":{"prompt_tokens":3}}"#, r#"{"usage":{"cost":0.000212,"prompt_tokens":3}}"#),
            (r#"{ "usage" : { } , "x":1}"#, r#"{ "usage" : {"cost":0.000212 } , "x":1}"#),
            (r#"{"usage":{"cost": 7e-3, "a":{}}}"#, r#"{"usage":{"cost": 0.000212, "a":{}}}"#),
            (r#"{"usage":null}"#, r#"{"usage":null}"#),
            (r#"{"choices":[]}"#, r#"{"choices":[]}"#),
        ] {
            assert_eq!(parse(body).annotate_cost(Nano(212_000)).into_bytes(), expected);
        }
    }

    #[test]
    fn what_is_no_object_is_no_answer() {
        for body in ["", "[]", "null", "{\"a\":1", "<html>", "{} {}"] {
            assert!(ChatResponse::parse(&Bytes::from_static(body.as_bytes())).is_err(), "{body}");
        }
    }
}
