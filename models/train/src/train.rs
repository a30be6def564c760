//! From outcomes to a folder: features, cross-validation, fits, refusal of what does not pay.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pointsman_models::embedding::{Extractor, places};
use pointsman_models::wordpiece::WordPiece;

use crate::curve::Truth;
use crate::features::{Scaled, tokens};
use crate::folder::{About, Base, Fitted, files};
use crate::outcomes::{Price, Source};
use crate::quality::{Interval, by_calls, filled, interval};
use crate::sets::{Whole, gates};
use crate::solve::Rows;
use crate::split::stem;
use crate::validate::{Chosen, Judged, Material, choose, expected_cost, folds, judge};

/// Fewer labelled prompts than these are no basis.
pub const LEAST_PROMPTS: usize = 100;
/// Keeps the folds of all tools the same.
pub const SALT: &str = "pointsman-train-1";

/// What to make of outcomes.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What the folder says of itself.
    pub about: About,
    /// What labels of tasks are called; a label that is not here is called what it is.
    pub tasks: BTreeMap<String, String>,
}

/// Why nothing was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// Too little to learn from.
    #[error(
        "source \"{source_name}\" has {prompts} labelled prompts; give it {LEAST_PROMPTS} or more, several hundred pay"
    )]
    TooFew {
        /// Which source.
        source_name: String,
        /// How many there are.
        prompts: usize,
    },
    /// No choice to learn.
    #[error("source \"{source_name}\" has outcomes of {models} model; give it outcomes of two or more")]
    OneModel {
        /// Which source.
        source_name: String,
        /// How many models there are.
        models: usize,
    },
    /// What was learned does not help.
    #[error(
        "on source \"{source_name}\" no routing model beats the blind mix of its models beyond luck (best gain {gain:.4}); \
         collect more labelled prompts, or leave this source out"
    )]
    DoesNotPay {
        /// Which source.
        source_name: String,
        /// The best mean gain over the blind mix that was found.
        gain: f64,
    },
    /// The tables do not belong together.
    #[error("the tables of token vectors do not fit: {0}; take all of them from one folder")]
    Tables(String),
}

/// A folder and how it did on held-out folds.
#[derive(Debug)]
pub struct Trained {
    /// Its files.
    pub files: BTreeMap<String, Bytes>,
    /// Source by source.
    pub reports: Vec<Report>,
}

/// How one source did on held-out folds.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub source: String,
    /// How many prompts it has.
    pub prompts: usize,
    /// The shapes that were chosen.
    pub chosen: Chosen,
    /// The curve; none where nothing is known of costs.
    pub judged: Option<Judged>,
    /// How sure its gains are; none where nothing is known of costs.
    pub interval: Option<Interval>,
}

/// The features of all prompts of all sources.
#[derive(Debug)]
pub struct Prepared {
    /// How they are made.
    pub scaled: Scaled,
    /// The rows of each source.
    pub rows: Vec<Rows>,
}

/// Makes the features of all sources, comparable over all of them.
pub fn prepare(sources: &[Source], base: &Base) -> Result<Prepared, Refused> {
    let words =
        WordPiece::new(base.vocabulary.clone()).map_err(|error| Refused::Tables(error.to_string()))?;
    let extractor = extractor(base, words.size())?;
    let texts: Vec<_> = sources
        .iter()
        .map(|source| tokens(&words, source.prompts.iter().map(|prompt| prompt.text.as_str())))
        .collect();
    let scaled = Scaled::over(&extractor, &texts.concat());
    let rows = texts.iter().map(|texts| scaled.rows(texts)).collect();
    Ok(Prepared { scaled, rows })
}

/// Leaves out every prompt that asks the same question as one of these.
pub fn hold_out<'a>(sources: &mut [Source], prompts: impl Iterator<Item = &'a str>) -> usize {
    let held: BTreeSet<String> = prompts.map(stem).collect();
    let mut left_out = 0;
    for source in sources {
        let keep: Vec<usize> = (0..source.prompts.len())
            .filter(|row| !held.contains(&stem(&source.prompts[*row].text)))
            .collect();
        left_out += source.prompts.len() - keep.len();
        *source = source.only(&keep);
    }
    left_out
}

