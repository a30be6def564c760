//! What is believed of a model before anything is measured, and who says so.
//!
//! A figure stands in `catalogue/priors.json` only with its source. Every other model gets the same neutral figures,
//! marked [`PriorSource::Default`], so that nobody mistakes them for knowledge.

use std::sync::OnceLock;

use pointsman_config::provider::Prior;
use serde::Deserialize;

use crate::date::Date;

const PRIORS: &str = include_str!("../catalogue/priors.json");

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorSource {
    /// The neutral figure that every unknown model gets.
    Default,
    /// The named source of `catalogue/priors.json`.
    Listed(&'static str),
}

/// A prior with its sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourcedPrior {
    /// Quality and speed.
    pub prior: Prior,
    /// Who says the quality. Speeds are always the neutral ones.
    pub quality_source: PriorSource,
}

/// What is believed of the model with this canonical name.
pub fn prior_of(canonical: &str) -> SourcedPrior {
    let known = table().models.iter().find(|known| known.canonical == canonical);
    let quality = known.and_then(|known| Some((known.quality?.parse().ok()?, known.source)));
    let neutral = Prior::default();
    SourcedPrior {
        prior: Prior {
            quality: quality.map_or(neutral.quality, |(figure, _)| figure),
            sampling_weight: known.and_then(|known| known.sampling_weight).unwrap_or(neutral.sampling_weight),
            ..neutral
        },
        quality_source: quality.map_or(PriorSource::Default, |(_, source)| PriorSource::Listed(source)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'static"))]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "provenance is for readers of the file; tests hold it complete")
)]
struct Table {
    sources: Vec<PriorsSource>,
    models: Vec<Known>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "provenance is for readers of the file; tests hold it complete")
)]
struct PriorsSource {
    id: &'static str,
    about: &'static str,
    as_of: Date,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Known {
    canonical: &'static str,
    quality: Option<&'static str>,
    sampling_weight: Option<u32>,
    source: &'static str,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| serde_json::from_str(PRIORS).expect("the embedded priors parse, which a test shows"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_four_known_qualities_are_the_published_ones_and_any_other_is_the_marked_default() {
        for (canonical, quality) in [
            ("claude-3-5-sonnet-20241022", 0.85),
            ("gpt-4o-2024-08-06", 0.80),
            ("claude-3-opus-20240229", 0.78),
            ("gpt-4-turbo-2024-04-09", 0.75),
        ] {
            let known = prior_of(canonical);
            assert_eq!(known.prior.quality, quality, "{canonical}");
            assert_eq!(known.quality_source, PriorSource::Listed("p2l-backend"));
        }
        for canonical in ["gpt-5", "deepseek-v3", "no-such-model"] {
            let unknown = prior_of(canonical);
            let quality = (unknown.prior.quality, unknown.quality_source);
            assert_eq!(quality, (Prior::default().quality, PriorSource::Default), "{canonical}");
        }
    }

    #[test]
    fn sampling_weights_are_the_published_ones_and_one_elsewhere() {
        for (canonical, weight) in [
            ("gpt-4o-2024-08-06", 6),
            ("claude-3-5-sonnet-20241022", 6),
            ("qwen-max-0919", 5),
            ("qwen1.5-110b-chat", 4),
            ("deepseek-v2.5", 3),
            ("claude-3-opus-20240229", 1),
            ("no-such-model", 1),
        ] {
            assert_eq!(prior_of(canonical).prior.sampling_weight, weight, "{canonical}");
        }
    }

    #[test]
    fn every_figure_is_possible_and_names_a_described_source() {
        let sources: BTreeSet<_> = table().sources.iter().map(|source| source.id).collect();
        assert!(
            table()
                .sources
                .iter()
                .all(|source| !source.about.is_empty() && source.as_of.to_string().starts_with("2026"))
        );
        let mut names = BTreeSet::new();
        for known in &table().models {
            assert!(names.insert(known.canonical), "{} stands twice", known.canonical);
            assert!(sources.contains(known.source), "{}", known.canonical);
            assert!(
                known.quality.is_some() || known.sampling_weight.is_some(),
                "{} says nothing",
                known.canonical
            );
            if let Some(quality) = known.quality {
                assert!(quality.parse::<f64>().is_ok_and(|q| q > 0.0 && q < 1.0), "{}", known.canonical);
            }
        }
        assert!(table().models.is_sorted_by_key(|known| known.canonical));
    }
}
