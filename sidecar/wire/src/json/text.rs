//! Strings as they stand in the body, decoded when somebody asks.

use std::borrow::Cow;

use super::Span;
use super::skip::hex4;

/// A string in a body: where it stands (without its quotes) and how long it is once decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub span: Span,
    pub decoded_len: u32,
}

impl Text {
    pub fn is_empty(self) -> bool {
        self.span.is_empty()
    }

    /// Returns where the string stands with its quotes.
    pub fn with_quotes(self) -> Span {
        Span { start: self.span.start - 1, end: self.span.end + 1 }
    }

    /// Returns the text, borrowed where it holds no escapes. `body` is what the text was scanned in.
    pub fn decode(self, body: &(impl AsRef<[u8]> + ?Sized)) -> Cow<'_, str> {
        let raw = &body.as_ref()[self.span.range()];
        // What the scan has accepted is UTF-8; the plain check is several times cheaper than the forgiving one.
        let raw = std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed);
        if self.has_escapes() { Cow::Owned(decode(&raw)) } else { raw }
    }

    /// Says whether the text is `expected`, without decoding it where it holds no escapes.
    pub fn is(self, body: &(impl AsRef<[u8]> + ?Sized), expected: &str) -> bool {
        if self.has_escapes() {
            return self.decode(body) == expected;
        }
        &body.as_ref()[self.span.range()] == expected.as_bytes()
    }

    /// The same from the text that was scanned: its slices need no check.
    #[inline]
    pub(super) fn decode_str(self, text: &str) -> Cow<'_, str> {
        let raw = &text[self.span.range()];
        if self.has_escapes() { Cow::Owned(decode(raw)) } else { Cow::Borrowed(raw) }
    }

    /// Counts the characters of the decoded text, without decoding it where it holds no escapes.
    pub fn characters(self, body: &str) -> u64 {
        let raw = &body[self.span.range()];
        if self.has_escapes() { decode(raw).chars().count() as u64 } else { raw.chars().count() as u64 }
    }

    fn has_escapes(self) -> bool {
        self.span.len() != self.decoded_len as usize
    }
}

/// Decodes the inside of a JSON string that a scan has accepted. Lone surrogates become U+FFFD.
pub fn decode(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (character, length) = escaped(&rest.as_bytes()[at..]);
        text.push(character);
        rest = &rest[at + length..];
    }
    text.push_str(rest);
    text
}

fn escaped(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes),
        Some(&other) => other as char,
        None => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (simple, 2)
}

fn unicode(bytes: &[u8]) -> (char, usize) {
    let Some(unit) = hex4(bytes, 2) else { return (char::REPLACEMENT_CHARACTER, bytes.len().min(2)) };
    let next = if bytes.get(6..8) == Some(b"\\u") { hex4(bytes, 8) } else { None };
    let mut units = char::decode_utf16([Some(unit), next].into_iter().flatten());
    match units.next() {
        Some(Ok(character)) => (character, if character > '\u{ffff}' { 12 } else { 6 }),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}
