//! From recorded calls and what people said of them to a folder: a new head on what the scorer saw.
//!
//! Nobody keeps the texts. What was kept of each is what the scorer made of it: its dense features and its latents. The new
//! head is linear in both; the old latents are linear in words and pairs, so both fold into one head of the usual shape.
//!
//! Of each call one answer is known, that of the model that was chosen. Models are fitted each on its own answers: what
//! chose them saw nothing that the fit does not see. What a choice would have earned is judged by the known answers
//! alone, weighted by one over the propensity with which they were drawn; elsewhere a model counts with its mean, so a
//! choice that was never tried earns nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use pointsman_models::embedding::{
    EXTRACTOR, HEAD, Head, ModelHead, RARITY, SCALES, SURFACE, Settings, SourceHead, SourceSettings, TERMS,
    VECTORS, VERSION, VOCABULARY, places,
};
use pointsman_models::scorer::folder::hex;
use pointsman_models::scorer::manifest::{Calibration, FILE, FileEntry, KnownModel, Made, Manifest};
use sha2::{Digest, Sha256};

use crate::curve::{self, Point, Truth};
use crate::fit::{Fit, full};
use crate::folder::About;
use crate::solve::{Rows, Table};
use crate::split::fold;
use crate::train::LEAST_PROMPTS;
use crate::validate::{FOLDS, Judged, PENALTIES, Shape, parted};

/// A model with fewer rated answers than these is left out: the scorer then estimates it.
const LEAST_OF_A_MODEL: usize = 30;
/// The numbers of latents that are tried.
const RANKS: [usize; 3] = [1, 2, 3];
/// The largest weight of a call: what was drawn by a rare chance does not outweigh everything else.
const LARGEST_WEIGHT: f64 = 10.0;
/// How often the interval is drawn.
const DRAWS: usize = 400;
/// How long the block of the old latents is, of a row of length one or so, and that of the dense features.
const LATENTS: f64 = 0.8;
/// See [`LATENTS`].
const DENSE: f64 = 0.6;
/// The name of the one source.
const SOURCE: &str = "feedback";

/// A call that somebody rated.
#[derive(Clone, Debug, PartialEq)]
pub struct Rated {
    /// The digest of the routing model that saw the text.
    pub routing_model: String,
    /// What it saw.
    pub features: Vec<f32>,
    /// The model that was picked, and answered.
    pub model: String,
    /// With which probability it was drawn.
    pub propensity: f64,
    /// How good the answer was, 0 to 1.
    pub quality: f64,
    /// What each candidate was expected to cost, in USD.
    pub expected_cost: BTreeMap<String, f64>,
    /// How long the answer was, in tokens.
    pub output_tokens: f64,
}

/// The routing model that saw the texts: its files by name, and its digest.
#[derive(Clone, Debug)]
pub struct Seen {
    /// All files but the manifest.
    pub files: BTreeMap<&'static str, Bytes>,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its digest.
    pub hash: String,
}

/// The names of the files in [`Seen::files`].
pub const FILES: [&str; 6] = [VOCABULARY, VECTORS, SCALES, RARITY, TERMS, HEAD];

/// Why nothing was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The routing model is of another kind, or damaged.
    #[error("the routing model of the records cannot be learned from: {0}")]
    Base(String),
    /// Too little to learn from.
    #[error(
        "{usable} rated calls can be learned from ({other_model} of another routing model than {hash}, {few} of models with \
         fewer than {LEAST_OF_A_MODEL}); give {LEAST_PROMPTS} or more: several hundred pay; name the folder of another \
         routing model with --tables"
    )]
    TooFew {
        /// How many can be used.
        usable: usize,
        /// How many come from another routing model.
        other_model: usize,
        /// How many are of models with too few.
        few: usize,
        /// The digest that was wanted.
        hash: String,
    },
    /// No choice to learn.
    #[error(
        "all rated calls were answered by one model; let `strategy.sampling` or a test try another one too"
    )]
    OneModel,
    /// What was learned does not help.
    #[error(
        "what was learned from {calls} rated calls does not beat the blind mix of the models beyond luck (mean gain between \
         {low:+.4} and {high:+.4}); collect more feedback, and let `strategy.sampling` try other models too"
    )]
    DoesNotPay {
        /// How many calls there were.
        calls: usize,
        /// The interval of the gain.
        low: f64,
        /// Its other end.
        high: f64,
    },
}

