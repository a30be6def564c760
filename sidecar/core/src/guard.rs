//! Does the scorer help here? A guard that falls back to the prompt-blind mix when feedback says that it does harm.
//!
//! Every piece of feedback says how good an answer was, between 0 and 1. Two predictions of it were made beforehand: the
//! scorer's for this prompt, and the model's mean, which knows no prompt. Their squared errors are compared, one call after
//! the other, by betting: a gambler stakes a part of their wealth on "the mean was nearer". If the scorer is at least as good,
//! no strategy makes money of that, and the wealth exceeds `1 / ALPHA` at any time with probability at most [`ALPHA`] (Ville's
//! inequality; Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", 2024). So looking after
//! every call costs nothing, and the stated error rate holds however long it runs.
//!
//! Short of that verdict, scores are shrunk to the model's mean by the slope that feedback shows: a scorer whose deviations
//! say nothing loses its say by and by, without any threshold.

use serde::{Deserialize, Serialize};

/// The probability of ever turning against a scorer that is no worse than the mean, and of ever taking back a verdict
/// against one that is no better.
pub const ALPHA: f64 = 0.01;
/// The largest stake, as a share of the wealth: losses are bounded, so the wealth never reaches zero.
const LARGEST_STAKE: f64 = 0.5;
/// Before any feedback the slope is taken to be one, as firmly as so many calls with a deviation of a tenth would say.
const SLOPE_PRIOR: f64 = 50.0 * 0.1 * 0.1;

/// What the guard thinks of a scorer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Feedback has shown nothing yet: scores are used, shrunk.
    #[default]
    Unproven,
    /// Feedback has shown that it is better than the mean.
    Helps,
    /// Feedback has shown that it is worse: every prompt gets the mean.
    Harms,
}

impl Verdict {
    /// As messages, metrics and status spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unproven => "Unproven",
            Self::Helps => "Helps",
            Self::Harms => "Harms",
        }
    }
}

/// The guard of one scorer in one policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    verdict: Verdict,
    /// Logarithm of the wealth of who bets that the mean is nearer, and that the scorer is.
    against: Bet,
    in_favour: Bet,
    /// Sums of deviation x residual and of deviation squared.
    explained: f64,
    deviation: f64,
    seen: u64,
}

/// One gambler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bet {
    log_wealth: f64,
    sum: f64,
    squares: f64,
    rounds: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            verdict: Verdict::default(),
            against: Bet::default(),
            in_favour: Bet::default(),
            explained: 0.0,
            deviation: 0.0,
            seen: 0,
        }
    }
}

impl Guard {
    /// Takes in one piece of feedback on an answer: how good it was, what the scorer had said, and the model's mean. What is no
    /// number between 0 and 1 teaches nothing.
    pub fn observe(&mut self, outcome: f64, scored: f64, mean: f64) {
        if ![outcome, scored, mean].iter().all(|value| (0.0..=1.0).contains(value)) {
            return;
        }
        self.seen += 1;
        let (deviation, residual) = (scored - mean, outcome - mean);
        self.explained += deviation * residual;
        self.deviation += deviation * deviation;
        let gained = residual * residual - (outcome - scored).powi(2);
        self.against.round(-gained);
        self.in_favour.round(gained);
        self.judge();
    }

    /// What feedback says so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many pieces of feedback it has seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How much of a score's deviation from the model's mean is believed, 0 to 1.
    pub fn weight(&self) -> f64 {
        if self.verdict == Verdict::Harms {
            return 0.0;
        }
        ((self.explained + SLOPE_PRIOR) / (self.deviation + SLOPE_PRIOR)).clamp(0.0, 1.0)
    }

    /// The quality to decide by.
    pub fn shrunk(&self, scored: f64, mean: f64) -> f64 {
        mean + self.weight() * (scored - mean)
    }

    /// A verdict stands until the opposite is shown; then both gamblers start anew.
    fn judge(&mut self) {
        let rich = (1.0 / ALPHA).ln();
        let found = if self.against.log_wealth >= rich {
            Verdict::Harms
        } else if self.in_favour.log_wealth >= rich {
            Verdict::Helps
        } else {
            return;
        };
        self.verdict = found;
        (self.against, self.in_favour) = (Bet::default(), Bet::default());
    }
}

