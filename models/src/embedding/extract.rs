//! From a text and its tokens to features: dense ones (token vectors, surface) and sparse ones (words and pairs).

use bytes::Bytes;

use super::surface::{self, surface};
use super::terms::{self, Terms};

/// Changes whenever the same text may get other features.
pub const VERSION: u32 = 1;

/// Everything that makes features and is not fitted to outcomes, but for how rare each term is.
#[derive(Clone, Debug)]
pub struct Extractor {
    vectors: Bytes,
    scales: Vec<f32>,
    rarity: Vec<f32>,
    dimensions: usize,
}

/// The features of one text; to be used again for the next.
#[derive(Clone, Debug, Default)]
pub struct Extracted {
    /// The mean token vector, then the surface.
    pub dense: Vec<f32>,
    /// Words and pairs.
    pub terms: Terms,
}

impl Extractor {
    /// From a table of signed bytes with one scale per row, and how rare each word and pair is.
    ///
    /// The table has one row of `dimensions` bytes per scale; `rarity` is as long as [`terms::places`].
    pub fn new(vectors: Bytes, scales: Vec<f32>, rarity: Vec<f32>, dimensions: usize) -> Self {
        assert_eq!(vectors.len(), scales.len() * dimensions, "one row per scale");
        assert_eq!(rarity.len(), terms::places(scales.len()).len(), "one rarity per place");
        Self { vectors, scales, rarity, dimensions }
    }

    /// How many tokens there are.
    pub fn vocabulary(&self) -> usize {
        self.scales.len()
    }

    /// How many dense features a text has.
    pub fn dense(&self) -> usize {
        self.dimensions + surface::COUNT
    }

    /// How many places sparse features have.
    pub fn places(&self) -> usize {
        self.rarity.len()
    }

    /// How rare each word and pair is.
    pub fn rarity(&self) -> &[f32] {
        &self.rarity
    }

    /// The same with other rarities, as they were counted over other texts.
    pub fn with_rarity(mut self, rarity: Vec<f32>) -> Self {
        assert_eq!(rarity.len(), self.rarity.len(), "one rarity per place");
        self.rarity = rarity;
        self
    }

    /// Writes the features of a text.
    pub fn extract(&self, text: &str, tokens: &[u32], out: &mut Extracted) {
        terms::counted(tokens, self.vocabulary(), &mut out.terms);
        terms::weighted(&mut out.terms, &self.rarity);
        out.dense.clear();
        out.dense.resize(self.dimensions, 0.0);
        let words = out.terms.partition_point(|(place, _)| (*place as usize) < self.vocabulary());
        let mut weight = 0.0;
        for (token, value) in &out.terms[..words] {
            let row = self.row(*token as usize);
            let scale = value * self.scales[*token as usize];
            weight += value;
            out.dense.iter_mut().zip(row).for_each(|(sum, byte)| *sum += scale * f32::from(*byte as i8));
        }
        if weight > 0.0 {
            out.dense.iter_mut().for_each(|sum| *sum /= weight);
        }
        surface(text, tokens.len(), &mut out.dense);
    }

    fn row(&self, token: usize) -> &[u8] {
        &self.vectors[token * self.dimensions..(token + 1) * self.dimensions]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extractor() -> Extractor {
        let vectors = Bytes::from_static(&[10, 0, 0, 246, 1, 1]);
        Extractor::new(vectors, vec![0.1, 0.2, 1.0], vec![1.0; terms::places(3).len()], 2)
    }

    #[test]
    fn the_dense_features_begin_with_the_mean_of_the_token_vectors() {
        let mut out = Extracted::default();
        extractor().extract("a b", &[0, 1], &mut out);
        assert_eq!(out.dense.len(), extractor().dense());
        assert!((out.dense[0] - 0.5).abs() < 1e-6 && (out.dense[1] + 1.0).abs() < 1e-6, "{:?}", out.dense);
        assert_eq!(out.terms.len(), 3, "two words and a pair");
    }

    #[test]
    fn nothing_of_the_last_text_is_left_in_the_next() {
        let (mut used, mut fresh) = (Extracted::default(), Extracted::default());
        extractor().extract("a b", &[0, 1], &mut used);
        extractor().extract("c", &[2], &mut used);
        extractor().extract("c", &[2], &mut fresh);
        assert_eq!((used.dense, used.terms), (fresh.dense, fresh.terms));
    }

    #[test]
    fn an_empty_text_has_zeros_for_a_mean() {
        let mut out = Extracted::default();
        extractor().extract("", &[], &mut out);
        assert_eq!(out.dense[..2], [0.0, 0.0]);
        assert!(out.dense.iter().all(|number| number.is_finite()));
    }
}
