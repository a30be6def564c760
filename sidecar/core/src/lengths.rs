//! What an ordinary call of one target uses: answer length, cached input, time. Learned from calls that were settled.
//!
//! A running mean that starts as if [`PRIOR_CALLS`] calls like the model's prior had been seen: the first real calls move
//! it a little, a hundred of them carry five sixths of the weight. Beyond [`MEMORY`] calls the oldest fade, so that a
//! model that changes its habits is followed. What is learned belongs to the target, not to a snapshot: an edited prior
//! counts from the next decision on.

use std::time::Duration;

use pointsman_config::money::{Nano, Prices};
use pointsman_config::provider::Prior;
use pointsman_config::usage::Usage;

/// The prior counts as much as so many calls.
pub const PRIOR_CALLS: f64 = 20.0;
/// A call counts for the last time after about so many others.
pub const MEMORY: f64 = 500.0;

/// What the settled calls of one target have shown so far. Sums; nothing here grows with their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Learned {
    answers: f64,
    output: f64,
    calls: f64,
    input: f64,
    cached: f64,
    firsts: f64,
    first_ms: f64,
    timed: f64,
    timed_output: f64,
    generating_ms: f64,
}

/// One settled call whose usage the provider has told.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it used.
    pub usage: Usage,
    /// How many answers it was asked for.
    pub answers: u32,
    /// How long its answers were expected to be, in parts of their usual length.
    pub length: f64,
    /// From sending to the first content; known of streams alone.
    pub first: Option<Duration>,
    /// From sending to the end of the answer.
    pub took: Duration,
}

/// What an ordinary call of a target is expected to use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Output tokens of one answer.
    pub output_tokens: f64,
    /// The share of the input that is read from the provider's cache, 0 to 1.
    pub cached_share: f64,
    /// Milliseconds to the first token.
    pub first_token_ms: f64,
    /// Output tokens per second.
    pub tokens_per_second: f64,
}

impl Learned {
    /// Takes one call in.
    pub fn observe(&mut self, seen: &Seen, prior: &Prior) {
        let answers = f64::from(seen.answers.max(1));
        self.fade();
        self.answers += answers;
        // What is learned is the usual length: what was long because of its text must not count twice.
        self.output += seen.usage.output as f64 / seen.length;
        self.calls += 1.0;
        self.input += seen.usage.input as f64;
        self.cached += seen.usage.cached_input.min(seen.usage.input) as f64;
        let first = seen.first.map(millis);
        if let Some(first) = first {
            self.firsts += 1.0;
            self.first_ms += first;
        }
        // An answer that came in one piece says only how long all of it took.
        let first = first.unwrap_or_else(|| self.expected(prior).first_token_ms);
        let generating = millis(seen.took) - first;
        if generating > 0.0 && seen.usage.output > 0 {
            self.timed += 1.0;
            self.timed_output += seen.usage.output as f64 / answers;
            self.generating_ms += generating;
        }
    }

    /// What the next call will use, as far as anybody knows.
    pub fn expected(&self, prior: &Prior) -> Expected {
        let mean = |sum: f64, count: f64, prior: f64| (sum + PRIOR_CALLS * prior) / (count + PRIOR_CALLS);
        // As many ordinary answers at the prior's speed as the prior counts for.
        let prior_output = PRIOR_CALLS * prior.output_tokens.max(1.0);
        let prior_seconds = prior_output / prior.tokens_per_second.max(0.001);
        let seconds = prior_seconds + self.generating_ms / 1000.0;
        Expected {
            output_tokens: mean(self.output, self.answers, prior.output_tokens),
            cached_share: if self.input > 0.0 {
                self.cached / self.input * self.calls / (self.calls + PRIOR_CALLS)
            } else {
                0.0
            },
            first_token_ms: mean(self.first_ms, self.firsts, prior.first_token_ms),
            tokens_per_second: (prior_output + self.timed_output) / seconds,
        }
    }

    /// How many calls it has seen, at most [`MEMORY`].
    pub fn calls(&self) -> f64 {
        self.calls
    }

    /// Makes room for one more call, so that no sum counts more than [`MEMORY`] of them.
    fn fade(&mut self) {
        let keep = |count: f64| if count + 1.0 > MEMORY { (MEMORY - 1.0) / count } else { 1.0 };
        let Self {
            answers,
            output,
            calls,
            input,
            cached,
            firsts,
            first_ms,
            timed,
            timed_output,
            generating_ms,
        } = self;
        let (all, first, time) = (keep(*calls), keep(*firsts), keep(*timed));
        [answers, output, calls, input, cached].into_iter().for_each(|sum| *sum *= all);
        [firsts, first_ms].into_iter().for_each(|sum| *sum *= first);
        [timed, timed_output, generating_ms].into_iter().for_each(|sum| *sum *= time);
    }
}

impl Expected {
    /// Output tokens of one answer that may not be longer than `cap`.
    pub fn output_within(&self, cap: u64) -> f64 {
        self.output_tokens.min(cap as f64)
    }

