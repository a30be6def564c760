//! Where does a string end?

use super::SyntaxError;
use super::block::{BLOCK, specials};

/// A string that was skipped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Position of the closing quote.
    pub(super) end: usize,
    /// How many bytes shorter the decoded text is. Zero: no escapes, the raw bytes are the text.
    pub(super) saved: usize,
}

/// The letters that make an escape of two bytes for one.
const IS_LETTER: [bool; 256] = {
    let (letters, mut is) = (*b"\"\\/bfnrt", [false; 256]);
    let mut at = 0;
    while at < letters.len() {
        is[letters[at] as usize] = true;
        at += 1;
    }
    is
};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Skips a string whose opening quote stands before `at`, a block at a time. Most strings are keys that end within the
/// first block; code has an escape in nearly every block, so that what is special in a block is taken bit by bit.
#[inline]
pub(super) fn skip_string(bytes: &[u8], at: usize) -> Result<Skipped> {
    if let Some(block) = block(bytes, at) {
        let hits = specials(block);
        let end = at + hits.trailing_zeros() as usize;
        if hits != 0 && bytes.get(end) == Some(&b'"') {
            return Ok(Skipped { end, saved: 0 });
        }
    }
    skip_long(bytes, at)
}

fn block(bytes: &[u8], at: usize) -> Option<&[u8; BLOCK]> {
    bytes.get(at..)?.first_chunk()
}

#[inline(never)]
fn skip_long(bytes: &[u8], mut at: usize) -> Result<Skipped> {
    let mut saved = 0;
    while let Some(block) = block(bytes, at) {
        let mut hits = specials(block);
        let mut next = BLOCK;
        while hits != 0 {
            let place = hits.trailing_zeros() as usize % BLOCK;
            if block[place] != b'\\' {
                return end(bytes, at + place, saved);
            }
            let after = match bytes.get(at + place + 1) {
                Some(&letter) if IS_LETTER[usize::from(letter)] => {
                    saved += 1;
                    place + 2
                }
                _ => {
                    let (length, decoded) = escape(bytes, at + place)?;
                    saved += length - decoded;
                    place + length
                }
            };
            if after >= BLOCK {
                next = after;
                break;
            }
            hits &= u32::MAX << after;
        }
        at += next;
    }
    skip_tail(bytes, at, saved)
}

/// The last bytes of a body, one by one.
fn skip_tail(bytes: &[u8], mut at: usize, mut saved: usize) -> Result<Skipped> {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let (length, decoded) = escape(bytes, at)?;
                saved += length - decoded;
                at += length;
            }
            b'"' | 0..0x20 => return end(bytes, at, saved),
            _ => at += 1,
        }
    }
    Err(SyntaxError { offset: at, reason: "string without an end" })
}

/// Whether a string with this text has no escapes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let (blocks, tail) = text.as_chunks();
    blocks.iter().all(|block| specials(block) == 0)
        && tail.iter().all(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20))
}

/// What stands at `at` ends the string: as it should, or because it may not stand there.
fn end(bytes: &[u8], at: usize, saved: usize) -> Result<Skipped> {
    if bytes[at] == b'"' {
        Ok(Skipped { end: at, saved })
    } else {
        Err(SyntaxError { offset: at, reason: "control character in a string" })
    }
}

/// Returns the raw and the decoded length of the escape at `at`. Half of a surrogate pair counts as two bytes.
fn escape(bytes: &[u8], at: usize) -> Result<(usize, usize)> {
    match bytes.get(at + 1) {
        Some(&letter) if IS_LETTER[usize::from(letter)] => Ok((2, 1)),
        Some(b'u') => match hex4(bytes, at + 2) {
            Some(0..0x80) => Ok((6, 1)),
            Some(0x80..0x800 | 0xd800..0xe000) => Ok((6, 2)),
            Some(_) => Ok((6, 3)),
            None => Err(SyntaxError { offset: at, reason: "\\u without four hexadecimal digits" }),
        },
        Some(_) => Err(SyntaxError { offset: at, reason: "unknown escape in a string" }),
        None => Err(SyntaxError { offset: at, reason: "string without an end" }),
    }
}

/// Reads four hexadecimal digits.
pub(super) fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &byte| Some(value << 4 | (byte as char).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Text in which quotes, escapes and control characters stand close together, or far apart.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => "[a-z é🚂]{0,40}".prop_map(String::into_bytes),
            4 => proptest::sample::select(vec![r"\n", r"\\", r#"\""#, r"\u00e9", r"\ud83d", r"\u20ac"])
                .prop_map(|escape| escape.as_bytes().to_vec()),
            1 => proptest::sample::select(vec!["\"", "\\", "\\x", "\\u12", "\n", "\u{1f}"])
                .prop_map(|end| end.as_bytes().to_vec()),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn block_by_block_is_as_byte_by_byte(text in text(), at in 0usize..3) {
            let at = at.min(text.len());
            prop_assert_eq!(skip_string(&text, at), skip_tail(&text, at, 0));
        }
    }
}
