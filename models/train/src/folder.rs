//! Puts fits together into the folder of a routing model: one head over all sources, rounded, with its manifest.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pointsman_config::score_text::VERSION as SCORE_TEXT;
use pointsman_models::embedding::{
    EXTRACTOR, HEAD, Head, ModelHead, RARITY, SCALES, Settings, SourceHead, SourceSettings, TERMS,
    TOKENS_AT_MOST, VECTORS, VERSION, VOCABULARY,
};
use pointsman_models::scorer::Kind;
use pointsman_models::scorer::folder::hex;
use pointsman_models::scorer::manifest::{
    Calibration, Extractor, FORMAT, FileEntry, Input, KnownModel, Made, Manifest,
};
use sha2::{Digest, Sha256};

use crate::features::Scaled;
use crate::fit::Fit;
use crate::outcomes::{Price, Source};
use crate::solve::Table;
use crate::validate::Complete;

/// What a folder says of itself, beyond what its weights say.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Which one of that name.
    pub version: String,
    /// The licence of its weights.
    pub licence: String,
    /// By which tool it was made.
    pub by: String,
    /// From what.
    pub from: Vec<String>,
    /// On which day.
    pub on: String,
    /// Other names of models: canonical name to aliases. Names of the data that are aliases become the canonical one.
    pub names: BTreeMap<String, Vec<String>>,
}

/// What was fitted.
pub struct Fitted<'a> {
    /// Sources, or their sets, with what is known of each.
    pub sources: Vec<(Source, Complete)>,
    /// How features are made.
    pub scaled: &'a Scaled,
    /// Prices by model, as the data names them.
    pub prices: &'a BTreeMap<String, Price>,
    /// Features to gates: one column per source, none where there is one source.
    pub gates: Option<Fit>,
    /// What labels of tasks are called.
    pub tasks: &'a BTreeMap<String, String>,
}

/// The files that a folder shares with the one that its tables come from.
#[derive(Clone, Debug)]
pub struct Base {
    /// The words.
    pub vocabulary: Bytes,
    /// Token vectors.
    pub vectors: Bytes,
    /// Their scales.
    pub scales: Bytes,
    /// How many numbers a token vector has.
    pub dimensions: usize,
}

