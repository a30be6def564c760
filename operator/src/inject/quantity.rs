//! How much is `50m`, and is it as much as `0.05`?

/// The amount in billionths; none for what is no quantity.
pub(super) fn parse(text: &str) -> Option<i128> {
    const BILLION: i128 = 1_000_000_000;
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => BILLION,
        "k" => 1_000 * BILLION,
        "M" => 1_000_000 * BILLION,
        "G" => BILLION * BILLION,
        "T" => 1_000 * BILLION * BILLION,
        "P" => 1_000_000 * BILLION * BILLION,
        "E" => BILLION * BILLION * BILLION,
        "Ki" => BILLION << 10,
        "Mi" => BILLION << 20,
        "Gi" => BILLION << 30,
        "Ti" => BILLION << 40,
        "Pi" => BILLION << 50,
        "Ei" => BILLION << 60,
        exponent => {
            let power: u32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            BILLION.checked_mul(10_i128.checked_pow(power)?)?
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = fraction.trim_end_matches('0');
    let unscaled: i128 = format!("{whole}{digits}").parse().ok()?;
    Some(unscaled.checked_mul(scale)? / 10_i128.checked_pow(u32::try_from(digits.len()).ok()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_is_equal_however_it_is_spelt() {
        for (one, other) in [
            ("1", "1000m"),
            ("0.05", "50m"),
            ("1Gi", "1024Mi"),
            ("1G", "1e9"),
            ("1.50", "1500m"),
            (".5", "500m"),
        ] {
            assert_eq!(parse(one), parse(other), "{one} {other}");
            assert!(parse(one).is_some(), "{one}");
        }
        for nothing in ["", "m", "1x", "1e", "--1", "ten"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }
}
