//! How long answers get: learned from how long they were, told from the text alone when it counts.
//!
//! Most of what a call costs is its answer, and a text that makes one model write much makes the others too. One latent is
//! enough: models differ in how much they write, hardly in what they write much about.

use pointsman_models::embedding::LONGEST;

use crate::fit::{Fit, full};
use crate::outcomes::Source;
use crate::solve::{Rows, Table};

/// The penalty under which lengths are fitted.
const PENALTY: f64 = 30.0;
/// How many latents.
const RANK: usize = 1;
/// Keeps the logarithm of an answer of one word from weighing more than that of an essay.
const SOME_TOKENS: f64 = 10.0;

/// What was learned of lengths.
#[derive(Clone, Debug)]
pub struct Lengths {
    /// Features to the logarithm of the length, beyond the mean of each model.
    pub fit: Fit,
    /// Tokens of each model where its latents are zero; none where nothing was measured.
    pub usual: Vec<Option<f64>>,
}

impl Lengths {
    /// Learns from these prompts; none where no answer was measured.
    pub fn of(rows: &Rows, tokens: &Table) -> Option<Self> {
        let measured = Source::means(tokens);
        if measured.iter().all(Option::is_none) {
            return None;
        }
        // What is not there stays no number.
        let logarithms = tokens.numbers.iter().map(|tokens| (tokens + SOME_TOKENS).ln());
        let logarithms = Table { numbers: logarithms.collect(), columns: tokens.columns };
        let mut fit = full(rows, &logarithms, PENALTY).of_rank(RANK);
        fit.mean.fill(0.0);
        // The mean of what is predicted for these prompts is what was measured on them.
        let times = Self { fit: fit.clone(), usual: vec![Some(1.0); tokens.columns] }.predict(rows);
        let usual = measured.into_iter().enumerate().map(|(model, measured)| {
            let seen = (0..rows.len()).filter(|row| !tokens.row(*row)[model].is_nan());
            let (sum, count) = seen.fold((0.0, 0.0), |(s, n), row| (s + times.row(row)[model], n + 1.0));
            Some(measured? * count / sum)
        });
        Some(Self { usual: usual.collect(), fit })
    }

    /// How many tokens every model answers to these texts; not a number where nothing is known of it.
    pub fn predict(&self, rows: &Rows) -> Table {
        let longest = f64::from(LONGEST);
        let mut predicted = self.fit.predict(rows);
        for row in 0..predicted.rows() {
            for (number, usual) in predicted.row_mut(row).iter_mut().zip(&self.usual) {
                *number = usual.map_or(f64::NAN, |usual| usual * number.clamp(-longest, longest).exp());
            }
        }
        predicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every other text asks for an essay; the second model writes twice as much, the third was not measured.
    fn answers() -> (Rows, Table) {
        let mut rows = Rows::new(2);
        let mut tokens = Table::zeros(400, 3);
        for row in 0..400 {
            let essay = row % 2;
            rows.push([(essay as u32, 1.0)]);
            let long = 100.0 + 200.0 * essay as f64;
            tokens.row_mut(row).copy_from_slice(&[long, 2.0 * long, f64::NAN]);
        }
        tokens.row_mut(7)[1] = f64::NAN;
        (rows, tokens)
    }

    #[test]
    fn longer_answers_are_expected_where_they_were_longer_and_the_mean_stays() {
        let (rows, tokens) = answers();
        let predicted = Lengths::of(&rows, &tokens).expect("two models were measured").predict(&rows);
        let (short, essay) = (predicted.row(0), predicted.row(1));
        assert!(essay[0] > 1.8 * short[0] && essay[1] > 1.8 * short[1], "{short:?} {essay:?}");
        assert!((short[1] / short[0] - 2.0).abs() < 0.1 && essay[2].is_nan());
        let mean = Source::means(&predicted)[0].expect("it is known");
        assert!((mean - 200.0).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn nothing_is_learned_where_nothing_was_measured() {
        let (rows, mut tokens) = answers();
        tokens.numbers.fill(f64::NAN);
        assert!(Lengths::of(&rows, &tokens).is_none());
    }
}
