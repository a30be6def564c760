//! Reduced-rank ridge regression: what each model makes of a text, through few latents.
//!
//! First every model's quality is fitted under a heavy penalty; then what was fitted is kept on its first principal axes
//! only. The axes that are dropped are mostly luck: among a dozen models, the one that luck favours would be picked.

use crate::axes::principal;
use crate::solve::{Rows, Table, ridge};

/// Models fitted one by one, and the axes on which they differ, most important first.
#[derive(Clone, Debug)]
pub struct Full {
    weights: Table,
    axes: Vec<Vec<f64>>,
    /// The mean of each model.
    pub mean: Vec<f64>,
}

/// A fit of few latents.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Features to latents.
    pub weights: Table,
    /// Latents to models: one row per latent.
    pub axes: Table,
    /// The mean of each model.
    pub mean: Vec<f64>,
}

/// Fits every column of `targets`; cells that are not numbers are not there.
pub fn full(rows: &Rows, targets: &Table, penalty: f64) -> Full {
    let columns = targets.columns;
    let observed: Vec<Vec<usize>> = (0..columns)
        .map(|column| (0..targets.rows()).filter(|row| !targets.row(*row)[column].is_nan()).collect())
        .collect();
    let mean: Vec<f64> = observed
        .iter()
        .enumerate()
        .map(|(column, rows)| {
            rows.iter().map(|row| targets.row(*row)[column]).sum::<f64>() / rows.len().max(1) as f64
        })
        .collect();
    let mut weights = Table::zeros(rows.width(), columns);
    let mut open: Vec<usize> = (0..columns).collect();
    // Columns with the same gaps are solved together: usually all of them.
    while let Some(first) = open.first().copied() {
        let (same, rest): (Vec<usize>, Vec<usize>) =
            open.iter().copied().partition(|column| observed[*column] == observed[first]);
        open = rest;
        let mut known = Table::zeros(observed[first].len(), same.len());
        for (to, row) in observed[first].iter().enumerate() {
            for (cell, column) in known.row_mut(to).iter_mut().zip(&same) {
                *cell = targets.row(*row)[*column] - mean[*column];
            }
        }
        let fitted = if observed[first].len() == rows.len() {
            ridge(rows, &known, penalty)
        } else {
            ridge(&rows.only(&observed[first]), &known, penalty)
        };
        for place in 0..rows.width() {
            for (number, column) in fitted.row(place).iter().zip(&same) {
                weights.row_mut(place)[*column] = *number;
            }
        }
    }
    let axes = principal(&rows.times(&weights).gram());
    Full { weights, axes, mean }
}

/// The same fit on the axes of all that is known of the texts it was fitted to, `beside` included.
pub fn full_beside(rows: &Rows, targets: &Table, penalty: f64, beside: &Table) -> Full {
    let fitted = full(rows, targets, penalty);
    let mut all = fitted.predict(rows);
    all.numbers.iter_mut().zip(&beside.numbers).for_each(|(sum, beside)| *sum += beside);
    Full { axes: principal(&all.gram()), ..fitted }
}

impl Full {
    /// Keeps the first axes.
    pub fn of_rank(&self, rank: usize) -> Fit {
        let rank = rank.min(self.axes.len());
        let axes = Table { numbers: self.axes[..rank].concat(), columns: self.mean.len() };
        Fit { weights: self.weights.times(&axes.transposed()), axes, mean: self.mean.clone() }
    }

    /// What every model makes of these texts, before axes are dropped.
    pub fn predict(&self, rows: &Rows) -> Table {
        rows.times(&self.weights)
    }

    /// A prediction with the first axes kept and the means added.
    pub fn kept(&self, predicted: &Table, rank: usize) -> Table {
        if rank == 0 {
            return means_of(predicted.rows(), &self.mean);
        }
        let fit_axes =
            Table { numbers: self.axes[..rank.min(self.axes.len())].concat(), columns: self.mean.len() };
        let mut kept = predicted.times(&fit_axes.transposed()).times(&fit_axes);
        add_mean(&mut kept, &self.mean);
        kept
    }
}

impl Fit {
    /// What every model makes of these texts.
    pub fn predict(&self, rows: &Rows) -> Table {
        if self.weights.columns == 0 {
            return means_of(rows.len(), &self.mean);
        }
        let mut predicted = rows.times(&self.weights).times(&self.axes);
        add_mean(&mut predicted, &self.mean);
        predicted
    }
}

fn means_of(rows: usize, mean: &[f64]) -> Table {
    Table { numbers: mean.repeat(rows), columns: mean.len() }
}

fn add_mean(table: &mut Table, mean: &[f64]) {
    for row in 0..table.rows() {
        table.row_mut(row).iter_mut().zip(mean).for_each(|(cell, mean)| *cell += mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of two kinds; two models are good at one kind each, the third at neither.
    fn kinds(count: usize) -> (Rows, Table) {
        let mut rows = Rows::new(3);
        let mut quality = Table::zeros(count, 3);
        for row in 0..count {
            let kind = row % 2;
            rows.push([(kind as u32, 1.0), (2, (row % 7) as f32 * 0.1)]);
            quality.row_mut(row).copy_from_slice(if kind == 0 { &[0.9, 0.3, 0.2] } else { &[0.3, 0.9, 0.2] });
        }
        (rows, quality)
    }

    #[test]
    fn one_latent_is_enough_for_one_difference() {
        let (rows, quality) = kinds(200);
        let predicted = full(&rows, &quality, 0.1).of_rank(1).predict(&rows);
        for (found, truth) in predicted.numbers.iter().zip(&quality.numbers) {
            assert!((found - truth).abs() < 0.05, "{found} {truth}");
        }
    }

    #[test]
    fn without_latents_everything_is_the_mean() {
        let (rows, quality) = kinds(10);
        assert!((full(&rows, &quality, 0.1).of_rank(0).predict(&rows).row(3)[0] - 0.6).abs() < 1e-12);
    }

    #[test]
    fn gaps_are_passed_over() {
        let (rows, mut quality) = kinds(200);
        let truth = quality.clone();
        (0..200).filter(|row| row % 3 != 0).for_each(|row| quality.row_mut(row)[1] = f64::NAN);
        let predicted = full(&rows, &quality, 0.1).of_rank(2).predict(&rows);
        for (found, truth) in predicted.numbers.iter().zip(&truth.numbers) {
            assert!((found - truth).abs() < 0.05, "{found} {truth}");
        }
    }

    #[test]
    fn keeping_axes_of_a_prediction_is_the_prediction_of_the_fit() {
        let (rows, quality) = kinds(50);
        let full = full(&rows, &quality, 1.0);
        let (one, two) = (full.kept(&full.predict(&rows), 1), full.of_rank(1).predict(&rows));
        assert!(one.numbers.iter().zip(&two.numbers).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
