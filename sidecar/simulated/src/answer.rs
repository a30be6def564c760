//! What is the answer to this call, and how long does it take?
//!
//! One word is one token. The text is filler; its last token is the grade, where the outcome is recorded.

use std::time::Duration;

use crate::config::{SimulatedConfig, SimulatedModel};
use crate::dialect::ChatCall;
use crate::outcomes::{Outcomes, RecordedPrompt};

/// Tokens that travel in one chunk of a stream.
pub(crate) const CHUNK_TOKENS: u64 = 16;

const WORDS: [&str; 12] =
    ["the", "points", "are", "set", "and", "every", "train", "takes", "the", "right", "track", "today"];

/// Everything that is known of an answer before its first token.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Cut by the caller's limit.
    pub(crate) cut: bool,
    pub(crate) prompt_id: Option<String>,
    recorded: Option<bool>,
    first_token: Duration,
    per_token: Duration,
}

impl Answer {
    pub(crate) fn plan(
        call: &ChatCall,
        config: &SimulatedConfig,
        model: &SimulatedModel,
        outcomes: &Outcomes,
    ) -> Answer {
        let prompt = outcomes.find(call.last_user_text());
        let recorded = prompt.and_then(|prompt| prompt.answers.get(&model.name));
        let whole = recorded.map_or(model.output_tokens, |answer| answer.out_tokens.max(1));
        let limit = call.output_limit().unwrap_or(u64::MAX);
        Answer {
            input_tokens: prompt.map_or_else(|| call.estimated_tokens(), |prompt| prompt.in_tokens),
            output_tokens: limit.min(u64::from(whole)),
            cut: limit < u64::from(whole),
            prompt_id: prompt.map(|RecordedPrompt { id, .. }| id.clone()),
            recorded: recorded.map(|answer| answer.right == 1),
            first_token: config.scaled(model.first_token_ms as f64 / 1e3),
            per_token: config.scaled(1.0 / f64::from(model.tokens_per_second)),
        }
    }

    /// Right or wrong as the caller can see it: an answer that was cut is wrong.
    pub(crate) fn right(&self) -> Option<bool> {
        self.recorded.map(|right| right && !self.cut)
    }

    pub(crate) fn finish_reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }

    /// When the first `tokens` tokens are there, counted from the arrival of the call.
    pub(crate) fn due(&self, tokens: u64) -> Duration {
        let after_first = u32::try_from(tokens.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_token.saturating_add(self.per_token.saturating_mul(after_first))
    }

    /// The text of tokens `from..to`.
    pub(crate) fn text(&self, from: u64, to: u64) -> String {
        let mut text = String::with_capacity(((to - from) * 7) as usize);
        for at in from..to.min(self.output_tokens) {
            if at > 0 {
                text.push(' ');
            }
            text.push_str(self.token(at));
        }
        text
    }

    fn token(&self, at: u64) -> &'static str {
        let last = !self.cut && at + 1 == self.output_tokens;
        match (last, self.recorded) {
            (true, Some(true)) => "(graded right)",
            (true, Some(false)) => "(graded wrong)",
            _ => WORDS[(at % WORDS.len() as u64) as usize],
        }
    }
}