/// Leaves out prompts and models of which nothing is known.
pub fn labelled(source: &Source) -> Source {
    let models: Vec<usize> =
        (0..source.models.len()).filter(|model| Source::means(&source.quality)[*model].is_some()).collect();
    let known = |row: &usize| source.quality.row(*row).iter().any(|cell| !cell.is_nan());
    let rows: Vec<usize> = (0..source.prompts.len()).filter(known).collect();
    source.only(&rows).of_models(&models)
}

/// Trains a folder. `progress` hears what is being done.
pub fn train(
    sources: &[Source],
    prices: &BTreeMap<String, Price>,
    base: &Base,
    wish: &Wish,
    progress: &mut dyn FnMut(&str),
) -> Result<Trained, Refused> {
    let sources: Vec<Source> = sources.iter().map(labelled).collect();
    for source in &sources {
        let source_name = source.name.clone();
        if source.prompts.len() < LEAST_PROMPTS {
            return Err(Refused::TooFew { source_name, prompts: source.prompts.len() });
        }
        if source.models.len() < 2 {
            return Err(Refused::OneModel { source_name, models: source.models.len() });
        }
    }
    progress("reading the texts");
    let prepared = prepare(&sources, base)?;
    let mut reports = Vec::new();
    let mut fits = Vec::new();
    for (source, rows) in sources.iter().zip(&prepared.rows) {
        progress(&format!("{}: cross-validating over {} prompts", source.name, source.prompts.len()));
        let judged = by_calls(source.clone());
        let material = Material { source: &judged, rows, prices };
        let report = report(material);
        let gain = report.chosen.gain;
        if !pays(&report, source) {
            return Err(Refused::DoesNotPay { source_name: source.name.clone(), gain });
        }
        let Chosen { sets, shapes, .. } = &report.chosen;
        let known = Whole::of(material, sets, shapes).sets;
        let apart = sets.apart(source, rows);
        fits.extend(apart.into_iter().zip(known).map(|((source, rows), known)| (source, rows, known)));
        reports.push(report);
    }
    progress("telling sources apart");
    let gates = gates(fits.iter().map(|(_, rows, _)| rows));
    let sources = fits.into_iter().map(|(source, _, known)| (source, known)).collect();
    let fitted = Fitted { sources, scaled: &prepared.scaled, prices, gates, tasks: &wish.tasks };
    Ok(Trained { files: files(&fitted, base, &wish.about), reports })
}

fn report(material: Material<'_>) -> Report {
    let chosen = choose(material, SALT);
    let expected = expected_cost(material, &folds(material.source, SALT));
    let interval = expected.as_ref().map(|expected| {
        let (quality, cost) = filled(material.source, expected);
        interval(&chosen.predicted, expected, Truth { quality: &quality, cost: &cost })
    });
    let judged = expected.map(|expected| judge(material.source, &chosen.predicted, &expected));
    Report {
        source: material.source.name.clone(),
        prompts: material.source.prompts.len(),
        chosen,
        judged,
        interval,
    }
}

/// Whether a report beats the blind mix beyond luck, or without costs the means of the models.
fn pays(report: &Report, source: &Source) -> bool {
    if let Some(interval) = &report.interval {
        return interval.mean.0 > 0.0;
    }
    let means = Source::means(&source.quality);
    let cells = (0..source.prompts.len()).flat_map(|row| source.quality.row(row).iter().zip(&means));
    let (sum, count) = cells
        .filter_map(|(cell, mean)| Some((cell - (*mean)?).powi(2)).filter(|square| !square.is_nan()))
        .fold((0.0, 0.0), |(sum, count), square| (sum + square, count + 1.0));
    report.chosen.gain > -sum / f64::max(count, 1.0)
}

fn extractor(base: &Base, vocabulary: usize) -> Result<Extractor, Refused> {
    let wrong = |what: String| Err(Refused::Tables(what));
    if base.scales.len() != 4 * vocabulary {
        return wrong(format!("{} bytes of scales for {vocabulary} tokens", base.scales.len()));
    }
    if base.dimensions == 0 || base.vectors.len() != vocabulary * base.dimensions {
        let (bytes, dimensions) = (base.vectors.len(), base.dimensions);
        return wrong(format!("{bytes} bytes of vectors for {vocabulary} tokens of {dimensions} numbers"));
    }
    let (quads, _) = base.scales.as_chunks::<4>();
    let scales: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
    let rarity = vec![1.0; places(vocabulary).len()];
    Ok(Extractor::new(base.vectors.clone(), scales, rarity, base.dimensions))
}
