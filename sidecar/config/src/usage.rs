//! What a call consumed, in tokens.

use serde::{Deserialize, Serialize};

/// Tokens of one attempt, in the one convention that holds everywhere inside.
///
/// `input` includes `cached_input` and `cache_write`; `output` includes `reasoning`. Formats that count otherwise are
/// converted where they are parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Input tokens, cached ones included.
    pub input: u64,
    /// The part of `input` that was read from the provider's cache.
    pub cached_input: u64,
    /// The part of `input` that was written to the provider's cache.
    pub cache_write: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// Input plus output.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
