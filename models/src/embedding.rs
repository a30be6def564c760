//! The routing model of kind `Embedding`: static token vectors, words and pairs, the surface of the text, and a head of
//! few latent factors.
//!
//! ```text
//! text ─► word pieces ─► { mean token vector, surface } dense ─┐
//!                     └► { words, pairs } sparse               ├─► latents ─► per source: mean + loadings · latents
//! ```
//!
//! Every source of outcomes that it was trained on, or large set of questions within one, has latents of its own, because
//! each was judged in its own way. A gate, itself a latent, says how much a text is like the prompts of a source; what the
//! sources say of a model is mixed by their gates. Further latents say which kind of task a text is, as the source
//! labelled it: what a model makes of the kind is known best. Everything up to there is linear, so a prediction is a sum
//! of table rows.

mod extract;
mod head;
mod settings;
mod surface;
mod terms;

use std::sync::Arc;

use crate::scorer::folder::{Files, FolderError};
use crate::scorer::manifest::Manifest;
use crate::scorer::response::logit;
use crate::scorer::{Features, Prediction, ScoreText, Scorer, Scratch};
use crate::wordpiece::WordPiece;

pub use extract::{Extracted, Extractor, VERSION};
pub use head::{Head, LEAST_GATE, LONGEST, ModelHead, SourceHead, shares};
pub use settings::{Settings, SourceSettings};
pub use surface::COUNT as SURFACE;
pub use terms::{PAIRS, Terms, counted, places};

/// The name of the extractor in manifests.
pub const EXTRACTOR: &str = "words-pairs-vectors-surface";
/// The files of a folder of this kind.
pub const VOCABULARY: &str = "vocabulary.txt";
/// See [`VOCABULARY`].
pub const VECTORS: &str = "vectors.bin";
/// See [`VOCABULARY`].
pub const SCALES: &str = "scales.bin";
/// See [`VOCABULARY`].
pub const RARITY: &str = "rarity.bin";
/// See [`VOCABULARY`].
pub const TERMS: &str = "terms.bin";
/// See [`VOCABULARY`].
pub const HEAD: &str = "head.bin";

/// Texts are not read beyond so many tokens.
pub const TOKENS_AT_MOST: u32 = 512;

/// A model of this kind, ready to score.
pub struct Embedding {
    words: WordPiece,
    extractor: Extractor,
    head: Head,
    /// What each model's answers usually measure; not a number where nobody knows.
    usual_tokens: Vec<f32>,
    tasks: Vec<Arc<str>>,
    tokens_at_most: usize,
}

/// Opens a folder of this kind.
pub(crate) fn open(manifest: &Manifest, files: &Files<'_>) -> Result<Box<dyn Scorer>, FolderError> {
    Ok(Box::new(Embedding::open(manifest, files)?))
}

impl Embedding {
    /// Reads the files of a folder.
    pub fn open(manifest: &Manifest, files: &Files<'_>) -> Result<Self, FolderError> {
        let settings: Settings = manifest.settings()?;
        settings.check(manifest)?;
        let words = WordPiece::new(files.bytes(VOCABULARY)?)
            .map_err(|error| FolderError::new(VOCABULARY, "", error, "copy the folder again"))?;
        let vocabulary = words.size();
        let vectors = files.bytes(VECTORS)?;
        if vectors.len() != vocabulary * settings.dimensions {
            let message = format!(
                "it has {} bytes where {vocabulary} tokens of {} are expected",
                vectors.len(),
                settings.dimensions
            );
            return Err(FolderError::new(
                VECTORS,
                "",
                message,
                "write the folder anew with `pointsman train`",
            ));
        }
        let scales = files.floats(SCALES, vocabulary)?;
        let rarity = files.floats(RARITY, places(vocabulary).len())?;
        let extractor = Extractor::new(vectors, scales, rarity, settings.dimensions);
        let numbers = files.floats(HEAD, Head::numbers(&settings, extractor.dense()))?;
        let head =
            Head::read(&settings, extractor.dense(), files.bytes(TERMS)?, &numbers, extractor.places())?;
        let tasks = settings.tasks.iter().map(|task| Arc::from(task.as_str())).collect();
        let usual = |tokens: &Option<f64>| tokens.map_or(f32::NAN, |tokens| tokens as f32);
        let usual_tokens = settings.output_tokens.iter().map(usual).collect();
        let tokens_at_most = manifest.input.max_tokens as usize;
        Ok(Self { words, extractor, head, usual_tokens, tasks, tokens_at_most })
    }

    /// The vocabulary and tables that features are made with, for training on.
    pub fn extractor(&self) -> (&WordPiece, &Extractor) {
        (&self.words, &self.extractor)
    }
}

impl Scorer for Embedding {
    fn predict(&self, text: &ScoreText, scratch: &mut Scratch) -> Prediction {
        self.words.encode(text.as_str(), self.tokens_at_most, &mut scratch.text, &mut scratch.tokens);
        let mut features = Extracted { dense: std::mem::take(&mut scratch.numbers), ..Extracted::default() };
        self.extractor.extract(text.as_str(), &scratch.tokens, &mut features);
        let latents = self.head.latents(&features);
        let quality = self.head.quality(&latents);
        let difficulty = self.head.difficulty(&quality);
        let tokens = self.head.tokens(&latents);
        let length = tokens.iter().zip(&self.usual_tokens).map(|(tokens, usual)| tokens / usual).collect();
        let failing = quality.iter().map(|q| 1.0 - q).sum::<f32>() / quality.len().max(1) as f32;
        let task = self.head.task(&latents).map(|task| task as u16);
        features.dense.extend_from_slice(&latents);
        let kept = Features::of(&features.dense);
        scratch.numbers = features.dense;
        Prediction {
            quality: quality.into(),
            length,
            difficulty,
            discrimination: 1.0,
            complexity: Some(failing.clamp(0.0, 1.0)),
            task,
            features: kept,
        }
    }

    fn usual_quality(&self, model: usize) -> Option<f64> {
        self.head.usual().get(model).map(|quality| f64::from(*quality))
    }

    fn tasks(&self) -> &[Arc<str>] {
        &self.tasks
    }
}

/// The logit of a chance that is never certain.
fn logit_of(chance: f32) -> f32 {
    logit(f64::from(chance).clamp(0.01, 0.99)) as f32
}
