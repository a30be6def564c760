//! Durations as Gateway API writes them: `10s`, `1m30s`, `250ms`.

use std::time::Duration;

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a duration: write 250ms, 10s, 2m or 1h30m")]
pub struct ParseDurationError {
    text: String,
}

/// Parses one to four groups of up to five digits and a unit (`h`, `m`, `s`, `ms`), as GEP-2257 defines them.
pub fn parse(text: &str) -> Result<Duration, ParseDurationError> {
    let error = || ParseDurationError { text: text.to_owned() };
    let (mut rest, mut total, mut groups) = (text, Duration::ZERO, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit_end = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count() + digits;
        if digits > 5 || groups == 4 {
            return Err(error());
        }
        let number: u64 = rest[..digits].parse().map_err(|_| error())?;
        let millis = match &rest[digits..unit_end] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(error()),
        };
        total += Duration::from_millis(number * millis);
        groups += 1;
        rest = &rest[unit_end..];
    }
    if groups == 0 { Err(error()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_sums_of_groups() {
        for (text, millis) in
            [("10s", 10_000), ("250ms", 250), ("1m30s", 90_000), ("2h", 7_200_000), ("0s", 0)]
        {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis));
        }
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "100000s",
            "18446744073709551615h",
            "1d",
            "1s1s1s1s1s",
            "10 s",
            "10ü",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
