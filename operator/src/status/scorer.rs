//! What feedback says of a policy's scorer, over its sidecars.

use std::collections::BTreeMap;

use pointsman_config::link::ScorerState;
use pointsman_crds::v1alpha1::routingpolicy::ScorerStatus;

/// The verdicts that are known; sidecars of a later version may say others, which are left out.
const VERDICTS: [&str; 3] = ["Harms", "Helps", "Unproven"];
/// A name ends in a status, which has its limits.
const MOST_NAME: usize = 100;

/// None where nobody scores.
pub(super) fn scorer(states: &[&ScorerState]) -> Option<ScorerStatus> {
    let known: Vec<&ScorerState> =
        states.iter().copied().filter(|state| VERDICTS.contains(&state.verdict.as_str())).collect();
    let models = counted(known.iter().map(|state| state.model.as_str()));
    let model = models.iter().max_by_key(|(_, count)| **count)?.0;
    let weights = known.iter().map(|state| state.weight).filter(|weight| weight.is_finite());
    let weight = weights.map(|weight| weight.clamp(0.0, 1.0)).sum::<f64>() / known.len() as f64;
    let feedback = known.iter().fold(0u64, |sum, state| sum.saturating_add(state.feedback));
    Some(ScorerStatus {
        feedback: i64::try_from(feedback).unwrap_or(i64::MAX),
        model: model.chars().take(MOST_NAME).collect(),
        verdict: verdict(&known),
        weight: format!("{weight:.2}"),
    })
}

fn verdict(known: &[&ScorerState]) -> String {
    let counts = counted(known.iter().map(|state| state.verdict.as_str()));
    if let [(verdict, _)] = counts.iter().collect::<Vec<_>>()[..] {
        return (*verdict).to_owned();
    }
    let told = counts.iter().map(|(verdict, count)| format!("{verdict} in {count} of {}", known.len()));
    told.collect::<Vec<_>>().join(", ")
}

fn counted<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(verdict: &str, weight: f64, feedback: u64) -> ScorerState {
        ScorerState { model: "shipped 1".to_owned(), verdict: verdict.to_owned(), weight, feedback }
    }

    fn told(states: &[ScorerState]) -> Option<(String, String, i64)> {
        let status = scorer(&states.iter().collect::<Vec<_>>())?;
        Some((status.verdict, status.weight, status.feedback))
    }

    #[test]
    fn sidecars_that_agree_are_told_in_a_word_and_others_are_counted() {
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[state("Fine", 1.0, 1)]), None);
        let word = |word: &str, weight: &str, feedback| Some((word.to_owned(), weight.to_owned(), feedback));
        assert_eq!(told(&[state("Harms", 0.0, 40), state("Harms", 0.0, 2)]), word("Harms", "0.00", 42));
        let two = [state("Harms", 0.0, 40), state("Unproven", 1.0, 2), state("Unproven", f64::NAN, 0)];
        assert_eq!(told(&two), word("Harms in 1 of 3, Unproven in 2 of 3", "0.33", 42));
    }
}
