//! Where do events end? A server-sent event ends at a blank line, wherever the network cut the bytes.

use bytes::Bytes;
use memchr::memchr;

/// The event that is still coming in.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    held: Vec<u8>,
    line: Line,
}

/// What the current line holds so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Empty,
    CarriageReturn,
    Text,
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns the length up to and with the next blank line. Each byte must be shown once only.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(length) = memchr(b'\n', &bytes[at..]) {
            let line = self.line.with(&bytes[at..at + length]);
            self.line = Line::Empty;
            at += length + 1;
            if line != Line::Text {
                return Some(at);
            }
        }
        self.line = self.line.with(&bytes[at..]);
        None
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Takes what is held together with its last bytes.
    pub(super) fn complete(&mut self, rest: &[u8]) -> Bytes {
        self.keep(rest);
        std::mem::take(&mut self.held).into()
    }
}

impl Line {
    fn with(self, more: &[u8]) -> Line {
        match (self, more) {
            (line, []) => line,
            (Line::Empty, [b'\r']) => Line::CarriageReturn,
            _ => Line::Text,
        }
    }
}