/// A folder and how it did on held-out folds.
#[derive(Debug)]
pub struct Learned {
    /// Its files.
    pub files: BTreeMap<String, Bytes>,
    /// How many calls it rests on, by model.
    pub calls: BTreeMap<String, usize>,
    /// The shape that was chosen over all of them.
    pub shape: Shape,
    /// The curve, by shapes chosen without each fold.
    pub judged: Judged,
    /// Its mean gain over the blind mix, from a tenth of what the dearest model costs up to all of it: 95 % interval.
    pub gain: (f64, f64),
}

/// Learns from rated calls.
pub fn learn(calls: &[Rated], seen: &Seen, about: &About) -> Result<Learned, Refused> {
    let base = Base::open(seen)?;
    let (calls, models) = usable(calls, seen, base.width())?;
    let material = Material::of(&calls, &models, &base);
    let (predicted, truth) = (material.nested(), material.truth());
    let truth_of = || Truth { quality: &truth, cost: &material.expected };
    let (low, high) = material.interval(&predicted, &truth);
    if low <= 0.0 {
        return Err(Refused::DoesNotPay { calls: calls.len(), low, high });
    }
    let judged = Judged {
        curve: curve::by_price(&predicted, &material.expected, truth_of()),
        mix: curve::blind(&truth_of().models()),
        strongest: dearest(&truth_of().models()),
    };
    let shape = material.best(&(0..calls.len()).collect::<Vec<_>>());
    let fit = full(&material.rows, &material.quality, shape.penalty).of_rank(shape.rank);
    let tokens = material.tokens(&calls, &models);
    let files = base.folder(&material.scale, &fit, &models, tokens, about, seen);
    let count = |model: &String| calls.iter().filter(|call| call.model == *model).count();
    let calls = models.iter().map(|model| (model.clone(), count(model))).collect();
    Ok(Learned { files, calls, shape, judged, gain: (low, high) })
}

/// The calls that can be learned from, and the models of which there are enough.
fn usable<'a>(
    calls: &'a [Rated],
    seen: &Seen,
    width: usize,
) -> Result<(Vec<&'a Rated>, Vec<String>), Refused> {
    let own: Vec<&Rated> = calls
        .iter()
        .filter(|call| call.routing_model == seen.hash && call.features.len() == width)
        .filter(|call| (0.0..=1.0).contains(&call.quality) && call.propensity > 0.0)
        .collect();
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    own.iter().for_each(|call| *counts.entry(&call.model).or_default() += 1);
    let models: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count >= LEAST_OF_A_MODEL)
        .map(|(model, _)| (*model).clone())
        .collect();
    let known = |call: &&Rated| {
        models.contains(&call.model) && models.iter().all(|model| call.expected_cost.contains_key(model))
    };
    let kept: Vec<&Rated> = own.iter().copied().filter(known).collect();
    if kept.len() < LEAST_PROMPTS {
        return Err(Refused::TooFew {
            usable: kept.len(),
            other_model: calls.len() - own.len(),
            few: own.len() - kept.len(),
            hash: seen.hash.clone(),
        });
    }
    if models.len() < 2 {
        return Err(Refused::OneModel);
    }
    Ok((kept, models))
}

/// What makes features comparable.
struct Scale {
    centre: Vec<f64>,
    factor: Vec<f64>,
}

