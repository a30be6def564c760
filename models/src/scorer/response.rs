//! How likely a model answers well that no scorer was trained on: an item-response estimate.
//!
//! The model's prior quality is its ability, the scorer's difficulty is the item's:
//! `P(good) = sigmoid(discrimination x logit(quality) - difficulty)`. On the average text that is the prior itself; on
//! easy texts all models come close to one, and on hard ones the stronger model is worth more.

/// Abilities beyond these are not believed: a prior of 0 or 1 would hold whatever the text.
const SURE: f64 = 0.98;

/// The probability of a good answer of a model with this prior quality on a text of this difficulty.
pub fn estimate(prior_quality: f64, difficulty: f64, discrimination: f64) -> f64 {
    let ability = logit(prior_quality.clamp(1.0 - SURE, SURE));
    sigmoid(discrimination * ability - difficulty)
}

/// `1 / (1 + exp(-x))`
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The inverse of [`sigmoid`].
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_average_text_the_estimate_is_the_prior() {
        for prior in [0.05, 0.5, 0.85, 0.97] {
            assert!((estimate(prior, 0.0, 1.0) - prior).abs() < 1e-12, "{prior}");
        }
    }

    #[test]
    fn a_stronger_model_is_worth_more_on_hard_texts_than_on_easy_ones() {
        let gap = |difficulty| estimate(0.9, difficulty, 1.0) - estimate(0.7, difficulty, 1.0);
        assert!(gap(1.5) > gap(0.0) && gap(0.0) > gap(-1.5), "{} {} {}", gap(1.5), gap(0.0), gap(-1.5));
    }

    #[test]
    fn no_prior_is_beyond_doubt() {
        assert!(estimate(1.0, 6.0, 1.0) < 0.2);
        assert!(estimate(0.0, -6.0, 1.0) > 0.8);
    }
}
