//! Figures as people read them: rounded money, shares, times.

use pointsman_config::amount::{Amount, Unit};
use pointsman_config::money::Nano;

const NANO_PER_CENT: u64 = 10_000_000;

/// `$15.08`, rounded to cents.
pub(super) fn money(nano: u64) -> String {
    let cents = u128::from(nano) + u128::from(NANO_PER_CENT / 2);
    let cents = cents / u128::from(NANO_PER_CENT);
    format!("${}.{:02}", cents / 100, cents % 100)
}

/// `$1893`, or cents below ten dollars.
pub(super) fn round_money(nano: u64) -> String {
    const NANO_PER_USD: u64 = 1_000_000_000;
    if nano < 10 * NANO_PER_USD {
        return money(nano);
    }
    format!("${}", (u128::from(nano) + u128::from(NANO_PER_USD / 2)) / u128::from(NANO_PER_USD))
}

/// A quantity of a limit's unit, rounded for people.
pub(super) fn rounded(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Usd => money(value),
        Unit::Tokens | Unit::Requests => value.to_string(),
    }
}

/// A quantity of a limit's unit, exact.
pub(super) fn exact(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Usd => Nano(value).to_string(),
        Unit::Tokens | Unit::Requests => value.to_string(),
    }
}

/// Reads what [`exact`] wrote.
pub(super) fn parse(text: &str, unit: Unit) -> Option<u64> {
    match unit {
        Unit::Usd => Nano::parse_usd(text).ok().map(|nano| nano.0),
        Unit::Tokens | Unit::Requests => text.parse().ok(),
    }
}

/// `$2000`, `600 Requests`.
pub(super) fn amount(amount: Amount) -> String {
    amount.to_string()
}

/// A share in whole percent, rounded down so that 100% means all; `-` of nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    share(part, whole).map_or_else(|| "-".to_owned(), |share| format!("{share}%"))
}

/// A share in whole percent, rounded down.
pub(super) fn share(part: u64, whole: u64) -> Option<u64> {
    let share = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    Some(u64::try_from(share).unwrap_or(u64::MAX))
}

/// A share with one decimal, for errors: `0.1%`.
pub(super) fn fine_percent(part: u64, whole: u64) -> String {
    let Some(permille) = (u128::from(part) * 1000 + u128::from(whole) / 2).checked_div(u128::from(whole))
    else {
        return "-".to_owned();
    };
    format!("{}.{}%", permille / 10, permille % 10)
}

/// `520ms`, `12.3s`.
pub(super) fn time(millis: Option<u64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 10_000 => format!("{millis}ms"),
        Some(millis) => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_honest() {
        assert_eq!(
            [0, 4_999_999, 5_000_000, 15_080_000_000].map(money),
            ["$0.00", "$0.00", "$0.01", "$15.08"]
        );
        assert_eq!([9_990_000_000, 1_893_499_999_999].map(round_money), ["$9.99", "$1893"]);
        assert_eq!(exact(212_000, Unit::Usd), "0.000212");
        assert_eq!(exact(212_000, Unit::Tokens), "212000");
        assert_eq!([(0, 0), (999, 1000), (1000, 1000)].map(|(a, b)| percent(a, b)), ["-", "99%", "100%"]);
        assert_eq!([(0, 0), (1, 1000), (0, 5)].map(|(a, b)| fine_percent(a, b)), ["-", "0.1%", "0.0%"]);
        assert_eq!([None, Some(520), Some(12_345)].map(time), ["-", "520ms", "12.3s"]);
    }
}
