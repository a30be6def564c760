//! The scan: from the body to [`Fields`], in one pass. Here the members of the request itself.

mod messages;

use std::borrow::Cow;

use bytes::Bytes;

use super::{Fields, Limit, RequestError, StreamOptions};
use crate::json::{Cursor, Kind, Span, Text, text_of};

type Result<T> = std::result::Result<T, RequestError>;
type Field = Cow<'static, str>;

pub(super) fn scan(body: &Bytes) -> Result<Fields> {
    let mut cursor = Cursor::new(text_of(body)?);
    if cursor.kind()? != Kind::Object {
        cursor.skip()?;
        cursor.end()?;
        return Err(RequestError::NotAnObject);
    }
    let mut scan = Scan { cursor, fields: Fields::default(), seen: Seen::default() };
    scan.request()?;
    scan.cursor.end()?;
    scan.require()?;
    Ok(scan.fields)
}

struct Scan<'a> {
    cursor: Cursor<'a>,
    fields: Fields,
    seen: Seen,
}

/// Which of the keys that we act on have been seen in one object.
#[derive(Default)]
struct Seen(u32);

impl Seen {
    /// Two values for one key would let a policy read the one and a provider obey the other.
    fn once(&mut self, bit: u32, field: impl FnOnce() -> Field) -> Result<()> {
        if self.0 & 1 << bit != 0 {
            return Err(RequestError::Duplicate { field: field() });
        }
        self.0 |= 1 << bit;
        Ok(())
    }
}

/// The top-level keys that we act on, each with its bit in [`Seen`].
fn known(key: &str) -> Option<(u32, &'static str)> {
    Some(match key {
        "model" => (0, "model"),
        "messages" => (MESSAGES, "messages"),
        "stream" => (2, "stream"),
        "stream_options" => (3, "stream_options"),
        "max_tokens" => (4, "max_tokens"),
        "max_completion_tokens" => (5, "max_completion_tokens"),
        "n" => (6, "n"),
        "user" => (7, "user"),
        "tools" => (8, "tools"),
        "functions" => (9, "functions"),
        "response_format" => (10, "response_format"),
        "web_search_options" => (11, "web_search_options"),
        "prediction" => (12, "prediction"),
        "audio" => (13, "audio"),
        "service_tier" => (14, "service_tier"),
        "reasoning_effort" => (15, "reasoning_effort"),
        _ => return None,
    })
}

const MESSAGES: u32 = 1;

