//! What a scorer saw of a text, small enough to be kept with every call: numbers of 16 bits, no words.

/// The features of one text as the upper halves of `f32`s (bfloat16): three significant digits at any magnitude, so
/// that averages of vectors and counts keep equally well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Box<[u16]>);

impl Features {
    /// Keeps these numbers, rounded to the nearest.
    pub fn of(numbers: &[f32]) -> Self {
        Self(numbers.iter().copied().map(upper_half).collect())
    }

    /// The numbers again.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = f32> {
        self.0.iter().map(|half| f32::from_bits(u32::from(*half) << 16))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the scorer keeps none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As bytes, the lower byte of each number first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|half| half.to_le_bytes()).collect()
    }

    /// From such bytes; none where they are of odd length or a number is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pairs, []) = bytes.as_chunks::<2>() else { return None };
        let features = Self(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect());
        let finite = features.numbers().all(f32::is_finite);
        finite.then_some(features)
    }
}

/// The nearest number that fits the upper half; ties go to the even one. What is not finite becomes zero.
fn upper_half(number: f32) -> u16 {
    if !number.is_finite() {
        return 0;
    }
    let bits = number.to_bits();
    let rounded = bits.saturating_add(0x7fff + (bits >> 16 & 1));
    let half = (rounded >> 16) as u16;
    // The largest numbers would round up to infinity.
    if half & 0x7f80 == 0x7f80 { (bits >> 16) as u16 } else { half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_at_any_magnitude() {
        let numbers = [0.0, 1.0, -1.0, 0.001_234, -123.456, 2048.0, 1e-20, 3.3e38, -3.4e38];
        let features = Features::of(&numbers);
        for (kept, number) in features.numbers().zip(numbers) {
            assert!((kept - number).abs() <= number.abs() * 0.008, "{number} became {kept}");
        }
        assert_eq!(Features::of(&[f32::NAN, f32::INFINITY]).numbers().collect::<Vec<_>>(), [0.0, 0.0]);
    }

    #[test]
    fn bytes_come_back_as_they_were() {
        let features = Features::of(&[0.5, -3.25, 100.0]);
        assert_eq!(features.numbers().collect::<Vec<_>>(), [0.5, -3.25, 100.0]);
        assert_eq!(Features::from_bytes(&features.to_bytes()), Some(features));
        assert_eq!(Features::from_bytes(&[1, 2, 3]), None);
        assert_eq!(Features::from_bytes(&[0x80, 0x7f]), None, "infinity");
    }
}
