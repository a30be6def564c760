//! Personal data that its form gives away: patterns, and check digits where there are any.
//!
//! Luhn's check digit is that of ISO/IEC 7812-1, an IBAN's are those of ISO 13616 (ISO 7064, modulo 97).

use std::sync::LazyLock;

use pointsman_config::policy::Pii;
use regex::Regex;

static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"));
/// A plus sign and the country's code, or three, three and four digits.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\+[1-9](?:[ ./()-]{0,2}[0-9]){7,14}\b|(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}\b",
    )
});
/// 13 to 19 digits, of the issuers of cards.
static CARD: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[2-6](?:[ -]?[0-9]){12,18}\b"));
static IBAN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"));
static SOCIAL_SECURITY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b([0-9]{3})-([0-9]{2})-([0-9]{4})\b"));

fn pattern(regex: &str) -> Regex {
    Regex::new(regex).expect("it is written here and tested")
}

/// Whether data of one of these kinds stands in the text.
pub(crate) fn stands_in(text: &str, kinds: &[Pii]) -> bool {
    kinds.iter().any(|kind| match kind {
        Pii::Email => EMAIL.is_match(text),
        Pii::PhoneNumber => PHONE.is_match(text),
        Pii::PaymentCard => CARD.find_iter(text).any(|found| is_luhn(found.as_str())),
        Pii::Iban => IBAN.find_iter(text).any(|found| is_account(found.as_str())),
        Pii::UsSocialSecurity => SOCIAL_SECURITY.captures_iter(text).any(|found| {
            let [area, group, serial] = found.extract().1;
            area != "000" && area != "666" && !area.starts_with('9') && group != "00" && serial != "0000"
        }),
    })
}

/// Every second digit from the right is doubled; the sum of all digits is a multiple of ten.
fn is_luhn(number: &str) -> bool {
    let digits = number.bytes().rev().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let doubled = digits.enumerate().map(|(place, digit)| match (place % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) => twice / 10 + twice % 10,
    });
    doubled.sum::<u32>().is_multiple_of(10)
}

/// With the first four characters last and letters as 10 to 35, the number leaves 1 when divided by 97. What follows an
/// account looks like a part of it, so shorter readings count too.
fn is_account(text: &str) -> bool {
    let characters: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let leaves_one = |length: usize| {
        let turned = characters[4..length].iter().chain(&characters[..4]);
        let rest = turned.fold(0, |rest, value| (rest * if *value < 10 { 10 } else { 100 } + value) % 97);
        rest == 1
    };
    (15..=characters.len().min(34)).any(leaves_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Pii; 5] = [Pii::Email, Pii::PhoneNumber, Pii::PaymentCard, Pii::Iban, Pii::UsSocialSecurity];

    fn found(text: &str) -> Vec<Pii> {
        ALL.into_iter().filter(|kind| stands_in(text, &[*kind])).collect()
    }

    /// Numbers that issuers and standards publish as examples.
    #[test]
    fn what_has_the_form_and_the_check_digits_is_found() {
        for (text, expected) in [
            ("write to jane.doe+test@mail.example.co.uk, please", Pii::Email),
            ("call +49 (0)30 1234567 after nine", Pii::PhoneNumber),
            ("call +14155552671", Pii::PhoneNumber),
            ("call (415) 555-2671 or come", Pii::PhoneNumber),
            ("call 415-555-2671 or come", Pii::PhoneNumber),
            ("card 4111 1111 1111 1111, valid to 12/29", Pii::PaymentCard),
            ("card 5555-5555-5555-4444.", Pii::PaymentCard),
            ("amex 378282246310005", Pii::PaymentCard),
            ("pay DE89 3704 0044 0532 0130 00 by Friday", Pii::Iban),
            ("pay GB82WEST12345698765432", Pii::Iban),
            ("my IBAN NO93 8601 1117 947", Pii::Iban),
            ("SSN 123-45-6789", Pii::UsSocialSecurity),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn what_only_resembles_it_is_not() {
        for text in [
            "",
            "user@localhost and @mentions",
            "2026-11-21 12:30:45.123 and 10.244.0.36:14101",
            "card 4111 1111 1111 1112",
            "order 1234567890123456",
            "pay DE88 3704 0044 0532 0130 00",
            "SSN 000-45-6789, 666-45-6789, 900-45-6789, 123-00-6789, 123-45-0000",
            "12 + 34 = 46, 3.14159265358979, 1/3, 555-2671",
            "fn main() { let x = [0u8; 4096]; }",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn only_the_kinds_that_are_asked_for_count() {
        assert!(!stands_in("jane@mail.example.com", &[Pii::Iban, Pii::PaymentCard]));
        assert!(stands_in("jane@mail.example.com", &[Pii::Iban, Pii::Email]));
    }

    #[test]
    fn one_wrong_digit_is_noticed() {
        for place in (0..16).map(|place| "4111111111111111".len() - 1 - place) {
            let mut digits = *b"4111111111111111";
            digits[place] = if digits[place] == b'9' { b'0' } else { digits[place] + 1 };
            assert!(!is_luhn(std::str::from_utf8(&digits).expect("digits")), "place {place}");
        }
    }
}