impl Scale {
    fn over(calls: &[&Rated], dense: usize) -> Self {
        let width = calls.first().map_or(0, |call| call.features.len());
        let count = calls.len().max(1) as f64;
        let column = |place: usize| calls.iter().map(move |call| f64::from(call.features[place]));
        let centre: Vec<f64> = (0..width).map(|place| column(place).sum::<f64>() / count).collect();
        let factor = (0..width).map(|place| {
            let square = column(place).map(|number| (number - centre[place]).powi(2)).sum::<f64>();
            let spread = (square / count).sqrt();
            let (block, size) = if place < dense { (DENSE, dense) } else { (LATENTS, width - dense) };
            if spread > 1e-6 { block / (size as f64).sqrt() / spread } else { 0.0 }
        });
        Self { factor: factor.collect(), centre }
    }

    fn row(&self, features: &[f32]) -> Vec<(u32, f32)> {
        let numbers = features.iter().zip(self.centre.iter().zip(&self.factor)).enumerate();
        let scaled = numbers.map(|(place, (number, (centre, factor)))| {
            (place as u32, ((f64::from(*number) - centre) * factor) as f32)
        });
        scaled.collect()
    }
}

/// What is fitted and judged.
struct Material {
    scale: Scale,
    rows: Rows,
    /// What was said of each answer; not a number where there was none.
    quality: Table,
    /// One over the propensity.
    weights: Vec<f64>,
    expected: Table,
    /// The same text gives the same features, and stays in one fold.
    folds: Vec<u64>,
    inner: Vec<u64>,
}

impl Material {
    fn of(calls: &[&Rated], models: &[String], base: &Base) -> Self {
        let scale = Scale::over(calls, base.dense);
        let mut rows = Rows::new(base.width());
        let table = || Table { numbers: vec![f64::NAN; calls.len() * models.len()], columns: models.len() };
        let (mut quality, mut expected) = (table(), table());
        for (i, call) in calls.iter().enumerate() {
            rows.push(scale.row(&call.features));
            for (column, model) in models.iter().enumerate() {
                expected.row_mut(i)[column] = call.expected_cost[model];
                if *model == call.model {
                    quality.row_mut(i)[column] = call.quality;
                }
            }
        }
        let name =
            |call: &Rated| hex(&call.features.iter().flat_map(|f| f.to_le_bytes()).collect::<Vec<_>>());
        let folds = |salt: &str| calls.iter().map(|call| fold(&name(call), salt, FOLDS)).collect();
        Self {
            scale,
            rows,
            quality,
            weights: calls.iter().map(|call| (1.0 / call.propensity).clamp(1.0, LARGEST_WEIGHT)).collect(),
            expected,
            folds: folds("records-outer"),
            inner: folds("records-inner"),
        }
    }

    /// Predictions for every call by shapes that were chosen without its fold.
    fn nested(&self) -> Table {
        let mut predicted = Table::zeros(self.rows.len(), self.quality.columns);
        for held in 0..FOLDS {
            let (train, test) = parted(&self.folds, held);
            let shape = self.best(&train);
            let found = self.predict(&train, &test, shape.penalty, &[shape.rank]).swap_remove(0);
            test.iter()
                .enumerate()
                .for_each(|(i, row)| predicted.row_mut(*row).copy_from_slice(found.row(i)));
        }
        predicted
    }

    /// The shape that earns most on held-out folds of these calls.
    fn best(&self, of: &[usize]) -> Shape {
        let mut found = Vec::new();
        for penalty in PENALTIES.into_iter().rev() {
            let mut predicted = RANKS.map(|_| Table::zeros(self.rows.len(), self.quality.columns));
            for held in 0..FOLDS {
                let (train, test): (Vec<usize>, Vec<usize>) =
                    of.iter().copied().partition(|row| self.inner[*row] != held);
                let parts = self.predict(&train, &test, penalty, &RANKS);
                for (all, part) in predicted.iter_mut().zip(parts) {
                    test.iter()
                        .enumerate()
                        .for_each(|(i, row)| all.row_mut(*row).copy_from_slice(part.row(i)));
                }
            }
            for (rank, predicted) in RANKS.into_iter().zip(&predicted) {
                found.push((self.gain(of, predicted), Shape { penalty, rank, kinds: false }));
            }
        }
        // A heavier penalty and fewer latents come first, and stand before the equal.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found[0].1
    }

