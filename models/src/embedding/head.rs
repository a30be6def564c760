//! From features to latents, and from latents to a chance per model.

use bytes::Bytes;

use super::extract::Extracted;
use super::logit_of;
use super::settings::Settings;
use crate::scorer::folder::FolderError;

/// No text is beyond doubt.
const CHANCES: (f32, f32) = (0.01, 0.99);
/// A source whose gate says less than this is heard so much: a text that is like nothing is scored by all.
pub const LEAST_GATE: f32 = 0.02;
/// No answer is expected to be longer or shorter than usual by more than this, in logarithms: five times.
pub const LONGEST: f32 = 1.6;
/// As much as this speaks for no kind of task at all.
const NO_KIND: f32 = 0.05;

/// The weights that were fitted to outcomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// What stands for each dense feature of an ordinary text.
    pub centre: Vec<f32>,
    /// Dense features times these: row by row, one number per latent.
    pub dense: Vec<f32>,
    /// The latents of an ordinary text without words.
    pub bias: Vec<f32>,
    /// Words and pairs times these, in steps: row by row, one signed byte per latent.
    pub terms: Bytes,
    /// What one step is worth, by latent.
    pub steps: Vec<f32>,
    /// What each source says of its models.
    pub sources: Vec<SourceHead>,
    /// How many models there are.
    pub models: usize,
}

/// What one source says of its models.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceHead {
    /// How many latents tell how good answers are, but for those of its kinds of task.
    pub latents: usize,
    /// The kinds of task that it tells apart.
    pub kinds: Vec<usize>,
    /// How many latents tell how long answers get.
    pub lengths: usize,
    /// Its models.
    pub models: Vec<ModelHead>,
}

/// One model in one source.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelHead {
    /// Which of the manifest's models.
    pub model: usize,
    /// Its chance on an ordinary text of the source.
    pub mean: f32,
    /// How much better it is on each kind of task.
    pub by_kind: Vec<f32>,
    /// How much each latent of the source adds.
    pub loadings: Vec<f32>,
    /// How many tokens its answer has where the latents of lengths are zero; 0 where none was measured.
    pub tokens: f32,
    /// How much each latent of lengths adds to the logarithm of that.
    pub longer: Vec<f32>,
}

/// How much a text is like each kind of task, from the latents of kinds; the rest to one is none of them.
pub fn shares(latents: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let weight = |latent: &f32| latent.max(0.0) * latent.max(0.0);
    let all: f32 = NO_KIND + latents.iter().map(weight).sum::<f32>();
    latents.iter().map(move |latent| weight(latent) / all)
}

impl Head {
    /// How many numbers the file of a head with these settings holds.
    pub fn numbers(settings: &Settings, dense: usize) -> usize {
        let models: usize =
            settings.sources.iter().map(|source| source.models.len() * (2 + source.width())).sum();
        dense + dense * settings.latents + 2 * settings.latents + models
    }

    /// Takes the numbers of a file apart.
    pub fn read(
        settings: &Settings,
        dense: usize,
        terms: Bytes,
        numbers: &[f32],
        places: usize,
    ) -> Result<Self, FolderError> {
        if terms.len() != places * settings.latents {
            let message = format!(
                "it has {} bytes where {places} places of {} latents are expected",
                terms.len(),
                settings.latents
            );
            return Err(FolderError::new(
                super::TERMS,
                "",
                message,
                "write the folder anew with `pointsman train`",
            ));
        }
        let mut rest = numbers;
        let mut next = |count: usize| {
            let (head, tail) = rest.split_at(count);
            rest = tail;
            head.to_vec()
        };
        let (centre, weights) = (next(dense), next(dense * settings.latents));
        let (bias, steps) = (next(settings.latents), next(settings.latents));
        let mut sources = Vec::new();
        for source in &settings.sources {
            let models = source.models.iter().map(|model| ModelHead {
                model: *model,
                mean: next(1)[0],
                by_kind: next(source.kinds.len()),
                loadings: next(source.latents),
                tokens: next(1)[0],
                longer: next(source.lengths),
            });
            let models = models.collect();
            let (latents, lengths) = (source.latents, source.lengths);
            sources.push(SourceHead { latents, lengths, kinds: source.kinds.clone(), models });
        }
        let models = settings.output_tokens.len();
        Ok(Self { centre, dense: weights, bias, terms, steps, sources, models })
    }

    /// As the numbers of a file.
    pub fn write(&self) -> Vec<f32> {
        let mut numbers = [&self.centre[..], &self.dense, &self.bias, &self.steps].concat();
        for model in self.sources.iter().flat_map(|source| &source.models) {
            numbers.push(model.mean);
            numbers.extend_from_slice(&model.by_kind);
            numbers.extend_from_slice(&model.loadings);
            numbers.push(model.tokens);
            numbers.extend_from_slice(&model.longer);
        }
        numbers
    }

