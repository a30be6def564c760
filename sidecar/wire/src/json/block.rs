//! Which of sixteen bytes end the plain text of a JSON string? Alone in its file, because this sees nearly every byte of
//! a prompt.

use wide::u8x16;

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = 16;

/// Marks quotes, backslashes and control characters: bit `i` stands for byte `i`.
#[inline]
pub(super) fn specials(block: &[u8; BLOCK]) -> u32 {
    let bytes = u8x16::from(*block);
    let quotes = bytes.simd_eq(u8x16::splat(b'"'));
    let backslashes = bytes.simd_eq(u8x16::splat(b'\\'));
    let controls = bytes.simd_le(u8x16::splat(0x1f));
    (quotes | backslashes | controls).to_bitmask()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_in_every_place_is_marked_as_one_by_one() {
        let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        for (at, byte) in (0..BLOCK).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
            for around in [b'x', b'"', 0x00, 0x1f, 0x21, 0x80, 0xff] {
                let mut block = [around; BLOCK];
                block[at] = byte;
                let expected = (0..BLOCK).filter(|&i| special(block[i])).fold(0, |mask, i| mask | 1 << i);
                assert_eq!(specials(&block), expected, "{block:?}");
            }
        }
    }
}