impl Bet {
    /// Plays one round of outcome -1 to 1. The stake was chosen before: by the mean and spread of the rounds so far.
    fn round(&mut self, outcome: f64) {
        let (mean, square) = if self.rounds > 0.0 {
            // One round of average spread is added, so that the first rounds are staked on with care.
            (self.sum / (self.rounds + 1.0), (self.squares + 0.25) / (self.rounds + 1.0))
        } else {
            (0.0, 0.25)
        };
        let stake = (mean / square).clamp(0.0, LARGEST_STAKE);
        self.log_wealth += (stake * outcome).ln_1p();
        self.sum += outcome;
        self.squares += outcome * outcome;
        self.rounds += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 0 to 1 that look drawn.
    struct Draws(u64);

    impl Draws {
        fn next(&mut self) -> f64 {
            // Steele, Lea and Flood's splitmix64.
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// Feeds answers whose chance of being good is `truth(difficulty)`, scored by `score(difficulty)`; the mean is 0.6.
    fn fed(seed: u64, calls: usize, truth: fn(f64) -> f64, score: fn(f64, f64) -> f64) -> Guard {
        let mut draws = Draws(seed);
        let mut guard = Guard::default();
        for _ in 0..calls {
            let (ease, noise) = (draws.next(), draws.next());
            let outcome = f64::from(u8::from(draws.next() < truth(ease)));
            guard.observe(outcome, score(ease, noise), 0.6);
        }
        guard
    }

    fn varied(ease: f64) -> f64 {
        0.3 + 0.6 * ease
    }

    #[test]
    fn a_scorer_that_knows_the_prompts_is_found_out_to_help() {
        for seed in 0..50 {
            let guard = fed(seed, 1_000, varied, |ease, _| varied(ease));
            assert_eq!(guard.verdict(), Verdict::Helps, "{seed}: {guard:?}");
            assert!(guard.weight() > 0.7, "{seed}: {guard:?}");
        }
    }

    #[test]
    fn a_scorer_that_guesses_is_switched_off() {
        for seed in 0..50 {
            let guard = fed(seed, 1_000, varied, |_, noise| 0.1 + 0.8 * noise);
            assert_eq!((guard.verdict(), guard.weight()), (Verdict::Harms, 0.0), "{seed}: {guard:?}");
            assert_eq!(guard.shrunk(0.9, 0.6), 0.6);
        }
    }

    #[test]
    fn a_scorer_that_is_no_worse_than_the_mean_is_seldom_switched_off_however_often_one_looks() {
        // Exactly as good as the mean in squared error: half of what it says is right, and it says it twice as loud.
        let wrong = (0..2_000)
            .filter(|seed| {
                let guard =
                    fed(*seed, 1_000, |ease| 0.6 + 0.1 * (ease - 0.5), |ease, _| 0.6 + 0.2 * (ease - 0.5));
                guard.verdict() == Verdict::Harms
            })
            .count();
        assert!(wrong as f64 <= 2_000.0 * ALPHA * 1.5, "{wrong} of 2000");
    }

    #[test]
    fn a_scorer_that_only_says_nothing_loses_its_say_without_a_verdict() {
        // Small deviations without any meaning do next to no harm, and are believed less and less.
        let weights =
            [100, 1_000, 10_000].map(|calls| fed(7, calls, |_| 0.6, |_, noise| 0.55 + 0.1 * noise).weight());
        assert!(weights[2] < 0.5 && weights[2] < weights[0], "{weights:?}");
    }

    #[test]
    fn a_verdict_is_taken_back_when_the_opposite_is_shown() {
        let mut guard = fed(1, 1_000, varied, |_, noise| 0.1 + 0.8 * noise);
        assert_eq!(guard.verdict(), Verdict::Harms);
        let mut draws = Draws(2);
        for _ in 0..2_000 {
            let ease = draws.next();
            let outcome = f64::from(u8::from(draws.next() < varied(ease)));
            guard.observe(outcome, varied(ease), 0.6);
        }
        assert_eq!(guard.verdict(), Verdict::Helps);
    }

    #[test]
    fn what_is_no_number_teaches_nothing() {
        let mut guard = Guard::default();
        for strange in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            guard.observe(strange, 0.5, 0.5);
            guard.observe(0.5, strange, 0.5);
            guard.observe(0.5, 0.5, strange);
        }
        assert_eq!(guard, Guard::default());
        assert_eq!(guard.shrunk(0.9, 0.6), 0.9);
    }
}
