//! Routing models: a text in, a chance of a good answer per model out.
//!
//! ```text
//! folder { manifest.yaml, weights, vocabulary }  ──load──►  RoutingModel { manifest, hash, Box<dyn Scorer> }
//! ScoreText  ──predict──►  Prediction { quality per known model, difficulty, task, features }
//! ```
//!
//! A [`Scorer`] is pure: the same text always gives the same prediction, without I/O, clock or chance. Kinds that need a
//! runtime of their own run in another process and answer with the same [`Prediction`]. What is made of models that a
//! scorer does not know stands in [`response`].

mod features;
pub mod folder;
pub mod manifest;
pub mod response;

use std::sync::Arc;

pub use features::Features;
pub use folder::{Files, FolderError, RoutingModel};
pub use manifest::{Kind, Manifest};
pub use pointsman_config::score_text::ScoreText;
pub use response::Peers;
use response::{estimate, sigmoid};

/// Scores texts. One value serves every thread.
pub trait Scorer: Send + Sync {
    /// Scores one text.
    ///
    /// `quality` of the prediction runs parallel to the models of the manifest that the scorer was made from.
    fn predict(&self, text: &ScoreText, scratch: &mut Scratch) -> Prediction;

    /// How good the model at this position is on an ordinary text; none where the scorer does not say.
    fn usual_quality(&self, _: usize) -> Option<f64> {
        None
    }

    /// What kinds of task there are; [`Prediction::task`] is an index into them.
    fn tasks(&self) -> &[Arc<str>] {
        &[]
    }
}

/// What a scorer says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Probability of a good answer, in the order of the manifest's models.
    pub quality: Box<[f32]>,
    /// How long each model's answer is expected to be, in parts of its usual length, in the same order; not a number where
    /// nothing is known of it, and empty where the scorer does not say.
    pub length: Box<[f32]>,
    /// How hard the text is, in logits: zero is the average text, a good model fails where it is high.
    pub difficulty: f32,
    /// How strongly ability tells on this text; one where the scorer does not say.
    pub discrimination: f32,
    /// How hard the text is, from 0 to 1, for tiers and rules; by default the share of models that fail on it.
    pub complexity: Option<f32>,
    /// Which of [`Scorer::tasks`] it is.
    pub task: Option<u16>,
    /// What the scorer saw, so that it can learn from the call without its text.
    pub features: Features,
}

impl Prediction {
    /// How complex the text is, from 0 to 1: the scorer's own word, else its difficulty on the logistic scale.
    pub fn how_complex(&self) -> f64 {
        self.complexity.map_or_else(|| sigmoid(f64::from(self.difficulty)), f64::from)
    }

    /// How likely a model of this prior quality answers well that the scorer does not know, by its peers where there are any.
    pub fn estimate(&self, prior_quality: f64, peers: Option<&Peers>) -> f64 {
        let of_all = || f64::from(self.difficulty);
        let chance = |position: usize| self.quality.get(position).map_or(0.5, |chance| f64::from(*chance));
        let difficulty = peers.map_or_else(of_all, |peers| peers.difficulty(chance));
        estimate(prior_quality, difficulty, f64::from(self.discrimination))
    }

    /// How long the answer of the model at this position is expected to be, in parts of its usual length; of a model that
    /// the scorer does not know, the mean of those that it knows.
    pub fn length(&self, model: Option<usize>) -> f64 {
        let own = model.and_then(|at| self.length.get(at).copied()).filter(|length| length.is_finite());
        let mean = || {
            let known = self.length.iter().filter(|length| length.is_finite());
            let (sum, count) = known.fold((0.0, 0.0), |(sum, count), length| (sum + length, count + 1.0));
            if count > 0.0 { sum / count } else { 1.0 }
        };
        f64::from(own.unwrap_or_else(mean))
    }
}

/// Room that a thread lends to scorers, so that a prediction allocates little. Contents mean nothing between calls.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Normalised text.
    pub text: String,
    /// Token ids.
    pub tokens: Vec<u32>,
    /// Features or sums of vectors.
    pub numbers: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_nothing_is_known_of_answers_as_much_longer_as_the_others() {
        let prediction = |length: &[f32]| Prediction {
            quality: Box::new([0.5; 3]),
            length: length.into(),
            difficulty: 0.0,
            discrimination: 1.0,
            complexity: None,
            task: None,
            features: Features::of(&[]),
        };
        let told = prediction(&[1.0, 2.0, f32::NAN]);
        assert_eq!([Some(1), Some(2), None].map(|model| told.length(model)), [2.0, 1.5, 1.5]);
        assert_eq!(prediction(&[]).length(Some(0)), 1.0);
    }
}
