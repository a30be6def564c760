//! Words of a text, normalised: control characters dropped, accents stripped, lower case, ideographs and punctuation as
//! words of their own.

use std::collections::VecDeque;
use std::str::Chars;

use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

use super::classes::{Class, class, is_mark, is_punctuation};

/// What becomes of an ASCII character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ascii {
    Dropped,
    Space,
    Alone,
    Letter,
}

const ASCII: [Ascii; 128] = {
    let mut classes = [Ascii::Letter; 128];
    let mut c = 0u8;
    while c < 128 {
        classes[c as usize] = match c {
            b'\t' | b'\n' | b'\r' | b' ' => Ascii::Space,
            _ if c.is_ascii_control() => Ascii::Dropped,
            _ if c.is_ascii_punctuation() => Ascii::Alone,
            _ => Ascii::Letter,
        };
        c += 1;
    }
    classes
};

/// A character after normalisation.
#[derive(Clone, Copy)]
enum Piece {
    /// Between words.
    Space,
    /// A word of its own.
    Alone(char),
    /// Part of a word.
    Letter(char),
}

/// Walks through the words of a text.
pub(super) struct Normal<'a> {
    rest: Chars<'a>,
    word: &'a mut String,
    /// Characters that were normalised and not taken yet; nearly always empty.
    pending: VecDeque<Piece>,
    /// Marks that wait for their canonical order, with their combining class.
    marks: Vec<(u8, char)>,
    ended: bool,
}

impl<'a> Normal<'a> {
    pub(super) fn new(text: &'a str, word: &'a mut String) -> Self {
        word.clear();
        Self { rest: text.chars(), word, pending: VecDeque::new(), marks: Vec::new(), ended: false }
    }

    /// The next word.
    pub(super) fn next_word(&mut self) -> Option<&str> {
        self.word.clear();
        loop {
            if self.pending.is_empty() && self.marks.is_empty() {
                self.take_ascii();
            }
            match self.next_piece() {
                Some(Piece::Letter(c)) => self.word.push(c),
                Some(Piece::Alone(c)) if self.word.is_empty() => {
                    self.word.push(c);
                    break;
                }
                Some(alone @ Piece::Alone(_)) => {
                    self.pending.push_front(alone);
                    break;
                }
                Some(Piece::Space) if self.word.is_empty() => {}
                Some(Piece::Space) => break,
                None => break,
            }
        }
        (!self.word.is_empty()).then_some(self.word.as_str())
    }

    /// Takes letters of ASCII at once, which most texts are made of.
    fn take_ascii(&mut self) {
        let text = self.rest.as_str();
        let is_letter = |b: &u8| *b < 128 && ASCII[usize::from(*b)] == Ascii::Letter;
        let length = text.bytes().take_while(is_letter).count();
        let start = self.word.len();
        self.word.push_str(&text[..length]);
        self.word[start..].make_ascii_lowercase();
        self.rest = text[length..].chars();
    }

    fn next_piece(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.pending.pop_front() {
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            match self.rest.next() {
                Some(c) if c.is_ascii() => self.normalise_ascii(c),
                Some(c) => self.normalise(c),
                None => {
                    self.ended = true;
                    self.flush();
                }
            }
        }
    }

    fn normalise_ascii(&mut self, c: char) {
        let piece = match ASCII[c as usize] {
            Ascii::Dropped => return,
            Ascii::Space => Piece::Space,
            Ascii::Alone => Piece::Alone(c),
            Ascii::Letter => Piece::Letter(c.to_ascii_lowercase()),
        };
        self.flush();
        self.pending.push_back(piece);
    }

    fn normalise(&mut self, c: char) {
        match class(c) {
            Class::Dropped => {}
            Class::Space => {
                self.flush();
                self.pending.push_back(Piece::Space);
            }
            Class::Ideograph => {
                self.flush();
                self.pending.push_back(Piece::Space);
                decompose_canonical(c, |part| self.compose(part));
                self.flush();
                self.pending.push_back(Piece::Space);
            }
            Class::Plain => {
                self.flush();
                self.lower(c);
            }
            Class::Letter => decompose_canonical(c, |part| self.compose(part)),
        }
    }

    /// Takes one character of a canonical decomposition: marks are put in order, and those without a width dropped.
    fn compose(&mut self, c: char) {
        let combining = if c.is_ascii() { 0 } else { canonical_combining_class(c) };
        if combining == 0 {
            self.flush();
        }
        if is_mark(c) {
            return;
        }
        if combining == 0 {
            self.lower(c);
        } else {
            self.marks.push((combining, c));
        }
    }

    fn flush(&mut self) {
        if self.marks.is_empty() {
            return;
        }
        self.marks.sort_by_key(|(combining, _)| *combining);
        for (_, c) in std::mem::take(&mut self.marks) {
            self.lower(c);
        }
    }

    fn lower(&mut self, c: char) {
        for c in c.to_lowercase() {
            let alone = if c.is_ascii() { c.is_ascii_punctuation() } else { is_punctuation(c) };
            let piece = match () {
                () if alone => Piece::Alone(c),
                () if c.is_whitespace() => Piece::Space,
                () => Piece::Letter(c),
            };
            self.pending.push_back(piece);
        }
    }
}
