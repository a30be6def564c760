//! Cross-validation: which penalty and how many latents, judged by what routing earns, and what that earns on questions
//! that had no part in the choice.

use std::collections::BTreeMap;

use crate::curve::{self, Point, Truth};
use crate::fit::{Fit, full_beside};
use crate::kinds::{Kinds, Labels};
use crate::lengths::Lengths;
use crate::outcomes::{Price, Source};
use crate::sets::{Sets, Whole};
use crate::solve::{Rows, Table};
use crate::split::fold;

/// How many parts the questions are cut into.
pub const FOLDS: u64 = 5;
/// The penalties that are tried, heaviest last.
pub const PENALTIES: [f64; 4] = [10.0, 30.0, 100.0, 300.0];
/// The numbers of latents that are tried.
pub const RANKS: [usize; 5] = [0, 1, 2, 3, 5];

/// How a head is shaped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The ridge.
    pub penalty: f64,
    /// How many latents.
    pub rank: usize,
    /// Whether kinds of task count: they do wherever prompts are labelled, which won on every set.
    pub kinds: bool,
}

/// One shape with what it earned on held-out folds.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The shape.
    pub shape: Shape,
    /// The mean gain over the blind mix, in quality; less the squared error where no costs are known.
    pub gain: f64,
    /// What every model would have made of every prompt, by the folds that did not hold it.
    pub predicted: Table,
}

/// What was chosen for a source, with what it earned on held-out folds.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its sets.
    pub sets: Sets,
    /// The shape of each.
    pub shapes: Vec<Shape>,
    /// See [`Trial::gain`].
    pub gain: f64,
    /// See [`Trial::predicted`].
    pub predicted: Table,
}

/// A source with its features: what is fitted and judged.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The outcomes.
    pub source: &'a Source,
    /// The features of its prompts.
    pub rows: &'a Rows,
    /// Prices of its models.
    pub prices: &'a BTreeMap<String, Price>,
}

/// What judged a curve.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The curve.
    pub curve: Vec<Point>,
    /// The blind mix on the same prompts.
    pub mix: Vec<Point>,
    /// The model of the highest quality.
    pub strongest: Point,
}

/// Which fold each prompt belongs to.
pub fn folds(source: &Source, salt: &str) -> Vec<u64> {
    source.prompts.iter().map(|prompt| fold(&prompt.text, salt, FOLDS)).collect()
}

/// Tries every shape; the best comes first, a heavier penalty and fewer latents before the equal.
pub fn cross_validate(material: Material<'_>, salt: &str) -> Vec<Trial> {
    let folds = folds(material.source, salt);
    let (rows, source) = (material.rows, material.source);
    let mut trials = Vec::new();
    let ranks: Vec<usize> = RANKS.into_iter().filter(|rank| *rank <= source.models.len().max(1)).collect();
    let expected = expected_cost(material, &folds);
    let labels = Labels::of(source);
    let told = !labels.names.is_empty();
    let mut parts = Vec::new();
    for held in 0..FOLDS {
        let (train, test) = parted(&folds, held);
        let (known, quality) = (rows.only(&train), source.only(&train).quality);
        let own = labels.only(&train);
        let kinds = told.then(|| Kinds::of(&known, &quality, &own));
        let asked = rows.only(&test);
        parts.push(Part::of(kinds, &quality, &own, test, known, asked));
    }
    for penalty in PENALTIES.into_iter().rev() {
        let mut predicted: Vec<Table> =
            ranks.iter().map(|_| Table::zeros(rows.len(), source.models.len())).collect();
        for Part { test, known, rest, asked, by_kind, beside, .. } in &parts {
            let fit = full_beside(known, rest, penalty, beside);
            let mut raw = fit.predict(asked);
            raw.numbers.iter_mut().zip(&by_kind.numbers).for_each(|(sum, by_kind)| *sum += by_kind);
            for (table, rank) in predicted.iter_mut().zip(&ranks) {
                let kept = fit.kept(&raw, *rank);
                test.iter().enumerate().for_each(|(i, row)| table.row_mut(*row).copy_from_slice(kept.row(i)));
            }
        }
        for (rank, predicted) in ranks.iter().zip(predicted) {
            let gain = gain(source, &predicted, expected.as_ref());
            trials.push(Trial { shape: Shape { penalty, rank: *rank, kinds: told }, gain, predicted });
        }
    }
    trials.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    trials
}

