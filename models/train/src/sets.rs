//! Sets of prompts within a source: each large one is fitted apart, and the text tells which one it is like.
//!
//! A publisher who judged models on several sets of questions ("mmlu:law", "gsm8k") put ten times as many of one as of
//! another into the same file. Fitted together, the small one is scored by what the large one taught.

use std::collections::BTreeMap;

use pointsman_models::embedding::LEAST_GATE;

use crate::fit::{Fit, full};
use crate::outcomes::Source;
use crate::solve::{Rows, Table};
use crate::validate::{Complete, Material, Shape};

/// A set is fitted apart when every model has answered so many of its prompts.
const LEAST: usize = 300;
/// The penalty of gates: which set a text comes from is no luck, so a light one.
const LIGHT: f64 = 3.0;

/// The sets of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Sets {
    /// What they are called; one name or more.
    pub names: Vec<String>,
    /// Which of them each prompt belongs to.
    pub of: Vec<usize>,
}

/// What is known of one source, set by set.
#[derive(Clone, Debug)]
pub struct Whole {
    /// What is known of each set.
    pub sets: Vec<Complete>,
    /// Features to gates: one column per set, none where there is one set.
    gates: Option<Fit>,
}

impl Sets {
    /// The large sets of a source, by what stands before the colon of its labels. Prompts of the others belong to the
    /// largest. Where no large set has a colon in its labels they are kinds, and the source is one set.
    pub fn of(source: &Source) -> Self {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, prompt) in source.prompts.iter().enumerate() {
            members.entry(set_of(&prompt.task)).or_default().push(row);
        }
        let known = |row: usize, model: usize| !source.quality.row(row)[model].is_nan();
        let answered = |rows: &[usize], model| rows.iter().filter(|row| known(**row, model)).count();
        let is_large = |rows: &[usize]| (0..source.models.len()).all(|model| answered(rows, model) >= LEAST);
        let mut large: Vec<(&str, Vec<usize>)> =
            members.into_iter().filter(|(_, rows)| is_large(rows)).collect();
        let mut of = vec![0; source.prompts.len()];
        let is_set = |(_, rows): &(&str, Vec<usize>)| source.prompts[rows[0]].task.contains(':');
        if large.len() < 2 || !large.iter().any(is_set) {
            return Self { names: vec![source.name.clone()], of };
        }
        large.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        for (set, (_, rows)) in large.iter().enumerate() {
            rows.iter().for_each(|row| of[*row] = set);
        }
        Self { names: large.iter().map(|(name, _)| format!("{} {name}", source.name)).collect(), of }
    }

    /// Those of some prompts.
    pub fn only(&self, rows: &[usize]) -> Self {
        Self { names: self.names.clone(), of: rows.iter().map(|row| self.of[*row]).collect() }
    }

    /// The prompts of each set.
    pub fn rows(&self) -> Vec<Vec<usize>> {
        let of = |set: usize| (0..self.of.len()).filter(|row| self.of[*row] == set).collect();
        (0..self.names.len()).map(of).collect()
    }

    /// Each set as a source of its own, with its features.
    pub fn apart(&self, source: &Source, rows: &Rows) -> Vec<(Source, Rows)> {
        let named = |(name, own): (&String, Vec<usize>)| {
            (Source { name: name.clone(), ..source.only(&own) }, rows.only(&own))
        };
        self.names.iter().zip(self.rows()).map(named).collect()
    }
}

/// What stands before the first colon of a label; all of it where there is none.
pub fn set_of(task: &str) -> &str {
    task.split(':').next().unwrap_or_default()
}

impl Whole {
    /// Fits each set in its shape.
    pub fn of(material: Material<'_>, sets: &Sets, shapes: &[Shape]) -> Self {
        let apart = sets.apart(material.source, material.rows);
        let fitted = apart.iter().zip(shapes).map(|((source, rows), shape)| {
            Complete::of(Material { source, rows, prices: material.prices }, *shape)
        });
        Self { sets: fitted.collect(), gates: gates(apart.iter().map(|(_, rows)| rows)) }
    }

    /// What every model makes of these texts: what the sets say, mixed by how much the text is like each.
    pub fn predict(&self, rows: &Rows) -> Table {
        let mut said: Vec<Table> = self.sets.iter().map(|set| set.predict(rows)).collect();
        let Some(gates) = &self.gates else { return said.swap_remove(0) };
        let gates = gates.predict(rows);
        let mut mixed = Table::zeros(rows.len(), said[0].columns);
        for row in 0..rows.len() {
            let heard: Vec<f64> =
                gates.row(row).iter().map(|gate| gate.clamp(f64::from(LEAST_GATE), 1.0)).collect();
            let all: f64 = heard.iter().sum();
            for (table, heard) in said.iter().zip(&heard) {
                let cells = mixed.row_mut(row).iter_mut().zip(table.row(row));
                cells.for_each(|(sum, chance)| *sum += heard / all * chance);
            }
        }
        mixed
    }
}

