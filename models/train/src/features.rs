//! From texts to rows of features: the extractor of the program, its numbers made comparable.
//!
//! Dense features are centred and divided by their spread over the training texts; each block gets a weight, which under
//! a ridge says how much is expected of it. The weights were chosen by cross-validation on the training halves.

use pointsman_config::score_text::ScoreText;
use pointsman_models::embedding::{Extracted, Extractor, TOKENS_AT_MOST, counted, places};
use pointsman_models::wordpiece::WordPiece;

use crate::solve::Rows;

/// How long the block of words and pairs is, of a row of length one or so.
const TERMS: f64 = 0.85;
/// How long the block of token vectors is.
const VECTORS: f64 = 0.4;
/// How long the block of the surface is.
const SURFACE: f64 = 0.35;

/// How features are made and made comparable.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// Makes them.
    pub extractor: Extractor,
    /// The mean of each dense feature.
    pub centre: Vec<f64>,
    /// What each dense feature is multiplied with.
    pub factor: Vec<f64>,
    /// What words and pairs are multiplied with.
    pub terms: f64,
}

/// The tokens of every text.
pub fn tokens<'a>(words: &WordPiece, texts: impl Iterator<Item = &'a str>) -> Vec<(ScoreText, Vec<u32>)> {
    let mut word = String::new();
    texts
        .map(|text| {
            let text = ScoreText::of(text);
            let mut ids = Vec::new();
            words.encode(text.as_str(), TOKENS_AT_MOST as usize, &mut word, &mut ids);
            (text, ids)
        })
        .collect()
}

impl Scaled {
    /// Learns from texts how rare words are, and what is ordinary.
    pub fn over(base: &Extractor, texts: &[(ScoreText, Vec<u32>)]) -> Self {
        let extractor = base.clone().with_rarity(rarity(base, texts));
        let dense = extractor.dense();
        let (mut sum, mut square) = (vec![0.0; dense], vec![0.0; dense]);
        let mut features = Extracted::default();
        for (text, tokens) in texts {
            extractor.extract(text.as_str(), tokens, &mut features);
            for (i, number) in features.dense.iter().map(|number| f64::from(*number)).enumerate() {
                sum[i] += number;
                square[i] += number * number;
            }
        }
        let count = texts.len().max(1) as f64;
        let centre: Vec<f64> = sum.iter().map(|sum| sum / count).collect();
        let vectors = dense - pointsman_models::embedding::SURFACE;
        let factor = (0..dense)
            .map(|i| {
                let spread = (square[i] / count - centre[i] * centre[i]).max(0.0).sqrt();
                let (block, size) = if i < vectors { (VECTORS, vectors) } else { (SURFACE, dense - vectors) };
                if spread > 1e-6 { block / (size as f64).sqrt() / spread } else { 0.0 }
            })
            .collect();
        Self { extractor, centre, factor, terms: TERMS }
    }

    /// The rows of texts.
    pub fn rows(&self, texts: &[(ScoreText, Vec<u32>)]) -> Rows {
        let mut rows = Rows::new(self.width());
        let mut features = Extracted::default();
        for (text, tokens) in texts {
            self.extractor.extract(text.as_str(), tokens, &mut features);
            let dense = features.dense.iter().enumerate().map(|(i, number)| {
                (i as u32, ((f64::from(*number) - self.centre[i]) * self.factor[i]) as f32)
            });
            let first = self.factor.len() as u32;
            let terms =
                features.terms.iter().map(|(place, value)| (first + place, value * self.terms as f32));
            rows.push(dense.chain(terms));
        }
        rows
    }

    /// How many places a row has: the dense features, then words and pairs.
    pub fn width(&self) -> usize {
        self.factor.len() + self.extractor.places()
    }
}

/// The logarithm of how many texts there are to one that has the word or pair.
fn rarity(base: &Extractor, texts: &[(ScoreText, Vec<u32>)]) -> Vec<f32> {
    let mut having = vec![0.0f32; places(base.vocabulary()).len()];
    let mut terms = Vec::new();
    for (_, tokens) in texts {
        counted(tokens, base.vocabulary(), &mut terms);
        terms.iter().for_each(|(place, _)| having[*place as usize] += 1.0);
    }
    let all = texts.len() as f32;
    having.into_iter().map(|having| ((1.0 + all) / (1.0 + having)).ln() + 1.0).collect()
}
