//! Amounts that carry their unit: `500 USD`, `2000000 Tokens`, `600 Requests`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Nano;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unit {
    /// Money, counted in nano-USD.
    #[serde(rename = "USD")]
    Usd,
    /// Input plus output tokens.
    Tokens,
    /// Attempts that were sent to a provider.
    Requests,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usd => "USD",
            Self::Tokens => "Tokens",
            Self::Requests => "Requests",
        })
    }
}

/// A quantity of one unit: nano-USD, tokens or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// How much, in nano-USD for [`Unit::Usd`].
    pub value: u64,
    /// Of what.
    pub unit: Unit,
}

/// A text that is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an amount with a unit: write 500 USD, 500 Tokens or 500 Requests")]
pub struct ParseAmountError {
    text: String,
}

impl Amount {
    /// Parses `500 USD`, `20000 Tokens` or `60 Requests`; only USD may have decimals.
    pub fn parse(text: &str) -> Result<Self, ParseAmountError> {
        let error = || ParseAmountError { text: text.to_owned() };
        let (number, unit) = text.split_once(' ').ok_or_else(error)?;
        let (value, unit) = match unit {
            "USD" => (Nano::parse_usd(number).map_err(|_| error())?.0, Unit::Usd),
            "Tokens" => (whole(number).ok_or_else(error)?, Unit::Tokens),
            "Requests" => (whole(number).ok_or_else(error)?, Unit::Requests),
            _ => return Err(error()),
        };
        Ok(Self { value, unit })
    }
}

impl fmt::Display for Amount {
    /// For people: `$500`, `$0.25`, `20000 Tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Usd => write!(f, "${}", Nano(self.value).to_string().trim_end_matches(".00")),
            unit => write!(f, "{} {unit}", self.value),
        }
    }
}

fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_carry_their_unit() {
        for (text, value, unit, shown) in [
            ("500 USD", 500_000_000_000, Unit::Usd, "$500"),
            ("0.25 USD", 250_000_000, Unit::Usd, "$0.25"),
            ("2000000 Tokens", 2_000_000, Unit::Tokens, "2000000 Tokens"),
            ("600 Requests", 600, Unit::Requests, "600 Requests"),
        ] {
            assert_eq!(Amount::parse(text).unwrap(), Amount { value, unit });
            assert_eq!(Amount { value, unit }.to_string(), shown);
        }
    }

    #[test]
    fn amounts_without_a_known_unit_are_refused() {
        for text in
            ["500", "$500", "500USD", "500 usd", "1.5 Tokens", "-1 USD", "", " USD", "1  USD", "1 USD "]
        {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }
}