/// How much a text is like the prompts of each part; none where there is one part.
pub fn gates<'a>(parts: impl Iterator<Item = &'a Rows> + Clone) -> Option<Fit> {
    let count = parts.clone().count();
    if count < 2 {
        return None;
    }
    let mut all = Rows::new(parts.clone().next().map_or(0, Rows::width));
    let mut target = Table::zeros(parts.clone().map(Rows::len).sum(), count);
    for (part, rows) in parts.enumerate() {
        for row in 0..rows.len() {
            target.row_mut(all.len())[part] = 1.0;
            all.push(rows.row(row));
        }
    }
    Some(full(&all, &target, LIGHT).of_rank(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcomes::Prompt;
    use crate::validate::cross_validate;

    /// Prompts with these labels, and how the second of two models did on each; the first always fails.
    fn source(labels: &[&str], quality: impl Fn(usize) -> f64) -> Source {
        let prompt = |(row, label): (usize, &&str)| Prompt {
            id: row.to_string(),
            task: (*label).to_owned(),
            contaminated: false,
            text: format!("{label} {row}"),
            input_tokens: 10,
        };
        let mut table = Table::zeros(labels.len(), 2);
        (0..labels.len()).for_each(|row| table.row_mut(row)[1] = quality(row));
        let unknown = Table { numbers: vec![f64::NAN; 2 * labels.len()], columns: 2 };
        Source {
            name: "s".to_owned(),
            models: vec!["weak".to_owned(), "strong".to_owned()],
            prompts: labels.iter().enumerate().map(prompt).collect(),
            quality: table,
            tokens: unknown.clone(),
            cost: unknown,
        }
    }

    #[test]
    fn large_sets_stand_apart_and_small_ones_join_the_largest() {
        let labels = |counts: &[(&'static str, usize)]| -> Vec<&'static str> {
            counts.iter().flat_map(|(label, count)| std::iter::repeat_n(*label, *count)).collect()
        };
        type Case = (&'static [(&'static str, usize)], &'static [&'static str]);
        let cases: &[Case] = &[
            (&[("sums", 300), ("a:x", 200), ("a:y", 200), ("tiny", 9)], &["s a", "s sums"]),
            (&[("sums", 299), ("a:x", 400)], &["s"]),
            // Kinds of one set, not sets.
            (&[("law", 400), ("physics", 400)], &["s"]),
            (&[("law", 400), ("physics", 400), ("other:misc", 3)], &["s"]),
            (&[("a:law", 400), ("a:physics", 400)], &["s"]),
        ];
        for (counts, names) in cases {
            assert_eq!(Sets::of(&source(&labels(counts), |_| 1.0)).names, *names, "{counts:?}");
        }
        let sets = Sets::of(&source(&labels(cases[0].0), |_| 1.0));
        let counts: Vec<usize> = sets.rows().iter().map(Vec::len).collect();
        assert_eq!((counts, sets.of[0], sets.of[708]), (vec![409, 300], 1, 0));
        // A model without outcomes in a set cannot be judged there.
        let gap = |row: usize| if row < 10 { f64::NAN } else { 1.0 };
        assert_eq!(Sets::of(&source(&labels(&[("sums", 305), ("a:x", 400)]), gap)).names, ["s"]);
    }

    /// In a large set one word helps the strong model, in a small one the same word harms it: fitted apart, each is right.
    #[test]
    fn what_a_large_set_teaches_is_not_held_against_a_small_one() {
        let labels: Vec<&str> = (0..2000).map(|row| if row < 1600 { "large:x" } else { "small" }).collect();
        let word = |row: usize| row.is_multiple_of(2);
        let source = source(&labels, |row| f64::from(u8::from(word(row) == (row < 1600))));
        let mut rows = Rows::new(3);
        (0..2000).for_each(|row| {
            let set = if row < 1600 { 0 } else { 1 };
            rows.push([(set, 1.0), (2, f32::from(u8::from(word(row))))]);
        });
        let prices = BTreeMap::new();
        let material = Material { source: &source, rows: &rows, prices: &prices };
        let sets = Sets::of(&source);
        let shape = Shape { penalty: 10.0, rank: 2, kinds: false };
        let apart = Whole::of(material, &sets, &[shape; 2]).predict(&rows);
        let together = cross_validate(material, "salt").swap_remove(0).predicted;
        let right = |table: &Table, row: usize| (table.row(row)[1] - source.quality.row(row)[1]).abs() < 0.5;
        let small = |table: &Table| (1600..2000).filter(|row| right(table, *row)).count();
        assert_eq!(small(&apart), 400);
        assert!(small(&together) < 100, "together it was right on {}", small(&together));
    }
}