impl Scan<'_> {
    fn request(&mut self) -> Result<()> {
        let mut members = self.cursor.members()?;
        self.fields.first_member = self.cursor.position();
        while let Some(key) = members.next(&mut self.cursor)? {
            let Some((bit, name)) = known(&key) else {
                self.cursor.skip()?;
                continue;
            };
            self.seen.once(bit, || name.into())?;
            self.member(name)?;
        }
        Ok(())
    }

    fn member(&mut self, name: &'static str) -> Result<()> {
        match name {
            "model" => self.model(),
            "messages" => self.messages(),
            "stream" => self.boolean(|| name.into()).map(|value| self.fields.stream = value == Some(true)),
            "stream_options" => self.stream_options(),
            "max_tokens" => self.limit(name).map(|limit| self.fields.max_tokens = limit),
            "max_completion_tokens" => {
                self.limit(name).map(|limit| self.fields.max_completion_tokens = limit)
            }
            "n" => self.choices(),
            "user" => self.string_or_null(|| name.into()).map(|user| self.fields.user = user),
            "response_format" => self.response_format(),
            "web_search_options" | "prediction" | "audio" => self.unbounded(),
            "service_tier" => self.service_tier(),
            "reasoning_effort" => self.reasoning_effort(),
            _ => self.tools(name),
        }
    }

    fn require(&self) -> Result<()> {
        if self.fields.model_value.is_empty() {
            return Err(missing("model", "name a model, for instance \"auto\""));
        }
        if self.seen.0 & 1 << MESSAGES == 0 {
            return Err(missing("messages", "send an array with at least one message"));
        }
        Ok(())
    }

    fn model(&mut self) -> Result<()> {
        let expected = "the name of a model as a string, for instance \"auto\"";
        if self.cursor.kind()? != Kind::String {
            return Err(RequestError::WrongType { field: "model".into(), expected });
        }
        let model = self.cursor.string()?;
        if model.is_empty() {
            return Err(RequestError::OutOfRange { field: "model".into(), expected });
        }
        self.fields.model = model;
        self.fields.model_value = model.with_quotes();
        Ok(())
    }

    fn stream_options(&mut self) -> Result<()> {
        let kind = self.object_or_null(|| "stream_options".into())?;
        let start = self.cursor.position();
        let mut options =
            StreamOptions { is_object: kind == Kind::Object, is_empty: true, ..Default::default() };
        if options.is_object {
            self.stream_option_members(&mut options)?;
        } else {
            self.cursor.skip()?;
        }
        options.value = Some(self.cursor.span_since(start));
        self.fields.stream_options = options;
        Ok(())
    }

    fn stream_option_members(&mut self, options: &mut StreamOptions) -> Result<()> {
        const FIELD: &str = "stream_options.include_usage";
        let mut seen = Seen::default();
        let mut members = self.cursor.members()?;
        while let Some(key) = members.next(&mut self.cursor)? {
            options.is_empty = false;
            if key != "include_usage" {
                self.cursor.skip()?;
                continue;
            }
            seen.once(0, || FIELD.into())?;
            self.cursor.kind()?;
            let start = self.cursor.position();
            options.include_usage = self.boolean(|| FIELD.into())? == Some(true);
            options.include_usage_value = Some(self.cursor.span_since(start));
        }
        Ok(())
    }

    fn limit(&mut self, name: &'static str) -> Result<Limit> {
        let key = self.cursor.key_span();
        let kind = self.cursor.kind()?;
        let span = self.cursor.skip()?;
        let expected = "a whole number of tokens, 1 or more";
        let tokens = match kind {
            Kind::Null => None,
            Kind::Number => Some(self.positive(span, name, expected)?),
            _ => return Err(RequestError::WrongType { field: name.into(), expected }),
        };
        Ok(Limit { key, value: Some(span), tokens })
    }

    fn choices(&mut self) -> Result<()> {
        let kind = self.cursor.kind()?;
        let span = self.cursor.skip()?;
        let expected = "a whole number from 1 to 128";
        self.fields.choices = match kind {
            Kind::Null => None,
            Kind::Number => match self.positive(span, "n", expected)? {
                n @ 1..=128 => Some(n as u32),
                _ => return Err(RequestError::OutOfRange { field: "n".into(), expected }),
            },
            _ => return Err(RequestError::WrongType { field: "n".into(), expected }),
        };
        Ok(())
    }

    /// Reads a number that must be whole and positive.
    fn positive(&self, span: Span, name: &'static str, expected: &'static str) -> Result<u64> {
        let digits = &self.cursor.text()[span.range()];
        if digits.contains(['.', 'e', 'E']) {
            return Err(RequestError::WrongType { field: name.into(), expected });
        }
        match digits.parse() {
            Ok(0) | Err(_) => Err(RequestError::OutOfRange { field: name.into(), expected }),
            Ok(number) => Ok(number),
        }
    }

    /// Skips a value which, unless it is null, brings in tokens that nobody can count here, or at prices that nobody
    /// lists.
    fn unbounded(&mut self) -> Result<()> {
        self.fields.is_unbounded |= self.cursor.kind()? != Kind::Null;
        self.cursor.skip().map(drop).map_err(Into::into)
    }

    /// Listed are the prices of the usual tier; `flex` costs less.
    fn service_tier(&mut self) -> Result<()> {
        let tier = self.string_or_null(|| "service_tier".into())?;
        let is_listed =
            |tier: Text| ["auto", "default", "flex"].iter().any(|listed| tier.is(self.cursor.text(), listed));
        self.fields.is_unbounded |= !tier.is_none_or(is_listed);
        Ok(())
    }

    fn reasoning_effort(&mut self) -> Result<()> {
        let effort = self.string_or_null(|| "reasoning_effort".into())?;
        let is_none =
            |effort: Text| ["none", "minimal"].iter().any(|none| effort.is(self.cursor.text(), none));
        self.fields.reasoning = !effort.is_none_or(is_none);
        Ok(())
    }

    fn tools(&mut self, name: &'static str) -> Result<()> {
        let kind = self.cursor.kind()?;
        let span = self.cursor.skip()?;
        match kind {
            Kind::Null => Ok(()),
            Kind::Array => {
                let inside = &self.cursor.text()[span.start() + 1..span.end() - 1];
                self.fields.has_tools |= !inside.trim_ascii().is_empty();
                self.fields.schema_bytes += span.len() as u64;
                Ok(())
            }
            _ => Err(RequestError::WrongType { field: name.into(), expected: "an array of tools" }),
        }
    }

    fn response_format(&mut self) -> Result<()> {
        if self.object_or_null(|| "response_format".into())? == Kind::Null {
            return self.cursor.skip().map(|_| ()).map_err(Into::into);
        }
        let start = self.cursor.position();
        let mut seen = Seen::default();
        let mut members = self.cursor.members()?;
        while let Some(key) = members.next(&mut self.cursor)? {
            if key != "type" {
                self.cursor.skip()?;
                continue;
            }
            seen.once(0, || "response_format.type".into())?;
            let name = self.string_or_null(|| "response_format.type".into())?;
            self.fields.json_schema = name.is_some_and(|name| name.is(self.cursor.text(), "json_schema"));
        }
        if self.fields.json_schema {
            self.fields.schema_bytes += self.cursor.span_since(start).len() as u64;
        }
        Ok(())
    }

    fn boolean(&mut self, field: impl FnOnce() -> Field) -> Result<Option<bool>> {
        match self.cursor.kind()? {
            Kind::Bool => Ok(Some(self.cursor.boolean()?)),
            Kind::Null => self.cursor.skip().map(|_| None).map_err(Into::into),
            _ => Err(RequestError::WrongType { field: field(), expected: "true or false" }),
        }
    }

    fn string_or_null(&mut self, field: impl FnOnce() -> Field) -> Result<Option<Text>> {
        match self.cursor.kind()? {
            Kind::String => Ok(Some(self.cursor.string()?)),
            Kind::Null => self.cursor.skip().map(|_| None).map_err(Into::into),
            _ => Err(RequestError::WrongType { field: field(), expected: "a string" }),
        }
    }

    fn object_or_null(&mut self, field: impl FnOnce() -> Field) -> Result<Kind> {
        match self.cursor.kind()? {
            kind @ (Kind::Object | Kind::Null) => Ok(kind),
            _ => Err(RequestError::WrongType { field: field(), expected: "an object" }),
        }
    }
}

fn missing(field: &'static str, remedy: &'static str) -> RequestError {
    RequestError::Missing { field: field.into(), remedy }
}
