//! Where does a string end? Alone in its file, because this loop sees nearly every byte of a prompt: a version for
//! wider registers, chosen at run time, would replace this function and nothing else.

use super::SyntaxError;

/// A string that was skipped.
pub(super) struct Skipped {
    /// Position of the closing quote.
    pub(super) end: usize,
    /// How many bytes shorter the decoded text is. Zero: no escapes, the raw bytes are the text.
    pub(super) saved: usize,
}

/// Skips a string whose opening quote stands before `at`: 16 bytes at a time over plain text, 8 near what is special.
#[inline]
pub(super) fn skip_string(bytes: &[u8], at: usize) -> Result<Skipped, SyntaxError> {
    let mut at = at;
    let mut saved = 0;
    loop {
        at = next_special(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(Skipped { end: at, saved }),
            Some(b'\\') => {
                let (length, decoded) = escape(bytes, at)?;
                at += length;
                saved += length - decoded;
            }
            Some(_) => return Err(SyntaxError { offset: at, reason: "control character in a string" }),
            None => return Err(SyntaxError { offset: at, reason: "string without an end" }),
        }
    }
}

/// Finds the next quote, backslash or control character; the length of `bytes` where there is none. Most strings are
/// keys that end within the first two blocks: setting out for the long way would cost more than they do.
#[inline]
fn next_special(bytes: &[u8], mut at: usize) -> usize {
    for _ in 0..2 {
        let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        let hits = specials(u64::from_le_bytes(*block));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    far_special(bytes, at)
}

/// The same for what lies further away.
#[inline(never)]
fn far_special(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        if has_special(block) {
            break;
        }
        at += 16;
    }
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = specials(u64::from_le_bytes(*block));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|&byte| is_special(byte)).unwrap_or(tail.len())
}

/// Without an early return, so that the compiler makes it a few wide comparisons.
fn has_special(block: &[u8; 16]) -> bool {
    block.iter().fold(0, |found, &byte| found | u8::from(is_special(byte))) != 0
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Marks special bytes by their top bit. Above the lowest mark there may be false ones (the borrow runs upwards);
/// the lowest is always right, and it is the only one that is looked at.
fn specials(block: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zeros = |x: u64| x.wrapping_sub(ONES) & !x;
    let quotes = zeros(block ^ (ONES * b'"' as u64));
    let backslashes = zeros(block ^ (ONES * b'\\' as u64));
    let controls = block.wrapping_sub(ONES * 0x20) & !block;
    (quotes | backslashes | controls) & TOPS
}

/// Returns the raw and the decoded length of the escape at `at`. Half of a surrogate pair counts as two bytes.
fn escape(bytes: &[u8], at: usize) -> Result<(usize, usize), SyntaxError> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok((2, 1)),
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