/// What predictions earn over the blind mix in the mean; less their squared error where no costs are known.
fn gain(source: &Source, predicted: &Table, expected: Option<&Table>) -> f64 {
    let Some(expected) = expected else { return -squared_error(predicted, &source.quality) };
    let judged = judge(source, predicted, expected);
    let gains = curve::gains(&judged.curve, &judged.mix, judged.strongest);
    gains.iter().sum::<f64>() / gains.len() as f64
}

/// The best shape of every set of a source, each by cross-validation on its own prompts.
pub fn choose(material: Material<'_>, salt: &str) -> Chosen {
    let sets = Sets::of(material.source);
    if sets.names.len() == 1 {
        let Trial { shape, gain, predicted } = cross_validate(material, salt).swap_remove(0);
        return Chosen { sets, shapes: vec![shape], gain, predicted };
    }
    let best = |(source, rows): &(Source, Rows)| {
        cross_validate(Material { source, rows, prices: material.prices }, salt)[0].shape
    };
    let shapes: Vec<Shape> = sets.apart(material.source, material.rows).iter().map(best).collect();
    let folds = folds(material.source, salt);
    let mut predicted = Table::zeros(material.rows.len(), material.source.models.len());
    for held in 0..FOLDS {
        let (train, test) = parted(&folds, held);
        let (source, rows) = (material.source.only(&train), material.rows.only(&train));
        let known = Material { source: &source, rows: &rows, prices: material.prices };
        let of = Whole::of(known, &sets.only(&train), &shapes).predict(&material.rows.only(&test));
        test.iter().enumerate().for_each(|(i, row)| predicted.row_mut(*row).copy_from_slice(of.row(i)));
    }
    let gain = gain(material.source, &predicted, expected_cost(material, &folds).as_ref());
    Chosen { sets, shapes, gain, predicted }
}

/// Predictions for every prompt by shapes that were chosen without its fold: what may be claimed.
pub fn nested(material: Material<'_>, salt: &str, progress: &mut dyn FnMut(&str)) -> Table {
    let outer = folds(material.source, &format!("{salt}-outer"));
    let mut predicted = Table::zeros(material.rows.len(), material.source.models.len());
    for held in 0..FOLDS {
        let (train, test) = parted(&outer, held);
        let (source, rows) = (material.source.only(&train), material.rows.only(&train));
        let inner = Material { source: &source, rows: &rows, prices: material.prices };
        let Chosen { sets, shapes, .. } = choose(inner, salt);
        for (name, shape) in sets.names.iter().zip(&shapes) {
            let Shape { penalty, rank, .. } = shape;
            progress(&format!("{name}: fold {} of {FOLDS}: penalty {penalty}, {rank} latents", held + 1));
        }
        let of = Whole::of(inner, &sets, &shapes).predict(&material.rows.only(&test));
        test.iter().enumerate().for_each(|(i, row)| predicted.row_mut(*row).copy_from_slice(of.row(i)));
    }
    predicted
}

/// What every call was expected to cost by those that are not in its fold: how long were the answers to such a text?
pub fn expected_cost(material: Material<'_>, folds: &[u64]) -> Option<Table> {
    cost_beforehand(material, folds, true)
}

/// The same without a word on the text but its length: every answer is as long as the model's usually are.
pub fn usual_cost(material: Material<'_>, folds: &[u64]) -> Option<Table> {
    cost_beforehand(material, folds, false)
}

fn cost_beforehand(material: Material<'_>, folds: &[u64], by_text: bool) -> Option<Table> {
    let source = material.source;
    let mut expected = Table::zeros(source.prompts.len(), source.models.len());
    for held in 0..FOLDS {
        let (train, test) = parted(folds, held);
        let (known, asked) = (source.only(&train), source.only(&test));
        let by_text = by_text && source.is_priced(material.prices);
        let lengths = by_text.then(|| Lengths::of(&material.rows.only(&train), &known.tokens)).flatten();
        let lengths = lengths.map(|lengths| lengths.predict(&material.rows.only(&test)));
        let of = asked.expected_cost(&known, material.prices, lengths.as_ref())?;
        test.iter().enumerate().for_each(|(i, row)| expected.row_mut(*row).copy_from_slice(of.row(i)));
    }
    Some(expected)
}