    fn predict(&self, train: &[usize], test: &[usize], penalty: f64, ranks: &[usize]) -> Vec<Table> {
        let quality = some(&self.quality, train);
        let fit = full(&self.rows.only(train), &quality, penalty);
        let raw = fit.predict(&self.rows.only(test));
        ranks.iter().map(|rank| fit.kept(&raw, *rank)).collect()
    }

    fn gain(&self, of: &[usize], predicted: &Table) -> f64 {
        let (quality, cost) = (some(&self.truth_over(of), of), some(&self.expected, of));
        let truth = || Truth { quality: &quality, cost: &cost };
        let curve = curve::by_price(&some(predicted, of), &cost, truth());
        mean_gain(&curve, &truth().models())
    }

    /// Draws calls with replacement, and reads the mean gain off each draw.
    fn interval(&self, predicted: &Table, truth: &Table) -> (f64, f64) {
        let rows = self.rows.len();
        let choices: Vec<Vec<usize>> = curve::prices(&self.expected)
            .iter()
            .map(|price| {
                let choice = |row| curve::choice(predicted.row(row), self.expected.row(row), *price);
                (0..rows).map(choice).collect()
            })
            .collect();
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        // xorshift64*: draws that are the same every time.
        let mut below = |count: usize| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % count
        };
        let mut gains: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let drawn: Vec<usize> = (0..rows).map(|_| below(rows)).collect();
                let point = |of: &dyn Fn(usize) -> usize| -> Point {
                    let mean = |table: &Table| {
                        drawn.iter().map(|row| table.row(*row)[of(*row)]).sum::<f64>() / rows as f64
                    };
                    (mean(&self.expected), mean(truth))
                };
                let models: Vec<Point> = (0..truth.columns).map(|model| point(&|_| model)).collect();
                let mut curve: Vec<Point> = choices.iter().map(|of| point(&|row| of[row])).collect();
                curve.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
                mean_gain(&curve, &models)
            })
            .collect();
        gains.sort_by(f64::total_cmp);
        let at = |share: f64| gains[((gains.len() - 1) as f64 * share).round() as usize];
        (at(0.025), at(0.975))
    }

    fn truth(&self) -> Table {
        self.truth_over(&(0..self.rows.len()).collect::<Vec<_>>())
    }

    /// What each model would have made of each call: its mean, corrected by the known answer times its weight.
    fn truth_over(&self, of: &[usize]) -> Table {
        let mut truth = self.quality.clone();
        for column in 0..truth.columns {
            let known = || of.iter().map(|row| (self.quality.row(*row)[column], self.weights[*row]));
            let known = || known().filter(|(quality, _)| !quality.is_nan());
            let sum: f64 = known().map(|(quality, weight)| quality * weight).sum();
            let mean = sum / known().map(|(_, weight)| weight).sum::<f64>().max(f64::MIN_POSITIVE);
            for (row, weight) in self.weights.iter().enumerate() {
                let cell = &mut truth.row_mut(row)[column];
                *cell = if cell.is_nan() { mean } else { mean + weight * (*cell - mean) };
            }
        }
        truth
    }

    /// How long the answers of each model are.
    fn tokens(&self, calls: &[&Rated], models: &[String]) -> Vec<Option<f64>> {
        let mean = |model: &String| {
            let own: Vec<f64> =
                calls.iter().filter(|call| call.model == *model).map(|call| call.output_tokens).collect();
            let mean = own.iter().sum::<f64>() / own.len() as f64;
            (mean > 0.0).then(|| (mean * 10.0).round() / 10.0)
        };
        models.iter().map(mean).collect()
    }
}

/// Spends are shares of what the dearest model costs: which one is the best of all may be luck where each is best at something.
fn dearest(models: &[Point]) -> Point {
    models.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
}

