//! Tokens guessed from lengths, for what no provider has counted yet or will ever count.

/// Guesses the tokens of a text from its length in bytes: one per four bytes, rounded up.
///
/// English prose has about 4.5 bytes per token, code 3 to 4; scripts of three bytes per character come out near
/// 0.75 tokens per character.
pub fn tokens_of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// Guesses the output tokens of an answer whose usage never came: one per four characters, but at least one per
/// delta that carried any, because providers send one token or more in each.
pub fn output_tokens(characters: u64, deltas: u64) -> u64 {
    characters.div_ceil(4).max(deltas)
}
