//! What one event says.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Head;
use crate::json::{Cursor, Kind, SyntaxError, text_of};
use crate::openai::response::{Choice, string};
use crate::openai::usage::{self, Found};

/// The `data` of an event.
pub(super) struct Payload<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where it starts in the event, if it stands on one line.
    pub(super) offset: Option<usize>,
}

impl<'a> Payload<'a> {
    /// Collects the `data` lines of an event; `None` for comments and pings.
    pub(super) fn of(event: &'a [u8]) -> Option<Payload<'a>> {
        let mut payload: Option<Payload<'a>> = None;
        let mut offset = 0;
        for line in event.split_inclusive(|&byte| byte == b'\n') {
            if let Some((skipped, data)) = data_of(line) {
                match &mut payload {
                    None => payload = Some(Payload { bytes: data.into(), offset: Some(offset + skipped) }),
                    Some(payload) => payload.append(data),
                }
            }
            offset += line.len();
        }
        payload
    }

    pub(super) fn is_done(&self) -> bool {
        self.bytes.trim_ascii() == b"[DONE]"
    }

    /// Is it an event, or the beginning of one that was cut off?
    pub(super) fn is_whole(&self) -> bool {
        self.is_done() || Chunk::parse(self, false).is_ok()
    }

    fn append(&mut self, data: &[u8]) {
        let bytes = self.bytes.to_mut();
        bytes.push(b'\n');
        bytes.extend_from_slice(data);
        self.offset = None;
    }
}

/// Returns the value of a `data` line and how many bytes stand before it.
fn data_of(line: &[u8]) -> Option<(usize, &[u8])> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let unmarked = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let value = unmarked.strip_prefix(b"data:")?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let skipped = line.len() - value.len();
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    Some((skipped, value.strip_suffix(b"\r").unwrap_or(value)))
}

/// A chunk of an answer.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) is_error: bool,
    pub(super) choices: SmallVec<[Choice; 1]>,
    pub(super) usage: Found,
    pub(super) head: Option<Head>,
}

impl Chunk {
    /// Reads a chunk, its identity only where it is wanted.
    pub(super) fn parse(payload: &Payload<'_>, with_head: bool) -> Result<Chunk, SyntaxError> {
        let mut cursor = Cursor::new(text_of(&payload.bytes)?);
        let mut chunk = Chunk { head: with_head.then(Head::default), ..Chunk::default() };
        let mut members = cursor.members()?;
        while let Some(key) = members.next(&mut cursor)? {
            chunk.member(&key, &mut cursor)?;
        }
        cursor.end()?;
        Ok(chunk)
    }

    fn member(&mut self, key: &str, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        match (key, &mut self.head) {
            ("choices", _) => return self.read_choices(cursor),
            ("usage", _) => self.usage = usage::read(cursor)?,
            ("error", _) => {
                self.is_error = cursor.kind()? != Kind::Null;
                cursor.skip()?;
            }
            ("id", Some(head)) => head.id = owned(cursor)?,
            ("model", Some(head)) => head.model = owned(cursor)?,
            ("created", Some(head)) => {
                let span = cursor.skip()?;
                head.created = cursor.text()[span.range()].parse().unwrap_or_default();
            }
            _ => {
                cursor.skip()?;
            }
        }
        Ok(())
    }

    fn read_choices(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(|_| ());
        }
        let mut items = cursor.items()?;
        while items.next(cursor)? {
            self.choices.push(Choice::read(cursor)?);
        }
        Ok(())
    }
}

fn owned(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    Ok(string(cursor)?.map(|text| text.decode(cursor.text()).into_owned()).unwrap_or_default())
}