fn mean_gain(curve: &[Point], models: &[Point]) -> f64 {
    let gains = curve::gains(curve, &curve::blind(models), dearest(models));
    gains.iter().sum::<f64>() / gains.len() as f64
}

fn some(table: &Table, rows: &[usize]) -> Table {
    Table { numbers: rows.iter().flat_map(|row| table.row(*row)).copied().collect(), columns: table.columns }
}

/// The head of the routing model that saw the texts.
struct Base {
    dense: usize,
    latents: usize,
    dimensions: usize,
    head: Head,
}

impl Base {
    fn open(seen: &Seen) -> Result<Self, Refused> {
        let wrong = |why: String| Refused::Base(why);
        let Manifest { extractor, .. } = &seen.manifest;
        if extractor.name != EXTRACTOR || extractor.version != VERSION {
            return Err(wrong(format!(
                "its features are \"{}\" {}, this program makes \"{EXTRACTOR}\" {VERSION}",
                extractor.name, extractor.version
            )));
        }
        let settings: Settings = seen.manifest.settings().map_err(|error| wrong(error.to_string()))?;
        let file =
            |name: &str| seen.files.get(name).cloned().ok_or_else(|| wrong(format!("{name} is missing")));
        let dense = settings.dimensions + SURFACE;
        settings.check(&seen.manifest).map_err(|error| wrong(error.to_string()))?;
        let places = places(file(SCALES)?.len() / 4).len();
        let head = file(HEAD)?;
        let (quads, rest) = head.as_chunks::<4>();
        let numbers: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        if !rest.is_empty() || numbers.len() != Head::numbers(&settings, dense) {
            return Err(wrong(format!("{HEAD} has {} bytes, which do not fit its manifest", head.len())));
        }
        let head = Head::read(&settings, dense, file(TERMS)?, &numbers, places)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self { dense, latents: settings.latents, dimensions: settings.dimensions, head })
    }

    /// How many numbers are kept of each text.
    fn width(&self) -> usize {
        self.dense + self.latents
    }

    /// A fit on what is kept, as a head on the features of a text.
    fn new_head(&self, scale: &Scale, fit: &Fit) -> (Head, Bytes) {
        let rank = fit.axes.rows();
        let old = &self.head;
        // What a unit of a dense feature, and of an old latent, adds to each new latent.
        let unit = |place: usize, latent: usize| scale.factor[place] * fit.weights.row(place)[latent];
        let of_old = |number: usize, latent: usize| unit(self.dense + number, latent);
        let old_dense = |place: usize, number: usize| f64::from(old.dense[place * self.latents + number]);
        let numbers = || 0..self.latents;
        let dense: Vec<f32> = (0..self.dense)
            .flat_map(|place| (0..rank).map(move |latent| (place, latent)))
            .map(|(place, latent)| {
                let by_old: f64 =
                    numbers().map(|number| old_dense(place, number) * of_old(number, latent)).sum();
                (unit(place, latent) + by_old) as f32
            })
            .collect();
        let usual = |number: usize| {
            let moved = (0..self.dense)
                .map(|place| (scale.centre[place] - f64::from(old.centre[place])) * old_dense(place, number));
            f64::from(old.bias[number]) + moved.sum::<f64>() - scale.centre[self.dense + number]
        };
        let usual: Vec<f64> = numbers().map(usual).collect();
        let bias = (0..rank)
            .map(|latent| numbers().map(|number| usual[number] * of_old(number, latent)).sum::<f64>() as f32)
            .collect();
        let (terms, steps) = self.terms(rank, &of_old);
        let models = (0..fit.mean.len()).map(|model| ModelHead {
            model,
            mean: fit.mean[model] as f32,
            by_kind: Vec::new(),
            loadings: (0..rank).map(|latent| fit.axes.row(latent)[model] as f32).collect(),
            // How long answers get is learned from outcomes alone.
            tokens: 0.0,
            longer: Vec::new(),
        });
        let source = SourceHead { latents: rank, kinds: Vec::new(), lengths: 0, models: models.collect() };
        let head = Head {
            centre: scale.centre[..self.dense].iter().map(|centre| *centre as f32).collect(),
            dense,
            bias,
            terms: terms.clone(),
            steps,
            sources: vec![source],
            models: fit.mean.len(),
        };
        (head, terms)
    }

    /// Words and pairs to new latents, in steps of a byte.
    fn terms(&self, rank: usize, of_old: &dyn Fn(usize, usize) -> f64) -> (Bytes, Vec<f32>) {
        let old = &self.head;
        let worth: Vec<Vec<f64>> = (0..self.latents)
            .map(|number| {
                let step = f64::from(old.steps[number]);
                (0..rank).map(|latent| step * of_old(number, latent)).collect()
            })
            .collect();
        let mut exact = vec![0.0f64; old.terms.len() / self.latents.max(1) * rank];
        for (row, to) in old.terms.chunks(self.latents.max(1)).zip(exact.chunks_mut(rank)) {
            for (byte, worth) in row.iter().zip(&worth).filter(|(byte, _)| **byte != 0) {
                to.iter_mut().zip(worth).for_each(|(sum, worth)| *sum += f64::from(*byte as i8) * worth);
            }
        }
        let mut largest = vec![0.0f64; rank];
        for row in exact.chunks(rank) {
            largest.iter_mut().zip(row).for_each(|(most, number)| *most = most.max(number.abs()));
        }
        let steps: Vec<f64> =
            largest.iter().map(|most| if *most > 0.0 { most / 127.0 } else { 1.0 }).collect();
        let bytes = exact
            .chunks(rank)
            .flat_map(|row| row.iter().zip(&steps).map(|(number, step)| (number / step).round() as i8 as u8));
        (bytes.collect::<Vec<u8>>().into(), steps.iter().map(|step| *step as f32).collect())
    }

    fn folder(
        &self,
        scale: &Scale,
        fit: &Fit,
        models: &[String],
        output_tokens: Vec<Option<f64>>,
        about: &About,
        seen: &Seen,
    ) -> BTreeMap<String, Bytes> {
        let (head, terms) = self.new_head(scale, fit);
        let numbers: Vec<u8> = head.write().into_iter().flat_map(f32::to_le_bytes).collect();
        let mut files: BTreeMap<String, Bytes> =
            seen.files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        files.insert(TERMS.to_owned(), terms);
        files.insert(HEAD.to_owned(), numbers.into());
        let latents = fit.axes.rows();
        let source = SourceSettings {
            name: SOURCE.to_owned(),
            latents,
            kinds: Vec::new(),
            lengths: 0,
            models: (0..models.len()).collect(),
        };
        let settings = Settings {
            dimensions: self.dimensions,
            latents,
            sources: vec![source],
            output_tokens,
            usual_cost: vec![None; models.len()],
            tasks: Vec::new(),
        };
        let aliases = |name: &String| about.names.get(name).cloned().unwrap_or_default();
        let known = |name: &String| KnownModel { name: name.clone(), aliases: aliases(name) };
        let entry = |(name, bytes): (&String, &Bytes)| FileEntry {
            name: name.clone(),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        };
        let manifest = Manifest {
            name: about.name.clone(),
            version: about.version.clone(),
            models: models.iter().map(known).collect(),
            calibration: Calibration::default(),
            memory_bytes: files.values().map(|bytes| bytes.len() as u64).sum(),
            files: files.iter().map(entry).collect(),
            licence: about.licence.clone(),
            made: Made { by: about.by.clone(), from: about.from.clone(), on: about.on.clone() },
            settings: serde_json::to_value(settings).expect("settings are plain data"),
            ..seen.manifest.clone()
        };
        files.insert(FILE.to_owned(), Bytes::from(manifest.to_yaml()));
        files
    }
}
