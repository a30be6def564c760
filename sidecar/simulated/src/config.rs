//! What does a simulated provider need to be told?
//!
//! A plain value: whoever starts the provider translates its own configuration into this.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Everything a simulated provider is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedConfig {
    /// The provider's name; it stands in the ids of its answers.
    pub name: String,
    /// The models it serves; a call for any other name is answered with 404.
    pub models: Vec<SimulatedModel>,
    /// JSON Lines of recorded prompts ([`crate::RecordedPrompt`]); without it every answer has the default length.
    #[serde(default)]
    pub outcomes: Option<PathBuf>,
    /// All waits are divided by this; 10 makes a second take 100 ms.
    #[serde(default = "real_time")]
    pub clock_factor: f64,
    /// Which calls fail, and how.
    #[serde(default)]
    pub failures: Failures,
}

/// One model: what it costs, how fast it is, how long its answers are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedModel {
    /// The name that callers send.
    pub name: String,
    /// Nano-USD per million input tokens.
    pub input_price: u64,
    /// Nano-USD per million output tokens.
    pub output_price: u64,
    /// Milliseconds until the first token.
    pub first_token_ms: u64,
    /// Speed of the tokens after the first.
    pub tokens_per_second: u32,
    /// Length of an answer to a prompt that is not in the outcomes.
    pub output_tokens: u32,
}

/// Failures by arithmetic, not by chance: call n fails when n x rate passes a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Failing calls per million.
    pub rate_ppm: u32,
    /// The status that a failing call is answered with.
    pub status: u16,
}

impl Default for Failures {
    fn default() -> Self {
        Failures { rate_ppm: 0, status: 503 }
    }
}

/// A configuration that cannot be served, with its remedy.
#[derive(Debug, Error, PartialEq)]
pub enum ConfigError {
    #[error("models is empty: a simulated provider needs at least one model")]
    NoModels,
    #[error("models has \"{0}\" twice: give each model its own name")]
    DuplicateModel(String),
    #[error("tokens_per_second of model \"{0}\" is 0: write a speed of at least 1")]
    NoSpeed(String),
    #[error("output_tokens of model \"{0}\" is 0: write a length of at least 1")]
    NoLength(String),
    #[error("clock_factor {0} is not a positive number: write 1 for real time, 10 for ten times as fast")]
    ClockFactor(f64),
    #[error("failures.rate_ppm {0} is above one million: the rate is a share of all calls")]
    FailureRate(u32),
    #[error("failures.status {0} is not an error: write a status from 400 to 599")]
    FailureStatus(u16),
}

impl SimulatedConfig {
    /// Refuses what could not be served as written.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_models()?;
        if !(self.clock_factor.is_finite() && self.clock_factor > 0.0) {
            return Err(ConfigError::ClockFactor(self.clock_factor));
        }
        self.failures.validate()
    }

    /// A span of the model's own time, as long as it takes here.
    pub(crate) fn scaled(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds / self.clock_factor).unwrap_or(Duration::MAX)
    }

    pub(crate) fn model(&self, name: &str) -> Option<&SimulatedModel> {
        self.models.iter().find(|model| model.name == name)
    }

    fn validate_models(&self) -> Result<(), ConfigError> {
        if self.models.is_empty() {
            return Err(ConfigError::NoModels);
        }
        for (at, model) in self.models.iter().enumerate() {
            if self.models[..at].iter().any(|earlier| earlier.name == model.name) {
                return Err(ConfigError::DuplicateModel(model.name.clone()));
            }
            model.validate()?;
        }
        Ok(())
    }
}

impl SimulatedModel {
    /// The price of a call by this provider's own arithmetic: rounded up once, to the nano-dollar.
    pub fn cost_nano(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let micro = u128::from(input_tokens) * u128::from(self.input_price)
            + u128::from(output_tokens) * u128::from(self.output_price);
        u64::try_from(micro.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.tokens_per_second == 0 {
            return Err(ConfigError::NoSpeed(self.name.clone()));
        }
        if self.output_tokens == 0 {
            return Err(ConfigError::NoLength(self.name.clone()));
        }
        Ok(())
    }
}

impl Failures {
    /// Whether call number `call` (counted from 1) fails.
    pub fn hits(&self, call: u64) -> bool {
        let whole = |n: u64| u128::from(n) * u128::from(self.rate_ppm) / 1_000_000;
        whole(call) > whole(call.saturating_sub(1))
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.rate_ppm > 1_000_000 {
            return Err(ConfigError::FailureRate(self.rate_ppm));
        }
        if !(400..600).contains(&self.status) {
            return Err(ConfigError::FailureStatus(self.status));
        }
        Ok(())
    }
}

fn real_time() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> SimulatedModel {
        SimulatedModel {
            name: "m".into(),
            input_price: 75_000_000,
            output_price: 300_000_000,
            first_token_ms: 1,
            tokens_per_second: 1,
            output_tokens: 1,
        }
    }

    fn config() -> SimulatedConfig {
        SimulatedConfig {
            name: "p".into(),
            models: vec![model()],
            outcomes: None,
            clock_factor: 1.0,
            failures: Failures::default(),
        }
    }

    #[test]
    fn cost_is_rounded_up_once() {
        for (input, output, expected) in
            [(0, 0, 0), (1, 0, 75), (0, 1, 300), (148, 37, 22_200), (1_000_000, 1_000_000, 375_000_000)]
        {
            assert_eq!(model().cost_nano(input, output), expected, "{input} in, {output} out");
        }
        let odd = SimulatedModel { input_price: 1, output_price: 1, ..model() };
        assert_eq!(odd.cost_nano(1, 1), 1, "two millionths of a nano-dollar are one nano-dollar, not two");
    }

    #[test]
    fn the_failure_rate_is_exact_over_any_million_calls() {
        for rate_ppm in [0, 1, 290_000, 333_333, 500_000, 1_000_000] {
            let failures = Failures { rate_ppm, status: 503 };
            let failed = (1..=1_000_000).filter(|&call| failures.hits(call)).count();
            assert_eq!(failed, rate_ppm as usize);
        }
    }

    #[test]
    fn each_mistake_is_named() {
        let check = |edit: fn(&mut SimulatedConfig), expected: ConfigError| {
            let mut config = config();
            edit(&mut config);
            assert_eq!(config.validate(), Err(expected));
        };
        assert_eq!(config().validate(), Ok(()));
        check(|c| c.models.clear(), ConfigError::NoModels);
        check(|c| c.models.push(model()), ConfigError::DuplicateModel("m".into()));
        check(|c| c.models[0].tokens_per_second = 0, ConfigError::NoSpeed("m".into()));
        check(|c| c.models[0].output_tokens = 0, ConfigError::NoLength("m".into()));
        check(|c| c.clock_factor = 0.0, ConfigError::ClockFactor(0.0));
        check(|c| c.failures.rate_ppm = 1_000_001, ConfigError::FailureRate(1_000_001));
        check(|c| c.failures.status = 200, ConfigError::FailureStatus(200));
    }
}