    /// The latents of a text.
    pub fn latents(&self, features: &Extracted) -> Vec<f32> {
        let count = self.bias.len();
        let mut latents = vec![0.0; count];
        for (place, value) in &features.terms {
            let row = &self.terms[*place as usize * count..(*place as usize + 1) * count];
            latents.iter_mut().zip(row).for_each(|(sum, byte)| *sum += value * f32::from(*byte as i8));
        }
        latents.iter_mut().zip(&self.steps).for_each(|(sum, step)| *sum *= step);
        latents.iter_mut().zip(&self.bias).for_each(|(sum, bias)| *sum += bias);
        for ((value, centre), row) in features.dense.iter().zip(&self.centre).zip(self.dense.chunks(count)) {
            let off = value - centre;
            latents.iter_mut().zip(row).for_each(|(sum, weight)| *sum += off * weight);
        }
        latents
    }

    /// The chance of a good answer of each model.
    pub fn quality(&self, latents: &[f32]) -> Vec<f32> {
        let (mut sums, mut weights) = (vec![0.0; self.models], vec![0.0; self.models]);
        for Part { source, ranks, kinds, gate, .. } in self.by_source(latents) {
            let shares: Vec<f32> = shares(kinds).collect();
            for model in &source.models {
                let chance = model.mean + dot(&model.by_kind, &shares) + dot(&model.loadings, ranks);
                sums[model.model] += gate * chance.clamp(CHANCES.0, CHANCES.1);
                weights[model.model] += gate;
            }
        }
        sums.iter().zip(weights).map(|(sum, weight)| sum / weight).collect()
    }

    /// How many tokens each model's answer is expected to have; not a number where nothing is known of it.
    pub fn tokens(&self, latents: &[f32]) -> Vec<f32> {
        let (mut sums, mut weights) = (vec![0.0; self.models], vec![0.0; self.models]);
        for Part { source, lengths, gate, .. } in self.by_source(latents) {
            for model in source.models.iter().filter(|model| model.tokens > 0.0) {
                let longer = dot(&model.longer, lengths).clamp(-LONGEST, LONGEST);
                sums[model.model] += gate * model.tokens * longer.exp();
                weights[model.model] += gate;
            }
        }
        sums.iter().zip(weights).map(|(sum, weight)| sum / weight).collect()
    }

    /// How much harder the text is than an ordinary one, in logits, over the models of the head.
    pub fn difficulty(&self, quality: &[f32]) -> f32 {
        let usual = self.usual();
        let harder = usual.iter().zip(quality).map(|(usual, chance)| logit_of(*usual) - logit_of(*chance));
        harder.sum::<f32>() / quality.len().max(1) as f32
    }

    /// Which kind of task the text is most like; none where it is like none.
    pub fn task(&self, latents: &[f32]) -> Option<usize> {
        let mut best = (0.0, None);
        for Part { source, kinds, gate, .. } in self.by_source(latents) {
            for (kind, share) in source.kinds.iter().zip(shares(kinds)) {
                if gate * share > best.0 {
                    best = (gate * share, Some(*kind));
                }
            }
        }
        best.1
    }

