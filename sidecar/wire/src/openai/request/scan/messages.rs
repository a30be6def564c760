//! The messages: their text is kept as spans, everything else is only counted.

use super::{Field, Result, Scan, Seen};
use crate::json::{Kind, Text};
use crate::openai::request::{MessageText, RequestError};

impl Scan<'_> {
    pub(super) fn messages(&mut self) -> Result<()> {
        let expected = "an array with at least one message";
        if self.cursor.kind()? != Kind::Array {
            return Err(RequestError::WrongType { field: "messages".into(), expected });
        }
        let mut items = self.cursor.items()?;
        while items.next(&mut self.cursor)? {
            self.message(self.fields.message_count())?;
        }
        if self.fields.roles.is_empty() {
            return Err(RequestError::OutOfRange { field: "messages".into(), expected });
        }
        Ok(())
    }

    fn message(&mut self, index: u32) -> Result<()> {
        if self.cursor.kind()? != Kind::Object {
            return Err(wrong_type(index, "", "an object with `role` and `content`"));
        }
        let first_text = self.fields.texts.len();
        let Some(role) = self.message_members(index)? else {
            let remedy = "name who speaks, for instance \"user\"";
            return Err(RequestError::Missing { field: field_of(index, ".role"), remedy });
        };
        let from_user = role.is(self.cursor.text(), "user");
        self.fields.texts[first_text..].iter_mut().for_each(|text| text.from_user = from_user);
        self.fields.roles.push(role);
        Ok(())
    }

    /// Reads a message and returns its role.
    fn message_members(&mut self, index: u32) -> Result<Option<Text>> {
        let mut seen = Seen::default();
        let mut role = None;
        let mut members = self.cursor.members()?;
        while let Some(key) = members.next(&mut self.cursor)? {
            match &*key {
                "role" => {
                    seen.once(0, || field_of(index, ".role"))?;
                    role = self.string_or_null(|| field_of(index, ".role"))?;
                }
                "content" => {
                    seen.once(1, || field_of(index, ".content"))?;
                    self.content(index)?;
                }
                "tool_calls" | "function_call" => {
                    self.fields.schema_bytes += self.cursor.skip()?.len() as u64
                }
                // An earlier spoken answer, by its id.
                "audio" => self.unbounded()?,
                _ => drop(self.cursor.skip()?),
            }
        }
        Ok(role)
    }

    fn content(&mut self, message: u32) -> Result<()> {
        match self.cursor.kind()? {
            Kind::Null => drop(self.cursor.skip()?),
            Kind::String => self.keep(message)?,
            Kind::Array => self.parts(message)?,
            Kind::Object | Kind::Number | Kind::Bool => {
                return Err(wrong_type(message, ".content", "a string or an array of parts"));
            }
        }
        Ok(())
    }

    fn parts(&mut self, message: u32) -> Result<()> {
        let mut items = self.cursor.items()?;
        while items.next(&mut self.cursor)? {
            match self.cursor.kind()? {
                Kind::Object => self.part(message)?,
                Kind::String => self.keep(message)?,
                Kind::Array | Kind::Number | Kind::Bool | Kind::Null => {
                    return Err(wrong_type(message, ".content", "parts that are objects with a `type`"));
                }
            }
        }
        Ok(())
    }

    fn part(&mut self, message: u32) -> Result<()> {
        let start = self.cursor.position();
        match self.part_members(message)? {
            Part::Text => {}
            Part::Foreign => self.fields.is_unbounded = true,
            Part::Image => {
                self.fields.images += 1;
                self.fields.image_bytes += self.cursor.span_since(start).len() as u64;
            }
        }
        Ok(())
    }

    fn part_members(&mut self, message: u32) -> Result<Part> {
        let mut seen = Seen::default();
        let mut named = Part::Foreign;
        let mut image = false;
        let mut members = self.cursor.members()?;
        while let Some(key) = members.next(&mut self.cursor)? {
            match &*key {
                "type" => {
                    seen.once(0, || field_of(message, ".content[].type"))?;
                    let name = self.string_or_null(|| field_of(message, ".content[].type"))?;
                    named = name.map_or(Part::Foreign, |name| Part::named(&name.decode(self.cursor.text())));
                }
                "text" | "refusal" if self.cursor.kind()? == Kind::String => {
                    seen.once(1, || field_of(message, ".content[].text"))?;
                    self.keep(message)?;
                }
                key => {
                    image |= key == "image_url";
                    self.cursor.skip()?;
                }
            }
        }
        Ok(if image { Part::Image } else { named })
    }

    /// Keeps the string that comes next as text of a message.
    fn keep(&mut self, message: u32) -> Result<()> {
        let text = self.cursor.string()?;
        self.fields.text_bytes += u64::from(text.decoded_len);
        self.fields.texts.push(MessageText { message, from_user: false, text });
        Ok(())
    }
}

/// What a part of a message costs.
enum Part {
    /// At most its bytes.
    Text,
    Image,
    /// Unknown: it may name a file kept elsewhere.
    Foreign,
}

impl Part {
    fn named(name: &str) -> Part {
        match name {
            "text" | "input_text" | "refusal" | "input_audio" => Part::Text,
            "image_url" | "input_image" => Part::Image,
            _ => Part::Foreign,
        }
    }
}

fn wrong_type(message: u32, rest: &str, expected: &'static str) -> RequestError {
    RequestError::WrongType { field: field_of(message, rest), expected }
}

fn field_of(message: u32, rest: &str) -> Field {
    format!("messages[{message}]{rest}").into()
}
