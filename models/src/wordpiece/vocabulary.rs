//! Which pieces are known: a `vocab.txt` and a hash table of ids over it.
//!
//! The text stays where it is; the table holds 16 bits of id and 16 bits of hash per slot. The hash grows byte by byte,
//! so that all prefixes of a word cost one pass.

use bytes::Bytes;

/// Why a text is no vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// Not text.
    #[error("it is not UTF-8; save it as plain text")]
    NotText,
    /// Ids have 16 bits.
    #[error("it has {0} tokens, more than 65535; use a smaller vocabulary")]
    TooLarge(usize),
    /// Words that it does not cover need it.
    #[error("it has no token {UNKNOWN}; add the line")]
    NoUnknown,
    /// Two ids for one token.
    #[error("token \"{0}\" stands twice; remove one of the lines")]
    Twice(String),
}

const UNKNOWN: &str = "[UNK]";
const CONTINUES: &str = "##";
/// A power of two with at most half of its slots in use.
const SLOTS: usize = 1 << 17;
const EMPTY: u32 = u32::MAX;
const START: u64 = 0xcbf2_9ce4_8422_2325;

#[derive(Debug)]
pub(super) struct Vocabulary {
    text: Bytes,
    /// Where each token starts and ends in the text.
    spans: Box<[(u32, u32)]>,
    slots: Box<[u32]>,
    unknown: u32,
    /// The length of the longest token, in bytes.
    longest: usize,
    continues: u64,
}

impl Vocabulary {
    pub(super) fn new(text: Bytes) -> Result<Self, VocabularyError> {
        let lines = std::str::from_utf8(&text).map_err(|_| VocabularyError::NotText)?;
        let start = lines.as_ptr() as usize;
        let spans: Box<[(u32, u32)]> = lines
            .lines()
            .map(|line| {
                let token = line.trim_end();
                let at = token.as_ptr() as usize - start;
                (at as u32, (at + token.len()) as u32)
            })
            .collect();
        if spans.len() >= usize::from(u16::MAX) {
            return Err(VocabularyError::TooLarge(spans.len()));
        }
        let longest = spans.iter().map(|(start, end)| end - start).max().unwrap_or_default() as usize;
        let slots = vec![EMPTY; SLOTS].into_boxed_slice();
        let continues = hash(START, CONTINUES.as_bytes());
        let mut vocabulary = Self { text, spans, slots, unknown: 0, longest, continues };
        for id in 0..vocabulary.spans.len() as u32 {
            vocabulary.insert(id)?;
        }
        vocabulary.unknown = vocabulary.id(UNKNOWN).ok_or(VocabularyError::NoUnknown)?;
        Ok(vocabulary)
    }

    fn insert(&mut self, id: u32) -> Result<(), VocabularyError> {
        let token = self.bytes(id);
        let hash = finish(hash(START, token));
        let mut slot = hash as usize % SLOTS;
        while self.slots[slot] != EMPTY {
            if self.bytes(self.slots[slot] & 0xffff) == token {
                return Err(VocabularyError::Twice(String::from_utf8_lossy(token).into_owned()));
            }
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = tag(hash) | id;
        Ok(())
    }

    pub(super) fn size(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn unknown(&self) -> u32 {
        self.unknown
    }

    pub(super) fn token(&self, id: u32) -> Option<&str> {
        let (start, end) = *self.spans.get(id as usize)?;
        std::str::from_utf8(&self.text[start as usize..end as usize]).ok()
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.find(hash(START, token.as_bytes()), "", token.as_bytes())
    }

    /// The longest token that `rest` starts with, and its length there.
    pub(super) fn longest(&self, rest: &str, continues: bool) -> Option<(u32, usize)> {
        let (prefix, start) = if continues { (CONTINUES, self.continues) } else { ("", START) };
        let bytes = rest.as_bytes();
        let most = bytes.len().min(self.longest - prefix.len().min(self.longest));
        // Vocabularies have no token longer than this; one that does is searched without the stored hashes.
        let mut hashes = [0u64; 64];
        let stored = most.min(hashes.len());
        let mut so_far = start;
        for (i, byte) in bytes[..stored].iter().enumerate() {
            so_far = step(so_far, *byte);
            hashes[i] = so_far;
        }
        (1..=most).rev().filter(|end| rest.is_char_boundary(*end)).find_map(|end| {
            let hash = if end <= stored { hashes[end - 1] } else { hash(start, &bytes[..end]) };
            Some((self.find(hash, prefix, &bytes[..end])?, end))
        })
    }

    fn find(&self, hash: u64, prefix: &str, rest: &[u8]) -> Option<u32> {
        let hash = finish(hash);
        let mut slot = hash as usize % SLOTS;
        loop {
            let found = self.slots[slot];
            if found == EMPTY {
                return None;
            }
            let id = found & 0xffff;
            if found & 0xffff_0000 == tag(hash)
                && self.bytes(id).strip_prefix(prefix.as_bytes()) == Some(rest)
            {
                return Some(id);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    fn bytes(&self, id: u32) -> &[u8] {
        let (start, end) = self.spans[id as usize];
        &self.text[start as usize..end as usize]
    }
}

fn hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| step(hash, *byte))
}

/// FNV-1a: one more byte.
fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
}

/// Spreads what the last bytes did over all bits.
fn finish(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}

/// The upper half of a slot.
fn tag(hash: u64) -> u32 {
    ((hash >> 48) as u32) << 16
}