    /// What a call with so much input and output should cost: input that will come from the cache at its own price.
    pub fn cost(&self, prices: &Prices, input: u64, output: f64) -> Nano {
        let cached_input = (input as f64 * self.cached_share).round() as u64;
        prices.cost(&Usage { input, cached_input, output: output.round() as u64, ..Usage::default() })
    }

    /// Milliseconds to a whole answer of so many tokens.
    pub fn answer_ms(&self, output_tokens: f64) -> f64 {
        self.first_token_ms + output_tokens / self.tokens_per_second.max(0.001) * 1000.0
    }
}

impl From<&Prior> for Expected {
    fn from(prior: &Prior) -> Self {
        Learned::default().expected(prior)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use pointsman_config::money::PricePerMillion;

    use super::*;

    const PRIOR: Prior = Prior {
        quality: 0.5,
        first_token_ms: 400.0,
        tokens_per_second: 100.0,
        output_tokens: 300.0,
        sampling_weight: 1,
    };

    fn seen(output: u64, cached: u64, first_ms: Option<u64>, took_ms: u64) -> Seen {
        Seen {
            usage: Usage { input: 1000, cached_input: cached, output, ..Usage::default() },
            answers: 1,
            length: 1.0,
            first: first_ms.map(Duration::from_millis),
            took: Duration::from_millis(took_ms),
        }
    }

    fn after(calls: usize, each: &Seen) -> Expected {
        let mut learned = Learned::default();
        (0..calls).for_each(|_| learned.observe(each, &PRIOR));
        learned.expected(&PRIOR)
    }

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn nothing_seen_is_the_prior() {
        let expected = Expected::from(&PRIOR);
        let same = Expected {
            output_tokens: 300.0,
            cached_share: 0.0,
            first_token_ms: 400.0,
            tokens_per_second: 100.0,
        };
        assert_eq!(expected, same);
    }

    #[test]
    fn the_prior_weighs_as_much_as_twenty_calls() {
        let each = seen(900, 500, Some(100), 9_100);
        near(after(20, &each).output_tokens, 600.0);
        near(after(100, &each).output_tokens, (900.0 * 100.0 + 300.0 * 20.0) / 120.0);
        near(after(20, &each).first_token_ms, 250.0);
        near(after(20, &each).cached_share, 0.25);
        // 20 calls of 300 tokens at 100 a second, and 20 of 900 in 9 s.
        near(after(20, &each).tokens_per_second, (20.0 * 300.0 + 20.0 * 900.0) / (60.0 + 180.0));
    }

    #[test]
    fn a_model_that_changes_its_habits_is_followed() {
        let mut learned = Learned::default();
        (0..100_000).for_each(|_| learned.observe(&seen(100, 0, None, 1_000), &PRIOR));
        (0..1_500).for_each(|_| learned.observe(&seen(1_000, 0, None, 10_000), &PRIOR));
        let expected = learned.expected(&PRIOR).output_tokens;
        assert!((900.0..1_000.0).contains(&expected), "{expected}");
        assert!(learned.calls() <= MEMORY);
    }

    #[test]
    fn several_answers_of_one_call_are_several_answers() {
        let each = Seen { answers: 3, ..seen(900, 0, None, 3_000) };
        near(after(40, &each).output_tokens, 300.0);
    }

    #[test]
    fn what_was_long_because_of_its_text_does_not_count_twice() {
        let each = Seen { length: 2.0, ..seen(600, 0, None, 3_000) };
        near(after(40, &each).output_tokens, 300.0);
    }

    #[test]
    fn whole_answers_teach_the_speed_too() {
        // 400 ms to the first token by the prior, then 500 tokens in 10 s: half the prior's speed.
        let expected = after(2_000, &seen(500, 0, None, 10_400));
        assert!((50.0..53.0).contains(&expected.tokens_per_second), "{expected:?}");
        near(expected.first_token_ms, 400.0);
    }

    #[test]
    fn cached_input_is_priced_by_its_learned_share() {
        let price = |usd| PricePerMillion::parse_usd(usd).expect("a price");
        let prices = Prices { input: price("10"), output: price("20"), cached_input: Some(price("1")) };
        let expected = Expected { cached_share: 0.5, ..Expected::from(&PRIOR) };
        // 500 x 10 + 500 x 1 + 100 x 20 per million.
        assert_eq!(expected.cost(&prices, 1_000, 100.0), Nano::parse_usd("0.0075").expect("money"));
        assert_eq!(Expected::from(&PRIOR).cost(&prices, 1_000, 100.0), prices.bound(1_000, 100));
    }

    #[test]
    fn strange_calls_leave_finite_expectations() {
        let mut learned = Learned::default();
        for (output, took) in [(0, 0), (u64::MAX, 0), (0, u64::MAX / 2), (7, 1)] {
            learned.observe(&seen(output, u64::MAX, Some(took), took), &PRIOR);
            let Expected { output_tokens, cached_share, first_token_ms, tokens_per_second } =
                learned.expected(&PRIOR);
            let all = [output_tokens, cached_share, first_token_ms, tokens_per_second];
            assert!(all.iter().all(|value| value.is_finite() && *value >= 0.0), "{all:?}");
            assert!(cached_share <= 1.0);
        }
    }
}