    /// Each model's chance on an ordinary text, over the sources that know it.
    pub fn usual(&self) -> Vec<f32> {
        let (mut sums, mut counts) = (vec![0.0; self.models], vec![0.0; self.models]);
        for model in self.sources.iter().flat_map(|source| &source.models) {
            sums[model.model] += model.mean;
            counts[model.model] += 1.0;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
    }

    /// Each source with its own latents and how much it is heard.
    fn by_source<'a>(&'a self, latents: &'a [f32]) -> impl Iterator<Item = Part<'a>> {
        let width = |source: &SourceHead| source.latents + source.kinds.len() + source.lengths;
        let gates = &latents[self.sources.iter().map(width).sum()..];
        let mut start = 0;
        self.sources.iter().enumerate().map(move |(i, source)| {
            let (ranks, own) = latents[start..start + width(source)].split_at(source.latents);
            let (kinds, lengths) = own.split_at(source.kinds.len());
            start += width(source);
            let gate = gates.get(i).map_or(1.0, |gate| gate.clamp(LEAST_GATE, 1.0));
            Part { source, ranks, kinds, lengths, gate }
        })
    }
}

/// One source with the latents that are its own.
struct Part<'a> {
    source: &'a SourceHead,
    ranks: &'a [f32],
    kinds: &'a [f32],
    lengths: &'a [f32],
    /// How much it is heard.
    gate: f32,
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sources that share model 1; the first has a latent and two kinds, the second a latent and one of lengths; two
    /// gates.
    fn head() -> Head {
        let model = |model, mean, by_kind: &[f32], loading: f32| ModelHead {
            model,
            mean,
            by_kind: by_kind.to_vec(),
            loadings: vec![loading],
            tokens: 10.0,
            longer: Vec::new(),
        };
        let wordy = ModelHead { tokens: 100.0, longer: vec![1.0], ..model(1, 0.8, &[], 1.0) };
        Head {
            centre: vec![1.0],
            dense: vec![0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            bias: vec![0.0, 0.1, 0.2, 0.0, 0.0, 0.5, 0.5],
            terms: Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 254, 0, 0, 0]),
            steps: vec![0.1; 7],
            sources: vec![
                SourceHead {
                    latents: 1,
                    kinds: vec![0, 1],
                    lengths: 0,
                    models: vec![model(0, 0.5, &[0.2, -0.2], 1.0), model(1, 0.4, &[0.0, 0.0], 0.0)],
                },
                SourceHead { latents: 1, kinds: vec![], lengths: 1, models: vec![wordy] },
            ],
            models: 2,
        }
    }

    fn features(dense: f32, terms: &[(u32, f32)]) -> Extracted {
        Extracted { dense: vec![dense], terms: terms.to_vec() }
    }

    #[track_caller]
    fn near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {expected:?}");
    }

    #[test]
    fn latents_are_sums_of_rows() {
        near(&head().latents(&features(2.0, &[(0, 0.5), (1, 1.0)])), &[0.6, 0.1, 0.2, -0.2, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn sources_are_mixed_by_their_gates() {
        near(&head().quality(&[0.1, 0.0, 0.0, 0.0, 9.0, 0.5, 0.5]), &[0.6, 0.6]);
        near(&head().quality(&[0.1, 0.0, 0.0, 0.0, 0.0, 0.75, 0.25]), &[0.6, 0.5]);
        // Closed gates hear all alike, and no chance is certain.
        near(&head().quality(&[9.0, 0.0, 0.0, 0.0, 0.0, -3.0, -3.0]), &[0.99, 0.6]);
    }

    #[test]
    fn a_kind_of_task_moves_the_chance_by_its_share() {
        near(&shares(&[1.0, 0.0]).collect::<Vec<_>>(), &[1.0 / 1.05, 0.0]);
        near(&shares(&[-1.0, -2.0]).collect::<Vec<_>>(), &[0.0, 0.0]);
        near(&head().quality(&[0.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.5]), &[0.5 + 0.2 / 1.05, 0.6]);
    }

    #[test]
    fn an_ordinary_text_is_of_no_difficulty_and_a_worse_one_is_hard() {
        assert!(head().difficulty(&[0.5, 0.6]).abs() < 1e-6);
        assert!(head().difficulty(&[0.3, 0.4]) > 0.5);
    }

    #[test]
    fn a_text_whose_answers_are_long_is_told_and_no_length_is_beyond_measure() {
        let mut head = head();
        head.sources[0].models.iter_mut().for_each(|model| model.tokens = 0.0);
        let tokens = |longer: f32| head.tokens(&[0.0, 0.0, 0.0, 0.0, longer, 0.5, 0.5]);
        near(&tokens(0.5)[1..], &[100.0 * 0.5f32.exp()]);
        near(&tokens(-9.0)[1..], &[100.0 * (-LONGEST).exp()]);
        assert!(tokens(0.0)[0].is_nan(), "none of its answers was measured");
    }

    #[test]
    fn the_task_is_the_one_of_the_largest_share() {
        assert_eq!(head().task(&[0.0, 0.1, 0.2, 0.0, 9.0, 0.5, 0.5]), Some(1));
        assert_eq!(head().task(&[0.0, 0.9, 0.2, 0.0, 0.0, 0.5, 0.5]), Some(0));
        assert_eq!(head().task(&[0.0, -0.9, -0.2, 0.0, 0.0, 0.5, 0.5]), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let source = |name: &str, kinds: &[usize], lengths, models: &[usize]| super::super::SourceSettings {
            name: name.to_owned(),
            latents: 1,
            lengths,
            kinds: kinds.to_vec(),
            models: models.to_vec(),
        };
        let settings = Settings {
            dimensions: 1,
            latents: 7,
            sources: vec![source("a", &[0, 1], 0, &[0, 1]), source("b", &[], 1, &[1])],
            output_tokens: vec![None, Some(80.0)],
            usual_cost: Vec::new(),
            tasks: vec!["one".to_owned(), "two".to_owned()],
        };
        let numbers = head().write();
        assert_eq!(numbers.len(), Head::numbers(&settings, 1));
        assert_eq!(Head::read(&settings, 1, head().terms, &numbers, 2), Ok(head()));
        assert!(Head::read(&settings, 1, head().terms, &numbers, 3).is_err());
    }
}
