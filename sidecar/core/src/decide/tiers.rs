//! Which tier a text is for: by its complexity, else by its length.
//!
//! Asked only where the scores do not tell models apart. The tier is the one with the highest threshold that the text
//! reaches; a tier without any threshold is the lowest. Where nobody knows the complexity, or no tier asks for it, the
//! length of the conversation in tokens decides.

use pointsman_config::policy::TierConfig;
use smallvec::SmallVec;

use crate::snapshot::{CandMask, Policy};

/// The tier that a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierChoice {
    /// Index into the policy's tiers.
    pub tier: usize,
    /// What decided.
    pub by: TierBy,
}

/// What decided on a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierBy {
    /// The complexity of the text.
    Complexity,
    /// Its length in tokens.
    Tokens,
}

/// The tiers from the one that the text is for: then those above it, then those below it, nearest first.
pub(super) fn ladder(
    tiers: &[TierConfig],
    complexity: Option<f64>,
    length: impl FnOnce() -> u64,
) -> Option<(TierBy, SmallVec<[usize; 4]>)> {
    let known = complexity.filter(|_| tiers.iter().any(|tier| tier.min_complexity.is_some()));
    if let Some(complexity) = known {
        return climb(tiers, |tier| tier.min_complexity, |tier| tier.min_tokens.is_some(), || complexity)
            .map(|ladder| (TierBy::Complexity, ladder));
    }
    let threshold = |tier: &TierConfig| tier.min_tokens.map(|min| min as f64);
    climb(tiers, threshold, |tier| tier.min_complexity.is_some(), || length() as f64)
        .map(|ladder| (TierBy::Tokens, ladder))
}

fn climb(
    tiers: &[TierConfig],
    threshold: impl Fn(&TierConfig) -> Option<f64>,
    has_other: impl Fn(&TierConfig) -> bool,
    value: impl FnOnce() -> f64,
) -> Option<SmallVec<[usize; 4]>> {
    // A tier that only asks for something else has no place on this ladder.
    let place = |tier: &TierConfig| threshold(tier).or((!has_other(tier)).then_some(0.0));
    if tiers.iter().all(|tier| threshold(tier).is_none()) {
        return None;
    }
    let mut steps: SmallVec<[(f64, usize); 4]> =
        tiers.iter().enumerate().filter_map(|(i, tier)| Some((place(tier)?, i))).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let value = value();
    let at = steps.iter().rposition(|(least, _)| value >= *least).unwrap_or(0);
    let (below, above) = steps.split_at(at);
    Some(above.iter().chain(below.iter().rev()).map(|(_, i)| *i).collect())
}

/// The candidates of a tier.
pub(super) fn members(policy: &Policy, tier: usize) -> CandMask {
    let is_in = |i: &usize| policy.candidates[*i].tier == Some(tier);
    (0..policy.candidates.len()).filter(is_in).fold(CandMask::default(), CandMask::with)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(name: &str, min_complexity: Option<f64>, min_tokens: Option<u64>) -> TierConfig {
        TierConfig { name: name.to_owned(), min_complexity, min_tokens }
    }

    #[test]
    fn a_text_goes_to_the_highest_tier_that_it_reaches_and_from_there_up_then_down() {
        let tiers = [
            tier("large", Some(0.7), Some(4000)),
            tier("small", None, None),
            tier("medium", Some(0.35), Some(500)),
        ];
        for (complexity, tokens, by, expected) in [
            (Some(0.0), 9999, TierBy::Complexity, [1, 2, 0]),
            (Some(0.35), 0, TierBy::Complexity, [2, 0, 1]),
            (Some(0.69), 0, TierBy::Complexity, [2, 0, 1]),
            (Some(0.7), 0, TierBy::Complexity, [0, 2, 1]),
            (None, 499, TierBy::Tokens, [1, 2, 0]),
            (None, 500, TierBy::Tokens, [2, 0, 1]),
            (None, 4000, TierBy::Tokens, [0, 2, 1]),
        ] {
            let found = ladder(&tiers, complexity, || tokens).expect("thresholds");
            assert_eq!((found.0, found.1.as_slice()), (by, expected.as_slice()), "{complexity:?} {tokens}");
        }
    }

    #[test]
    fn a_threshold_of_the_other_kind_takes_a_tier_off_the_ladder() {
        let tiers =
            [tier("small", None, None), tier("long", None, Some(2000)), tier("hard", Some(0.5), None)];
        let found =
            |complexity, tokens| ladder(&tiers, complexity, || tokens).map(|(_, ladder)| ladder.to_vec());
        assert_eq!(found(Some(0.9), 9000), Some(vec![2, 0]));
        assert_eq!(found(None, 9000), Some(vec![1, 0]));
    }

    #[test]
    fn tiers_without_thresholds_are_names_for_rules_only() {
        assert_eq!(ladder(&[tier("a", None, None), tier("b", None, None)], Some(0.5), || 10), None);
        assert_eq!(ladder(&[], Some(0.5), || 10), None);
        // Only the length is asked for, so that the complexity decides nothing.
        let tiers = [tier("short", None, None), tier("long", None, Some(100))];
        assert_eq!(ladder(&tiers, Some(0.9), || 10).map(|l| (l.0, l.1[0])), Some((TierBy::Tokens, 0)));
    }
}
