//! A body made of slices: the caller's bytes with a few of ours between them.
//!
//! An edit of a 68 KB prompt must not copy 68 KB. Everything that we write goes into one small buffer, and the new
//! body is a list of slices of that buffer and of the original.

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use crate::json::Span;

/// A body that is so short is copied whole: the reference counts of slices would cost more.
const COPIED_AT_MOST: usize = 2048;

/// A body as slices that, one after the other, are its bytes.
#[derive(Clone, Debug, Default)]
pub struct Spliced {
    pub parts: SmallVec<[Bytes; 1]>,
    pub len: usize,
}

impl Spliced {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the body as one slice: without a copy where it has one part only.
    pub fn into_bytes(mut self) -> Bytes {
        if self.parts.len() == 1 {
            return self.parts.remove(0);
        }
        let mut whole = Vec::with_capacity(self.len);
        self.parts.iter().for_each(|part| whole.extend_from_slice(part));
        whole.into()
    }
}

impl From<Bytes> for Spliced {
    fn from(body: Bytes) -> Self {
        Spliced { len: body.len(), parts: smallvec![body] }
    }
}

/// Collects replacements of spans, then cuts the body once.
#[derive(Default)]
pub(crate) struct Splicer {
    edits: SmallVec<[Edit; 4]>,
    ink: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Edit {
    replaced: Span,
    written: Span,
}

impl Splicer {
    /// Writes something in the place of `replaced`. An empty span inserts. Spans must not overlap.
    pub(crate) fn replace(&mut self, replaced: Span, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.ink.len();
        if start == 0 {
            self.ink.reserve(64);
        }
        write(&mut self.ink);
        self.edits.push(Edit { replaced, written: Span::new(start, self.ink.len()) });
    }

    pub(crate) fn insert(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.replace(Span::new(at, at), write);
    }

    pub(crate) fn apply(mut self, body: &Bytes) -> Spliced {
        if self.edits.is_empty() {
            return Spliced::from(body.clone());
        }
        self.edits.sort_by_key(|edit| edit.replaced.start);
        let removed: usize = self.edits.iter().map(|edit| edit.replaced.len()).sum();
        let len = body.len() - removed + self.ink.len();
        if len <= COPIED_AT_MOST { self.copied(body, len) } else { self.cut(body, len) }
    }

    fn copied(&self, body: &Bytes, len: usize) -> Spliced {
        let mut whole = Vec::with_capacity(len);
        let mut at = 0;
        for edit in &self.edits {
            whole.extend_from_slice(&body[at..edit.replaced.start()]);
            whole.extend_from_slice(&self.ink[edit.written.range()]);
            at = edit.replaced.end();
        }
        whole.extend_from_slice(&body[at..]);
        Spliced::from(Bytes::from(whole))
    }

    fn cut(self, body: &Bytes, len: usize) -> Spliced {
        let ink = Bytes::from(self.ink);
        let mut spliced = Spliced { len, parts: SmallVec::with_capacity(2 * self.edits.len() + 1) };
        let mut push = |from: &Bytes, span: Span| {
            if !span.is_empty() {
                spliced.parts.push(from.slice(span.range()));
            }
        };
        let mut at = 0;
        for edit in self.edits {
            push(body, Span::new(at, edit.replaced.start()));
            push(&ink, edit.written);
            at = edit.replaced.end();
        }
        push(body, Span::new(at, body.len()));
        spliced
    }
}
