//! How likely a model answers well that no scorer was trained on: an item-response estimate.
//!
//! The model's prior quality is its ability, and how much harder than usual a text is for its peers is the difficulty of the
//! item: `P(good) = sigmoid(discrimination x logit(quality) - difficulty)`. On an ordinary text that is the prior itself;
//! on easy texts all models come close to one, and on hard ones the stronger model is worth more.
//!
//! Peers are the known models of about the same ability. What is hard for weak models is not for strong ones: with the
//! difficulty over all models alike, a strong newcomer beside known ones as strong was chosen for the wrong texts, and lost
//! to a blind mix (docs/decisions/0011-no-pruning-by-averages.md has the figures).

/// Abilities beyond these are not believed: a prior of 0 or 1 would hold whatever the text.
const SURE: f64 = 0.98;
/// No text is beyond doubt.
const CHANCES: (f64, f64) = (0.01, 0.99);
/// In logits: how far apart the abilities of peers are (the standard deviation of a normal kernel).
const ALIKE: f64 = 0.3;
/// Whoever counts less than this share of the nearest is no peer.
const LEAST: f64 = 1e-3;

/// The probability of a good answer of a model with this prior quality on a text of this difficulty.
pub fn estimate(prior_quality: f64, difficulty: f64, discrimination: f64) -> f64 {
    let ability = logit(prior_quality.clamp(1.0 - SURE, SURE));
    sigmoid(discrimination * ability - difficulty)
}

/// The known models by which one that is not known is estimated.
#[derive(Clone, Debug, PartialEq)]
pub struct Peers(Box<[Peer]>);

#[derive(Clone, Debug, PartialEq)]
struct Peer {
    position: usize,
    /// Of all peers the weights add up to one.
    weight: f64,
    /// In logits, on an ordinary text.
    ability: f64,
}

impl Peers {
    /// Those of a model with this prior quality, among known ones: where each stands in predictions, and its quality on an
    /// ordinary text. None where none is known.
    pub fn of(prior_quality: f64, known: impl Iterator<Item = (usize, f64)>) -> Option<Self> {
        let own = sure(prior_quality);
        let known: Vec<(usize, f64)> = known.map(|(position, quality)| (position, sure(quality))).collect();
        // Of the exponent, so that the nearest counts however far it is.
        let far = |ability: f64| ((ability - own) / ALIKE).powi(2) / 2.0;
        let nearest = known.iter().map(|(_, ability)| far(*ability)).min_by(f64::total_cmp)?;
        let mut peers: Vec<Peer> = known
            .into_iter()
            .map(|(position, ability)| Peer { position, weight: (nearest - far(ability)).exp(), ability })
            .filter(|peer| peer.weight >= LEAST)
            .collect();
        let sum: f64 = peers.iter().map(|peer| peer.weight).sum();
        peers.iter_mut().for_each(|peer| peer.weight /= sum);
        Some(Self(peers.into()))
    }

    /// How much harder than an ordinary text one is for them, in logits, by each known model's chance on it.
    pub fn difficulty(&self, chance: impl Fn(usize) -> f64) -> f64 {
        self.0.iter().map(|peer| peer.weight * (peer.ability - sure(chance(peer.position)))).sum()
    }
}

/// `1 / (1 + exp(-x))`
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The inverse of [`sigmoid`].
pub fn logit(probability: f64) -> f64 {
    (probability / (1.0 - probability)).ln()
}

fn sure(chance: f64) -> f64 {
    logit(chance.clamp(CHANCES.0, CHANCES.1))
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

    #[test]
    fn a_newcomer_fares_like_those_of_its_ability() {
        // Two strong models, whom the text is easy, and two weak ones, whom it is hard.
        let usual = [0.80, 0.82, 0.30, 0.28];
        let chances = [0.90, 0.92, 0.10, 0.10];
        let difficulty = |prior: f64| {
            let peers = Peers::of(prior, usual.into_iter().enumerate()).expect("some are known");
            peers.difficulty(|position| chances[position])
        };
        assert!(
            difficulty(0.81) < -0.5 && difficulty(0.29) > 0.5,
            "{} {}",
            difficulty(0.81),
            difficulty(0.29)
        );
        assert!(estimate(0.81, difficulty(0.81), 1.0) > 0.88);
        // Whoever has no equal fares like the nearest.
        assert!(
            (difficulty(0.99) - difficulty(0.82)).abs() < 0.2,
            "{} {}",
            difficulty(0.99),
            difficulty(0.82)
        );
        assert!((difficulty(0.01) - difficulty(0.28)).abs() < 0.2);
    }

    #[test]
    fn an_ordinary_text_is_of_no_difficulty_to_anybody() {
        let usual = [0.9, 0.6, 0.4];
        let peers = Peers::of(0.7, usual.into_iter().enumerate()).expect("some are known");
        assert!(peers.difficulty(|position| usual[position]).abs() < 1e-12);
        assert_eq!(Peers::of(0.7, std::iter::empty()), None);
    }
}
