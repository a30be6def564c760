//! What does the provider serve, and at what price?

use super::books::Usage;

/// Prices in nano-USD per million tokens: 1.25 USD per million is 1_250_000_000.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
}

impl Price {
    /// What `usage` costs, in nano-USD, rounded up once.
    pub fn cost_nano(&self, usage: &Usage) -> u64 {
        let parts = [
            (usage.input - usage.cached_input, self.input),
            (usage.cached_input, self.cached_input),
            (usage.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|&(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        u64::try_from(sum.div_ceil(1_000_000)).expect("a test's call costs less than 18 billion USD")
    }
}

/// A model and its one answer. A word is a token.
#[derive(Debug, Clone)]
pub struct Model {
    pub price: Price,
    /// What it answers; cut to the caller's maximum, as real models do.
    pub answer: String,
    /// How many input tokens it counts; none counts the words of the messages.
    pub input_tokens: Option<u64>,
    /// How many of the input tokens it takes from its cache.
    pub cached_input_tokens: u64,
    /// How many tokens it thinks before it answers; they are billed as output and never sent.
    pub reasoning_tokens: u64,
}

impl Model {
    /// A model at `price` that answers [`sixty_words`].
    pub fn priced(price: Price) -> Self {
        Self { price, answer: sixty_words(), input_tokens: None, cached_input_tokens: 0, reasoning_tokens: 0 }
    }
}

/// `w1 w2 … w60`: a part of it cannot pass for the whole.
pub fn sixty_words() -> String {
    (1..=60).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ")
}
