//! Header values written byte by byte: the formatting machinery costs more than a decision does.

use http::HeaderValue;
use pointsman_config::money::Nano;
use smallvec::SmallVec;

/// A header value in the making.
#[derive(Default)]
pub(super) struct Line(SmallVec<[u8; 128]>);

impl Line {
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.digits(number, 1);
        self
    }

    /// As `Nano` displays itself: exact, at least two decimals, no further zeros.
    pub(super) fn usd(&mut self, amount: Nano) -> &mut Self {
        self.digits(amount.0 / 1_000_000_000, 1);
        self.0.push(b'.');
        self.digits(amount.0 % 1_000_000_000, 9);
        let zeros = self.0.iter().rev().take(7).take_while(|digit| **digit == b'0').count();
        self.0.truncate(self.0.len() - zeros);
        self
    }

    /// Milliseconds with one decimal.
    pub(super) fn millis(&mut self, time: std::time::Duration) -> &mut Self {
        let tenths = u64::try_from((time.as_micros() + 50) / 100).unwrap_or(u64::MAX);
        self.number(tenths / 10).text(".").number(tenths % 10)
    }

    /// What no header can carry becomes `?`: names of models may be any text.
    pub(super) fn header(&mut self) -> HeaderValue {
        for byte in &mut self.0 {
            *byte = if (b' '..=b'~').contains(byte) { *byte } else { b'?' };
        }
        HeaderValue::from_bytes(&self.0).expect("visible ASCII only")
    }

    fn digits(&mut self, mut number: u64, at_least: usize) {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        while number > 0 || digits.len() - start < at_least {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.0.extend_from_slice(&digits[start..]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn amounts_are_written_as_they_display() {
        for nano in [0, 1, 10, 212_000, 250_000_000, 1_000_000_000, 1_500_000_001, u64::MAX] {
            let line = Line::default().usd(Nano(nano)).header();
            assert_eq!(line.to_str().ok(), Some(Nano(nano).to_string().as_str()));
        }
    }

    #[test]
    fn times_have_one_decimal_and_strange_bytes_none() {
        for (micros, expected) in [(0, "0.0"), (49, "0.0"), (50, "0.1"), (312, "0.3"), (12_345, "12.3")] {
            assert_eq!(Line::default().millis(Duration::from_micros(micros)).header(), expected);
        }
        assert_eq!(Line::default().text("a\nb\u{e9}").number(7).header(), "a?b??7");
    }
}