/// All files of a folder by name, the manifest among them.
pub fn files(fitted: &Fitted<'_>, base: &Base, about: &About) -> BTreeMap<String, Bytes> {
    let models = Models::of(fitted, about);
    let (head, terms) = head(fitted, &models);
    let rarity = bytes_of(fitted.scaled.extractor.rarity().iter().copied());
    let mut files: BTreeMap<String, Bytes> = [
        (VOCABULARY, base.vocabulary.clone()),
        (VECTORS, base.vectors.clone()),
        (SCALES, base.scales.clone()),
        (RARITY, rarity),
        (TERMS, terms),
        (HEAD, bytes_of(head.write().into_iter())),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into();
    let manifest = manifest(fitted, base, about, &models, &files);
    let named = pointsman_models::scorer::manifest::FILE.to_owned();
    files.insert(named, Bytes::from(manifest.to_yaml()));
    files
}

/// The models of all sources under their canonical names.
struct Models {
    known: Vec<KnownModel>,
    /// For each source, where each of its columns stands among them; none for a column without any outcome.
    columns: Vec<Vec<usize>>,
}

impl Models {
    fn of(fitted: &Fitted<'_>, about: &About) -> Self {
        let canonical = |model: &String| {
            let by_alias = about.names.iter().find(|(_, aliases)| aliases.contains(model));
            by_alias.map_or_else(|| model.clone(), |(name, _)| name.clone())
        };
        let mut known: Vec<KnownModel> = Vec::new();
        let mut columns = Vec::new();
        for (source, _) in &fitted.sources {
            let mut own = Vec::new();
            for model in &source.models {
                let name = canonical(model);
                let at = known.iter().position(|known| known.name == name).unwrap_or_else(|| {
                    let aliases = about.names.get(&name).cloned().unwrap_or_default();
                    known.push(KnownModel { name, aliases });
                    known.len() - 1
                });
                own.push(at);
            }
            columns.push(own);
        }
        Self { known, columns }
    }
}

fn head(fitted: &Fitted<'_>, models: &Models) -> (Head, Bytes) {
    let scaled = fitted.scaled;
    let dense = scaled.factor.len();
    // Kinds and gates are read one by one: their weights are taken back from axes to columns.
    let one_by_one = |fit: &Fit| (fit.weights.times(&fit.axes), fit.mean.clone());
    let mut parts: Vec<(Table, Vec<f64>)> = Vec::new();
    for (_, known) in &fitted.sources {
        parts.push((known.fit.weights.clone(), vec![0.0; known.fit.weights.columns]));
        parts.push(one_by_one(&known.kinds.fit));
        parts.extend(known.lengths.iter().map(|lengths| {
            let weights = &lengths.fit.weights;
            (weights.clone(), vec![0.0; weights.columns])
        }));
    }
    parts.extend(fitted.gates.iter().map(one_by_one));
    let latents: usize = parts.iter().map(|(weights, _)| weights.columns).sum();
    let weight = |place: usize| parts.iter().flat_map(move |(weights, _)| weights.row(place).iter().copied());
    let bias: Vec<f32> = parts.iter().flat_map(|(_, bias)| bias.iter().map(|bias| *bias as f32)).collect();
    let mut largest = vec![0.0f64; latents];
    for place in dense..scaled.width() {
        largest.iter_mut().zip(weight(place)).for_each(|(most, weight)| *most = most.max(weight.abs()));
    }
    let step: Vec<f64> =
        largest.iter().map(|most| if *most > 0.0 { most * scaled.terms / 127.0 } else { 1.0 }).collect();
    let terms: Vec<u8> = (dense..scaled.width())
        .flat_map(|place| {
            let steps =
                weight(place).zip(&step).map(|(weight, step)| (weight * scaled.terms / step).round() as i8);
            steps.map(|steps| steps as u8).collect::<Vec<_>>()
        })
        .collect();
    let dense_weights = (0..dense)
        .flat_map(|place| {
            weight(place).map(move |weight| (weight * scaled.factor[place]) as f32).collect::<Vec<_>>()
        })
        .collect();
    let terms = Bytes::from(terms);
    let tasks = tasks(fitted);
    let sources =
        fitted.sources.iter().zip(&models.columns).map(|((source, known), columns)| {
            source_head(source, known, columns, kinds(known, &tasks, fitted))
        });
    let head = Head {
        centre: scaled.centre.iter().map(|centre| *centre as f32).collect(),
        dense: dense_weights,
        bias,
        terms: terms.clone(),
        steps: step.iter().map(|step| *step as f32).collect(),
        sources: sources.collect(),
        models: models.known.len(),
    };
    (head, terms)
}

fn source_head(source: &Source, known: &Complete, columns: &[usize], kinds: Vec<usize>) -> SourceHead {
    let (latents, lengths) = (known.fit.axes.rows(), of_lengths(known));
    let model = |column: usize| ModelHead {
        model: columns[column],
        mean: known.fit.mean[column] as f32,
        by_kind: (0..kinds.len()).map(|kind| known.kinds.by_model.row(kind)[column] as f32).collect(),
        loadings: (0..latents).map(|latent| known.fit.axes.row(latent)[column] as f32).collect(),
        tokens: known.lengths.as_ref().and_then(|l| l.usual[column]).map_or(0.0, |usual| usual as f32),
        longer: (0..lengths).map(|latent| longer(known, latent, column)).collect(),
    };
    SourceHead { latents, lengths, models: (0..source.models.len()).map(model).collect(), kinds }
}

/// How many latents tell how long answers get.
fn of_lengths(known: &Complete) -> usize {
    known.lengths.as_ref().map_or(0, |lengths| lengths.fit.axes.rows())
}

fn longer(known: &Complete, latent: usize, column: usize) -> f32 {
    known.lengths.as_ref().map_or(0.0, |lengths| lengths.fit.axes.row(latent)[column] as f32)
}

/// What a label is called.
fn called(label: &str, fitted: &Fitted<'_>) -> String {
    fitted.tasks.get(label).cloned().unwrap_or_else(|| label.to_owned())
}

/// All kinds of task by name; two sources may have one in common.
fn tasks(fitted: &Fitted<'_>) -> Vec<String> {
    let labels = fitted.sources.iter().flat_map(|(_, known)| &known.names);
    let names: BTreeSet<String> = labels.map(|label| called(label, fitted)).collect();
    names.into_iter().collect()
}

/// Where the kinds of a source stand among all of them.
fn kinds(known: &Complete, tasks: &[String], fitted: &Fitted<'_>) -> Vec<usize> {
    let at = |label: &String| {
        let name = called(label, fitted);
        tasks.iter().position(|task| *task == name).expect("every label is among them")
    };
    known.names.iter().map(at).collect()
}

fn manifest(
    fitted: &Fitted<'_>,
    base: &Base,
    about: &About,
    models: &Models,
    files: &BTreeMap<String, Bytes>,
) -> Manifest {
    let tasks = tasks(fitted);
    let sources =
        fitted.sources.iter().zip(&models.columns).map(|((source, known), columns)| SourceSettings {
            name: source.name.clone(),
            latents: known.fit.axes.rows(),
            kinds: kinds(known, &tasks, fitted),
            lengths: of_lengths(known),
            models: columns.clone(),
        });
    let sources: Vec<SourceSettings> = sources.collect();
    let gates = fitted.gates.as_ref().map_or(0, |fit| fit.mean.len());
    let settings = Settings {
        dimensions: base.dimensions,
        latents: sources.iter().map(SourceSettings::width).sum::<usize>() + gates,
        sources,
        output_tokens: means(fitted, models, |source, _| Source::means(&source.tokens), 1e1),
        usual_cost: means(fitted, models, unpriced, 1e9),
        tasks,
    };
    Manifest {
        format: FORMAT,
        name: about.name.clone(),
        version: about.version.clone(),
        kind: Kind::Embedding,
        input: Input { score_text: SCORE_TEXT, max_tokens: TOKENS_AT_MOST },
        extractor: Extractor { name: EXTRACTOR.to_owned(), version: VERSION },
        models: models.known.clone(),
        calibration: Calibration::default(),
        memory_bytes: files.values().map(|bytes| bytes.len() as u64).sum(),
        files: files
            .iter()
            .map(|(name, bytes)| FileEntry {
                name: name.clone(),
                bytes: bytes.len() as u64,
                sha256: hex(&Sha256::digest(bytes)),
            })
            .collect(),
        licence: about.licence.clone(),
        made: Made { by: about.by.clone(), from: about.from.clone(), on: about.on.clone() },
        settings: serde_json::to_value(settings).expect("settings are plain data"),
    }
}

/// A mean per model, over its sources, rounded to so many parts.
fn means(
    fitted: &Fitted<'_>,
    models: &Models,
    of: impl Fn(&Source, &BTreeMap<String, Price>) -> Vec<Option<f64>>,
    parts: f64,
) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); models.known.len()];
    for ((source, _), columns) in fitted.sources.iter().zip(&models.columns) {
        for (mean, column) in of(source, fitted.prices).into_iter().zip(columns) {
            if let Some(mean) = mean {
                sums[*column].0 += mean;
                sums[*column].1 += 1.0;
            }
        }
    }
    sums.into_iter()
        .map(|(sum, count)| (count > 0.0).then(|| (sum / count * parts).round() / parts))
        .collect()
}

/// What calls cost in a source with models without a price.
fn unpriced(source: &Source, prices: &BTreeMap<String, Price>) -> Vec<Option<f64>> {
    if source.is_priced(prices) { vec![None; source.models.len()] } else { Source::means(&source.cost) }
}

fn bytes_of(numbers: impl Iterator<Item = f32>) -> Bytes {
    numbers.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into()
}
