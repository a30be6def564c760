//! Kinds of task: learned from the labels of a source, told from the text alone when it counts.
//!
//! What a model makes of a kind is a mean over many prompts; which kind a text is can mostly be read off its words. What
//! is left within a kind is for the latents. Both together are kept on the same few axes: among a dozen models and as
//! many kinds, luck makes winners too.

use std::collections::BTreeMap;

use pointsman_models::embedding::shares;

use crate::fit::{Fit, full};
use crate::outcomes::Source;
use crate::solve::{Rows, Table};

/// A kind is learned from so many prompts.
const LEAST: usize = 30;
/// So many kinds at most, the most frequent ones: each is a latent of 63 KB, and the shipped model may have 10 MB. On MMLU's
/// 57 kinds 24 did no better.
const AT_MOST: usize = 20;
/// A kind's mean counts as if so many ordinary prompts had been seen with it.
const SHRINK: f64 = 10.0;
/// The penalty under which kinds are told apart: labels are no luck, so a light one.
const LIGHT: f64 = 3.0;

/// The labels of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The kinds.
    pub names: Vec<String>,
    /// Which of them each prompt is.
    pub of: Vec<Option<usize>>,
}

/// What was learned of kinds.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// Features to kinds.
    pub fit: Fit,
    /// How much better each model is on each kind: one row per kind.
    pub by_model: Table,
}

impl Labels {
    /// The frequent labels of a source.
    pub fn of(source: &Source) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for prompt in source.prompts.iter().filter(|prompt| !prompt.task.is_empty()) {
            *counts.entry(&prompt.task).or_default() += 1;
        }
        let mut frequent: Vec<(&str, usize)> =
            counts.into_iter().filter(|(_, count)| *count >= LEAST).collect();
        frequent.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        frequent.truncate(AT_MOST);
        // One kind alone tells nothing apart.
        let names: Vec<String> = match &frequent[..] {
            [] | [_] => Vec::new(),
            several => several.iter().map(|(label, _)| (*label).to_owned()).collect(),
        };
        let of =
            source.prompts.iter().map(|prompt| names.iter().position(|name| *name == prompt.task)).collect();
        Self { names, of }
    }

    /// Those of some prompts.
    pub fn only(&self, rows: &[usize]) -> Self {
        Self { names: self.names.clone(), of: rows.iter().map(|row| self.of[*row]).collect() }
    }
}

impl Kinds {
    /// Learns the kinds of these prompts.
    pub fn of(rows: &Rows, quality: &Table, labels: &Labels) -> Self {
        let count = labels.names.len();
        let mut target = Table::zeros(rows.len(), count);
        let known = labels.of.iter().enumerate().filter_map(|(row, kind)| Some((row, (*kind)?)));
        known.for_each(|(row, kind)| target.row_mut(row)[kind] = 1.0);
        let fit = full(rows, &target, LIGHT).of_rank(count);
        Self { fit, by_model: means(quality, labels) }
    }

    /// What kinds say beyond each model's mean.
    pub fn predict(&self, rows: &Rows) -> Table {
        let latents = self.fit.predict(rows);
        let mut share = Table::zeros(rows.len(), latents.columns);
        for row in 0..latents.rows() {
            let numbers: Vec<f32> = latents.row(row).iter().map(|number| *number as f32).collect();
            share
                .row_mut(row)
                .iter_mut()
                .zip(shares(&numbers))
                .for_each(|(to, share)| *to = f64::from(share));
        }
        if share.columns == 0 {
            Table::zeros(rows.len(), self.by_model.columns)
        } else {
            share.times(&self.by_model)
        }
    }

    /// With what kinds say kept on these axes only.
    pub fn on_axes(mut self, axes: &Table) -> Self {
        self.by_model = if axes.numbers.is_empty() {
            Table::zeros(self.by_model.rows(), self.by_model.columns)
        } else {
            self.by_model.times(&axes.transposed()).times(axes)
        };
        self
    }

    /// Outcomes less what their true kinds say of them.
    pub fn without(&self, quality: &Table, labels: &Labels) -> Table {
        let mut rest = quality.clone();
        for (row, kind) in labels.of.iter().enumerate() {
            let Some(kind) = kind else { continue };
            rest.row_mut(row).iter_mut().zip(self.by_model.row(*kind)).for_each(|(cell, by)| *cell -= by);
        }
        rest
    }
}

/// How much better each model is on each kind than on all prompts.
fn means(quality: &Table, labels: &Labels) -> Table {
    let overall = Source::means(quality);
    let mut sums = Table::zeros(labels.names.len(), quality.columns);
    sums.columns = quality.columns;
    let mut counts = sums.clone();
    for (row, kind) in labels.of.iter().enumerate() {
        let Some(kind) = kind else { continue };
        for (model, cell) in quality.row(row).iter().enumerate().filter(|(_, cell)| !cell.is_nan()) {
            sums.row_mut(*kind)[model] += cell - overall[model].unwrap_or(0.0);
            counts.row_mut(*kind)[model] += 1.0;
        }
    }
    sums.numbers.iter_mut().zip(&counts.numbers).for_each(|(sum, count)| *sum /= count + SHRINK);
    sums
}
