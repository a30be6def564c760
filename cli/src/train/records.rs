//! `pointsman train --records`: rated calls in, the folder of a routing model out.

use std::path::Path;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use pointsman_models::scorer::Manifest;
use pointsman_models::scorer::manifest::FILE;
use pointsman_sidecar::CallRow;
use pointsman_train::records::{FILES, Rated, Seen, learn};

use super::{about, names, report, write};
use crate::args::Train;
use crate::{outcomes, scorer_folder};

pub(super) fn run(args: &Train) -> anyhow::Result<()> {
    let mut calls = Vec::new();
    for path in &args.records {
        calls.extend(rated(path)?);
    }
    if !args.only.is_empty() {
        calls.retain(|call| args.only.contains(&call.model));
    }
    let from = args.records.iter().map(|path| format!("rated calls of {}", path.display()));
    let about = about(args, from.collect(), names(args.names.as_deref())?.models);
    eprintln!("cross-validating over {} rated calls", calls.len());
    let learned = learn(&calls, &seen(args.tables.as_deref())?, &about)?;
    report::print_learned(&learned)?;
    write(&args.out, &learned.files)
}

/// The routing model that saw the texts.
fn seen(folder: Option<&Path>) -> anyhow::Result<Seen> {
    let hash = scorer_folder::open(folder)?.hash().to_string();
    let text = scorer_folder::file(folder, FILE)?;
    let manifest = Manifest::parse(&text).map_err(|error| anyhow!("{error}"))?;
    let files = FILES.map(|name| Ok((name, scorer_folder::file(folder, name)?)));
    let files: anyhow::Result<Vec<(&'static str, Bytes)>> = files.into_iter().collect();
    Ok(Seen { files: files?.into_iter().collect(), manifest, hash })
}

/// The calls of a file that somebody rated and whose pick answered: after a failover nobody knows with which probability
/// a model came to answer.
fn rated(path: &Path) -> anyhow::Result<Vec<Rated>> {
    let text = outcomes::text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut calls = Vec::new();
    for (i, line) in lines {
        let at = || format!("{}, line {}", path.display(), i + 1);
        let row: CallRow = serde_json::from_str(line)
            .with_context(|| format!("{}: write what `pointsman records` prints", at()))?;
        let Some(quality) = row.feedback.filter(|_| row.served.as_ref() == Some(&row.picked)) else {
            continue;
        };
        let features = features(&row.features).with_context(|| format!("{}: features: no numbers", at()))?;
        let cost = |(model, nano): (String, u64)| (model, nano as f64 / 1e9);
        calls.push(Rated {
            routing_model: row.routing_model,
            features,
            model: row.picked,
            propensity: row.propensity,
            quality,
            expected_cost: row.expected_cost_nano.into_iter().map(cost).collect(),
            output_tokens: row.output_tokens as f64,
        });
    }
    Ok(calls)
}

fn features(text: &str) -> Option<Vec<f32>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    let features = pointsman_models::scorer::Features::from_bytes(&bytes)?;
    Some(features.numbers().collect())
}
