//! Header values written byte by byte: the formatting machinery costs more than a decision does.

use http::HeaderValue;
use pointsman_config::money::Nano;
use smallvec::SmallVec;

/// A header value in the making.
#[derive(Default)]
pub(super) struct Line(SmallVec<[u8; 128]>);

impl Line {
    /// What no header can carry becomes `?`: names of models may be any text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let printable = |byte| if (b' '..=b'~').contains(&byte) { byte } else { b'?' };
        self.0.extend(text.bytes().map(printable));
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let mut digits = Digits::default();
        digits.write(number, 1);
        self.0.extend_from_slice(digits.as_slice());
        self
    }

    /// As `Nano` displays itself: exact, at least two decimals, no further zeros.
    pub(super) fn usd(&mut self, amount: Nano) -> &mut Self {
        let (whole, mut rest, mut places) = (amount.0 / 1_000_000_000, amount.0 % 1_000_000_000, 9);
        while places > 2 && rest.is_multiple_of(10) {
            (rest, places) = (rest / 10, places - 1);
        }
        let mut digits = Digits::default();
        digits.write(rest, places);
        digits.point();
        digits.write(whole, 1);
        self.0.extend_from_slice(digits.as_slice());
        self
    }

    /// Milliseconds with one decimal.
    pub(super) fn millis(&mut self, time: std::time::Duration) -> &mut Self {
        let tenths = u64::try_from((time.as_micros() + 50) / 100).unwrap_or(u64::MAX);
        let mut digits = Digits::default();
        digits.write(tenths % 10, 1);
        digits.point();
        digits.write(tenths / 10, 1);
        self.0.extend_from_slice(digits.as_slice());
        self
    }

    pub(super) fn header(&mut self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("visible ASCII only")
    }
}

/// Digits, written from the last to the first: a number of 64 bits with a point fits.
struct Digits {
    bytes: [u8; 32],
    start: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Self { bytes: [b'0'; 32], start: 32 }
    }
}

impl Digits {
    /// Puts a number before what is there, with zeros before it up to a length.
    fn write(&mut self, mut number: u64, at_least: usize) {
        let end = self.start;
        while number > 0 || end - self.start < at_least {
            self.start -= 1;
            self.bytes[self.start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }

    fn point(&mut self) {
        self.start -= 1;
        self.bytes[self.start] = b'.';
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
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
