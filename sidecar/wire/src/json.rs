//! A borrowed scan of JSON: spans into the text, no tree, no recursion, no allocation.
//!
//! The grammar is RFC 8259's, checked everywhere, also in what is skipped. Differences from `serde_json`: nesting
//! ends at [`MAX_DEPTH`] levels, and an escaped lone surrogate (`"\ud800"`, which Python's `json` writes) is accepted
//! and decodes to U+FFFD.

mod block;
mod cursor;
mod skip;
mod text;

pub use cursor::{Cursor, Items, Kind, Members};
pub use text::{Text, decode};

/// Objects and arrays inside one another, the outermost counting as one.
pub const MAX_DEPTH: u32 = 64;

/// A stretch of a body. Bodies are far below 4 GiB, so two `u32` keep it in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// Positions above `u32::MAX` saturate; [`text_of`] refuses bodies that could hold them.
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: narrow(start), end: narrow(end) }
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn end(self) -> usize {
        self.end as usize
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start()..self.end()
    }

    pub fn len(self) -> usize {
        self.end() - self.start()
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Why bytes are not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    pub offset: usize,
    pub reason: &'static str,
}

/// Takes bytes for text: JSON is UTF-8 (RFC 8259, section 8.1).
pub fn text_of(bytes: &[u8]) -> Result<&str, SyntaxError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(SyntaxError { offset: u32::MAX as usize, reason: "the body exceeds 4 GiB" });
    }
    std::str::from_utf8(bytes)
        .map_err(|error| SyntaxError { offset: error.valid_up_to(), reason: "invalid UTF-8" })
}

/// Checks that bytes are one JSON value and nothing else.
pub fn check(bytes: &[u8]) -> Result<(), SyntaxError> {
    let mut cursor = Cursor::new(text_of(bytes)?);
    cursor.skip()?;
    cursor.end()
}

/// Appends `text` as a JSON string, quotes included.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    if skip::is_plain(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    serde_json::to_writer(out, text).expect("a string serialises, and a Vec takes every write");
}
