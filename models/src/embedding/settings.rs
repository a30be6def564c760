//! What the manifest of an `Embedding` model says beyond other kinds: the shape of its head.

use serde::{Deserialize, Serialize};

use crate::scorer::folder::FolderError;
use crate::scorer::manifest::{FILE, Manifest};

/// The `settings` of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// How many numbers a token vector has.
    pub dimensions: usize,
    /// How many latents the head has: source by source those of its rank, one per kind of task, those of lengths; then one
    /// per gate.
    pub latents: usize,
    /// What it was trained on.
    pub sources: Vec<SourceSettings>,
    /// What each model's answers usually measure in output tokens, in the order of the manifest's models; none where the
    /// outcomes did not say.
    pub output_tokens: Vec<Option<f64>>,
    /// What a call of each model usually costs in USD, where the price of it or of one beside it was unknown.
    #[serde(default)]
    pub usual_cost: Vec<Option<f64>>,
    /// The kinds of task that any source tells apart.
    #[serde(default)]
    pub tasks: Vec<String>,
}

/// One source of outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name.
    pub name: String,
    /// How many latents tell how good answers are, but for those of its kinds of task.
    pub latents: usize,
    /// The kinds of task that it tells apart, as positions in the settings' list.
    #[serde(default)]
    pub kinds: Vec<usize>,
    /// How many latents tell how long answers get; 0 where no answer was measured.
    #[serde(default)]
    pub lengths: usize,
    /// Its models, as positions in the manifest's list.
    pub models: Vec<usize>,
}

impl SourceSettings {
    /// How many latents are its own.
    pub fn width(&self) -> usize {
        self.latents + self.kinds.len() + self.lengths
    }
}

/// More than this is no low-rank head.
const LATENTS_AT_MOST: usize = 256;
const DIMENSIONS_AT_MOST: usize = 4096;

impl Settings {
    /// How many gates there are: none where there is nothing to tell apart.
    pub fn gates(&self) -> usize {
        if self.sources.len() > 1 { self.sources.len() } else { 0 }
    }

    /// Refuses a shape that does not fit itself or the manifest.
    pub fn check(&self, manifest: &Manifest) -> Result<(), FolderError> {
        let wrong = |field: &str, message: String| {
            Err(FolderError::new(
                FILE,
                &format!("settings.{field}"),
                message,
                "write the folder anew with `pointsman train`",
            ))
        };
        let needed = self.sources.iter().map(SourceSettings::width).sum::<usize>() + self.gates();
        if self.latents != needed || needed > LATENTS_AT_MOST {
            return wrong("latents", format!("{} where the sources and gates need {needed}", self.latents));
        }
        if self.dimensions == 0 || self.dimensions > DIMENSIONS_AT_MOST {
            return wrong("dimensions", format!("{} is not from 1 to {DIMENSIONS_AT_MOST}", self.dimensions));
        }
        if self.output_tokens.len() != manifest.models.len() {
            let (has, models) = (self.output_tokens.len(), manifest.models.len());
            return wrong("outputTokens", format!("{has} numbers for {models} models"));
        }
        if !self.usual_cost.is_empty() && self.usual_cost.len() != manifest.models.len() {
            let (has, models) = (self.usual_cost.len(), manifest.models.len());
            return wrong("usualCost", format!("{has} numbers for {models} models"));
        }
        let known = |model: &usize| *model < manifest.models.len();
        if self.sources.is_empty() || !self.sources.iter().flat_map(|source| &source.models).all(known) {
            return wrong(
                "sources",
                "there is none, or one names a model that the manifest lacks".to_owned(),
            );
        }
        if !self.sources.iter().flat_map(|source| &source.kinds).all(|kind| *kind < self.tasks.len()) {
            return wrong("sources", "one names a kind of task that is not listed".to_owned());
        }
        let scored = |model: usize| self.sources.iter().any(|source| source.models.contains(&model));
        match (0..manifest.models.len()).find(|model| !scored(*model)) {
            Some(model) => wrong("sources", format!("none scores \"{}\"", manifest.models[model].name)),
            None => Ok(()),
        }
    }
}
