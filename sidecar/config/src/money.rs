//! Money: integer nano-USD, and prices in nano-USD per million tokens.
//!
//! Outside, money is a decimal string in USD. Inside there is one currency and no floating point: an attempt costs
//! `ceil(sum of tokens x price / 10^6)` nano-USD, rounded once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

const NANO_PER_USD: u64 = 1_000_000_000;
const FRACTION_DIGITS: usize = 9;

/// A decimal string that is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a decimal amount: write digits and at most nine decimals, such as 0.25")]
pub struct ParseDecimalError {
    text: String,
}

/// An amount of money in nano-USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nano(pub u64);

impl Nano {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// More than any budget.
    pub const MAX: Self = Self(u64::MAX);

    /// Parses a decimal amount of USD such as `0.25`.
    pub fn parse_usd(text: &str) -> Result<Self, ParseDecimalError> {
        parse_scaled(text).map(Self)
    }

    /// The amount in USD, for display and for the optimiser; never for accounting.
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / NANO_PER_USD as f64
    }

    /// The sum, at most [`Nano::MAX`].
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Nano {
    /// Exact decimal USD without trailing zeros, at least two decimals: `0.000212`, `1.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANO_PER_USD);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / NANO_PER_USD, &fraction[..kept])
    }
}

impl std::iter::Sum for Nano {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// A price in nano-USD per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PricePerMillion(pub u64);

impl PricePerMillion {
    /// Parses a decimal price in USD per million tokens such as `2.50`.
    pub fn parse_usd(text: &str) -> Result<Self, ParseDecimalError> {
        parse_scaled(text).map(Self)
    }
}

/// What one model costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// Input tokens that were not cached.
    pub input: PricePerMillion,
    /// Output tokens, reasoning included.
    pub output: PricePerMillion,
    /// Input tokens read from the provider's cache; the input price where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<PricePerMillion>,
}

impl Prices {
    /// What `usage` costs, rounded up once to a whole nano-USD.
    pub fn cost(&self, usage: &Usage) -> Nano {
        let cached = usage.cached_input.min(usage.input);
        let sum = tokens_times_price(usage.input - cached, self.input)
            .saturating_add(tokens_times_price(cached, self.cached_input.unwrap_or(self.input)))
            .saturating_add(tokens_times_price(usage.output, self.output));
        Nano(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// The most that `input` and `output` tokens can cost: no cache discount, whichever input price is higher.
    pub fn bound(&self, input: u64, output: u64) -> Nano {
        let input_price = self.input.max(self.cached_input.unwrap_or_default());
        Self { input: input_price, output: self.output, cached_input: None }.cost(&Usage {
            input,
            output,
            ..Usage::default()
        })
    }

    /// Input and output blended three to one, in nano-USD per million tokens.
    pub fn blended(&self) -> PricePerMillion {
        let sum = u128::from(self.input.0) * 3 + u128::from(self.output.0);
        PricePerMillion(u64::try_from(sum.div_ceil(4)).unwrap_or(u64::MAX))
    }

    /// Whether every token is free.
    pub fn is_free(&self) -> bool {
        self.input.0 == 0 && self.output.0 == 0 && self.cached_input.unwrap_or_default().0 == 0
    }
}

fn tokens_times_price(tokens: u64, price: PricePerMillion) -> u128 {
    u128::from(tokens) * u128::from(price.0)
}

/// Parses `digits[.digits]` into units of 10^-9.
fn parse_scaled(text: &str) -> Result<u64, ParseDecimalError> {
    let error = || ParseDecimalError { text: text.to_owned() };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > FRACTION_DIGITS {
        return Err(error());
    }
    let whole: u64 = whole.parse().map_err(|_| error())?;
    let fraction: u64 = format!("{fraction:0<9}").parse().map_err(|_| error())?;
    whole.checked_mul(NANO_PER_USD).and_then(|n| n.checked_add(fraction)).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decimal_usd_is_read_exactly_and_printed_back() {
        for (text, nano, printed) in [
            ("0", 0, "0.00"),
            ("0.25", 250_000_000, "0.25"),
            ("500", 500_000_000_000, "500.00"),
            ("0.000212", 212_000, "0.000212"),
            ("0.000000001", 1, "0.000000001"),
            ("18446744073.709551615", u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(Nano::parse_usd(text).unwrap(), Nano(nano), "{text}");
            assert_eq!(Nano(nano).to_string(), printed);
        }
    }

    #[test]
    fn what_is_not_a_decimal_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "5M",
            "$5",
            "0.0000000001",
            "18446744073.709551616",
            "1 ",
        ] {
            assert!(Nano::parse_usd(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_attempt_is_rounded_up_once() {
        let prices = Prices {
            input: PricePerMillion::parse_usd("0.15").unwrap(),
            output: PricePerMillion::parse_usd("0.60").unwrap(),
            cached_input: Some(PricePerMillion::parse_usd("0.075").unwrap()),
        };
        let usage = Usage { input: 812, cached_input: 100, output: 211, ..Usage::default() };
        // 712 x 150 + 100 x 75 + 211 x 600 = 240 900 nano-USD
        assert_eq!(prices.cost(&usage), Nano(240_900));
        let tiny = Prices { input: PricePerMillion(1), ..Prices::default() };
        assert_eq!(tiny.cost(&Usage { input: 1, ..Usage::default() }), Nano(1));
        assert_eq!(tiny.cost(&Usage::default()), Nano(0));
    }

    #[test]
    fn huge_usage_saturates_instead_of_wrapping() {
        let prices = Prices { input: PricePerMillion(u64::MAX), ..Prices::default() };
        assert_eq!(prices.cost(&Usage { input: u64::MAX, ..Usage::default() }), Nano::MAX);
    }
}