/// The curve of predictions, over the prompts that every model has answered. A call whose cost nobody recorded costs what
/// was expected.
pub fn judge(source: &Source, predicted: &Table, expected: &Table) -> Judged {
    let whole = |row: &usize| source.quality.row(*row).iter().all(|number| !number.is_nan());
    let rows: Vec<usize> = (0..source.prompts.len()).filter(whole).collect();
    let some = |from: &Table| Table {
        numbers: rows.iter().flat_map(|row| from.row(*row)).copied().collect(),
        columns: from.columns,
    };
    let (quality, mut cost, expected) = (some(&source.quality), some(&source.cost), some(expected));
    for (cost, expected) in cost.numbers.iter_mut().zip(&expected.numbers) {
        if cost.is_nan() {
            *cost = *expected;
        }
    }
    let truth = Truth { quality: &quality, cost: &cost };
    Judged {
        curve: curve::by_price(&some(predicted), &expected, truth),
        mix: curve::blind(&truth.models()),
        strongest: truth.strongest(),
    }
}

/// One fold, with kinds of task or without.
struct Part {
    test: Vec<usize>,
    known: Rows,
    /// Outcomes less what kinds say of them.
    rest: Table,
    asked: Rows,
    /// What kinds say of what is asked, and of what is known.
    by_kind: Table,
    beside: Table,
}

impl Part {
    fn of(
        kinds: Option<Kinds>,
        quality: &Table,
        labels: &Labels,
        test: Vec<usize>,
        known: Rows,
        asked: Rows,
    ) -> Self {
        let none = |rows: &Rows| Table::zeros(rows.len(), quality.columns);
        let (rest, by_kind, beside) = match &kinds {
            Some(kinds) => (kinds.without(quality, labels), kinds.predict(&asked), kinds.predict(&known)),
            None => (quality.clone(), none(&asked), none(&known)),
        };
        Self { test, known, rest, asked, by_kind, beside }
    }
}

/// What is known of one source: kinds of task, and latents for what is left.
#[derive(Clone, Debug)]
pub struct Complete {
    /// The kinds' names.
    pub names: Vec<String>,
    /// The kinds.
    pub kinds: Kinds,
    /// The latents.
    pub fit: Fit,
    /// How long answers get; none where no answer was measured.
    pub lengths: Option<Lengths>,
}

impl Complete {
    /// Fits a source in one shape.
    pub fn of(material: Material<'_>, shape: Shape) -> Self {
        let labels = Labels::of(material.source);
        let mut kinds = Kinds::of(material.rows, &material.source.quality, &labels);
        if !shape.kinds {
            kinds.by_model.numbers.fill(0.0);
        }
        let rest = kinds.without(&material.source.quality, &labels);
        let beside = kinds.predict(material.rows);
        let fit = full_beside(material.rows, &rest, shape.penalty, &beside).of_rank(shape.rank);
        let lengths = Lengths::of(material.rows, &material.source.tokens);
        Self { names: labels.names, kinds: kinds.on_axes(&fit.axes), fit, lengths }
    }

    /// What every model makes of these texts.
    pub fn predict(&self, rows: &Rows) -> Table {
        let mut predicted = self.fit.predict(rows);
        let by_kind = self.kinds.predict(rows);
        predicted.numbers.iter_mut().zip(&by_kind.numbers).for_each(|(sum, by_kind)| *sum += by_kind);
        predicted
    }
}

/// The rows outside and inside of a fold.
pub fn parted(folds: &[u64], held: u64) -> (Vec<usize>, Vec<usize>) {
    (0..folds.len()).partition(|row| folds[*row] != held)
}

fn squared_error(predicted: &Table, quality: &Table) -> f64 {
    let pairs = predicted.numbers.iter().zip(&quality.numbers).filter(|(_, truth)| !truth.is_nan());
    let (sum, count) =
        pairs.fold((0.0, 0.0), |(sum, count), (found, truth)| (sum + (found - truth).powi(2), count + 1.0));
    sum / f64::max(count, 1.0)
}
