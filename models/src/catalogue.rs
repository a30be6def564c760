//! The shipped list of chat models: what each provider calls them, what they cost, what fits, what they can do.

mod entry;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use serde::Deserialize;

pub use entry::{Capability, Entry};

use crate::date::Date;
use crate::recommended;

const SHIPPED: &str = include_str!("../catalogue/catalogue.json");

/// A text that is not a catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Not the JSON that the tool writes.
    #[error("failed to parse the catalogue: {0}")]
    Parse(#[from] serde_json::Error),
    /// Look-ups search a sorted list.
    #[error(
        "model \"{name}\" of {provider} is out of order: write the catalogue with models/tools/catalogue.py"
    )]
    Order {
        /// The provider type.
        provider: &'static str,
        /// The model.
        name: &'static str,
    },
}

/// A published list that entries were taken from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// What entries call it.
    pub id: &'static str,
    /// The package that holds it.
    pub package: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The file inside the package.
    pub file: &'static str,
    /// The file's checksum.
    pub sha256: &'static str,
    /// Under which licence it is published.
    pub licence: &'static str,
    /// The day on which it was taken.
    pub as_of: Date,
}

/// The models that are known, sorted by provider type and name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'static"))]
pub struct Catalogue {
    sources: Vec<Source>,
    models: Vec<Entry>,
}

impl Catalogue {
    /// The catalogue inside this binary, parsed at the first call.
    pub fn shipped() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        CATALOGUE
            .get_or_init(|| Self::parse(SHIPPED).expect("the embedded catalogue parses, which a test shows"))
    }

    /// Reads a catalogue as `tools/catalogue.py` writes it.
    pub fn parse(text: &'static str) -> Result<Self, CatalogueError> {
        let catalogue: Self = serde_json::from_str(text)?;
        let misplaced = catalogue.models.windows(2).find(|pair| pair[0].place() >= pair[1].place());
        match misplaced {
            Some(pair) => Err(CatalogueError::Order { provider: pair[1].provider, name: pair[1].name }),
            None => Ok(catalogue),
        }
    }

    /// Every model.
    pub fn models(&self) -> &[Entry] {
        &self.models
    }

    /// The models of one provider type, sorted by name.
    pub fn models_of(&self, provider: &str) -> &[Entry] {
        let start = self.models.partition_point(|entry| entry.provider < provider);
        let end = self.models.partition_point(|entry| entry.provider <= provider);
        &self.models[start..end]
    }

    /// One model of a provider type, by the name that the provider is asked for or else by the canonical name.
    pub fn model(&self, provider: &str, name: &str) -> Option<&Entry> {
        let models = self.models_of(provider);
        let asked = models.binary_search_by_key(&name, |entry| entry.name).ok();
        asked.map(|index| &models[index]).or_else(|| models.iter().find(|entry| entry.canonical == name))
    }

    /// What `auto` chooses among without a policy, strongest first, as on the day of the catalogue.
    pub fn recommended(&self, provider: &str) -> Vec<&Entry> {
        self.recommended_on(provider, self.as_of())
    }

    /// What `auto` chooses among without a policy on the given day: models retired by then make room for successors.
    pub fn recommended_on(&self, provider: &str, today: Date) -> Vec<&Entry> {
        let living = |name: &&str| self.model(provider, name).filter(|entry| !entry.is_retired(today));
        recommended::slots(provider).iter().filter_map(|slot| slot.iter().find_map(living)).collect()
    }

    /// The day of the newest source.
    pub fn as_of(&self) -> Date {
        self.sources
            .iter()
            .map(|source| source.as_of)
            .max()
            .expect("a catalogue has a source, which a test shows")
    }

    /// Where entries were taken from.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}
