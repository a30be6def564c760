//! What a scorer hands to [`super::decide`]: how well each candidate would answer this text, and what kind of text it is.
//!
//! A plain borrowed value, so that this crate knows of no scorer. Whoever has nothing better passes [`Scores::NONE`]:
//! then every candidate keeps the quality of its model's prior.

use std::sync::Arc;

use serde::Serialize;

/// How the text was scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ScoreMethod {
    /// It was not: the models' prior quality, the same for every text.
    #[default]
    Prior,
    /// By the length of the conversation, which picks a tier.
    TokenLength,
    /// Static token embeddings and a head with one score per model.
    Embedding,
    /// A classifier of prompts: its complexity picks a tier.
    PromptClassifier,
    /// A prompt-to-leaderboard network: one coefficient per model.
    P2l,
}

impl ScoreMethod {
    /// Whether it tells models apart by text. The others tell texts apart, and leave the models to tiers.
    pub fn compares_models(self) -> bool {
        match self {
            Self::Embedding | Self::P2l => true,
            Self::Prior | Self::TokenLength | Self::PromptClassifier => false,
        }
    }
}

/// Where one candidate's quality comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum ScoreSource {
    /// The scorer knows the model.
    Scorer,
    /// The scorer does not know the model; an item-response estimate from its prior and the difficulty of the text.
    Estimate,
    /// The model's prior.
    #[default]
    Prior,
}

/// One candidate's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidateScore {
    /// On the scale of [`Scores::scale`]; without a meaning where `source` is `Prior`.
    pub value: f64,
    /// Where it comes from.
    pub source: ScoreSource,
    /// How long the answer is expected to be, in parts of its usual length. What is no positive number counts as 1.
    pub length: f64,
}

impl CandidateScore {
    /// The model's prior stands.
    pub const PRIOR: Self = Self { value: f64::NAN, source: ScoreSource::Prior, length: 1.0 };
}

/// What the values of scores mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Scale {
    /// Probability of a good answer, from 0 to 1.
    #[default]
    Probability,
    /// Bradley-Terry coefficients; the model card's calibration makes them probabilities: `sigmoid(offset + slope x b)`.
    BradleyTerry {
        /// What stands for a coefficient of 0.
        offset: f64,
        /// How much one unit of the coefficient is worth.
        slope: f64,
    },
}

/// What a scorer says of one text.
#[derive(Clone, Debug, Default)]
pub struct Scores<'a> {
    /// In the order of the policy's candidates; those that are missing have no score.
    pub candidates: &'a [CandidateScore],
    /// What their values mean.
    pub scale: Scale,
    /// How hard the text is, from 0 to 1, where the scorer says so.
    pub complexity: Option<f64>,
    /// What kind of task it is, where the scorer says so.
    pub task: Option<&'a Arc<str>>,
    /// How the text was scored.
    pub method: ScoreMethod,
}

impl Scores<'_> {
    /// Nothing is known of the text.
    pub const NONE: Scores<'static> = Scores {
        candidates: &[],
        scale: Scale::Probability,
        complexity: None,
        task: None,
        method: ScoreMethod::Prior,
    };

    /// The probability of a good answer of candidate `i`; none where there is no score or it is not a number that can be.
    pub(super) fn quality(&self, i: usize) -> Option<(f64, ScoreSource)> {
        let score = self.candidates.get(i).filter(|score| score.source != ScoreSource::Prior)?;
        let quality = match self.scale {
            Scale::Probability => score.value,
            Scale::BradleyTerry { offset, slope } if score.value.is_finite() => {
                sigmoid(offset + slope * score.value)
            }
            Scale::BradleyTerry { .. } => f64::NAN,
        };
        (0.0..=1.0).contains(&quality).then_some((quality, score.source))
    }

    /// How long the answer of candidate `i` is expected to be, in parts of its usual length.
    pub(super) fn length(&self, i: usize) -> f64 {
        let length = self.candidates.get(i).map_or(1.0, |score| score.length);
        if length.is_finite() && length > 0.0 { length } else { 1.0 }
    }

    /// The Bradley-Terry coefficient of candidate `i`, where the scorer knows it.
    pub(super) fn coefficient(&self, i: usize) -> Option<f64> {
        let score = self.candidates.get(i).filter(|score| score.source != ScoreSource::Prior)?;
        Some(score.value).filter(|value| value.is_finite())
    }

    /// How hard the text is, if that is a number from 0 to 1.
    pub(super) fn complexity(&self) -> Option<f64> {
        self.complexity.filter(|complexity| (0.0..=1.0).contains(complexity))
    }
}

/// `1 / (1 + exp(-x))`
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(candidates: &[CandidateScore], scale: Scale) -> Scores<'_> {
        Scores { candidates, scale, ..Scores::NONE }
    }

    fn scored(value: f64) -> CandidateScore {
        CandidateScore { value, source: ScoreSource::Scorer, length: 1.0 }
    }

    #[test]
    fn what_is_not_a_probability_is_no_score() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1] {
            assert_eq!(scores(&[scored(value)], Scale::Probability).quality(0), None, "{value}");
        }
        let known = [scored(0.3), CandidateScore { value: 0.4, source: ScoreSource::Prior, length: 1.0 }];
        let found = [0, 1, 2].map(|i| scores(&known, Scale::Probability).quality(i));
        assert_eq!(found, [Some((0.3, ScoreSource::Scorer)), None, None]);
    }

    #[test]
    fn coefficients_become_probabilities_by_the_calibration() {
        let scale = Scale::BradleyTerry { offset: 0.5, slope: 2.0 };
        let found = scores(&[scored(0.25)], scale).quality(0).map(|(quality, _)| quality);
        assert_eq!(found, Some(1.0 / (1.0 + (-1.0f64).exp())));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(scores(&[scored(value)], scale).quality(0), None, "{value}");
        }
        let broken = Scale::BradleyTerry { offset: 0.0, slope: f64::NAN };
        assert_eq!(scores(&[scored(1.0)], broken).quality(0), None);
    }
}
