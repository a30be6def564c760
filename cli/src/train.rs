//! `pointsman train`: outcomes in, the folder of a routing model out, and on the way what it would have earned.

mod records;
mod report;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use pointsman_models::embedding::{SCALES, VECTORS, VOCABULARY};
use pointsman_train::folder::{About, Base};
use pointsman_train::outcomes::{ModelsFile, Source, by_source};
use pointsman_train::train::{Wish, hold_out, train};
use serde::Deserialize;

use crate::args::Train;
use crate::{outcomes, scorer_folder};

/// Trains and writes.
pub(crate) fn run(args: &Train) -> anyhow::Result<ExitCode> {
    let Some(models) = &args.models else {
        records::run(args)?;
        return Ok(ExitCode::SUCCESS);
    };
    let models = outcomes::models(models)?;
    let mut sources = Vec::new();
    for path in &args.data {
        let lines = outcomes::lines(path, &models)?;
        add(&mut sources, by_source(&lines, &models), path)?;
    }
    if let Some(path) = &args.hold_out {
        let held = prompts(path)?;
        let left_out = hold_out(&mut sources, held.iter().map(String::as_str));
        eprintln!("held out: {left_out} prompts that ask a question of {}", path.display());
    }
    if !args.only.is_empty() {
        sources = sources.iter().map(|source| only(source, &args.only)).collect::<anyhow::Result<_>>()?;
    }
    let base = base(args.tables.as_deref())?;
    let mut progress = |what: &str| eprintln!("{what}");
    if args.dry_run {
        report::print_nested(&sources, &models.prices, &base, args.plots.as_deref(), &mut progress)?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = names(args.names.as_deref())?;
    let wish = Wish { about: about(args, origins(&models, &sources), names.models), tasks: names.tasks };
    let trained = train(&sources, &models.prices, &base, &wish, &mut progress)?;
    report::print(&trained.reports)?;
    write(&args.out, &trained.files)?;
    Ok(ExitCode::SUCCESS)
}

fn write(out: &Path, files: &BTreeMap<String, bytes::Bytes>) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("failed to create {}", out.display()))?;
    for (name, bytes) in files {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    let bytes: usize = files.values().map(bytes::Bytes::len).sum();
    eprintln!("wrote {} ({} files, {:.1} MB)", out.display(), files.len(), bytes as f64 / 1e6);
    Ok(())
}

/// A source may stand in one file only: its prompts are numbered there.
fn add(sources: &mut Vec<Source>, more: Vec<Source>, path: &Path) -> anyhow::Result<()> {
    for source in more {
        if sources.iter().any(|known| known.name == source.name) {
            bail!(
                "{}: source \"{}\" stands in an earlier file too; join the files",
                path.display(),
                source.name
            );
        }
        sources.push(source);
    }
    Ok(())
}

fn only(source: &Source, names: &[String]) -> anyhow::Result<Source> {
    let models: Vec<usize> =
        (0..source.models.len()).filter(|model| names.contains(&source.models[*model])).collect();
    if models.len() < 2 {
        bail!(
            "--only leaves {} models of source \"{}\"; name two or more of its models",
            models.len(),
            source.name
        );
    }
    Ok(source.of_models(&models))
}

/// The `prompt` of every line.
fn prompts(path: &Path) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Line {
        prompt: String,
    }
    let text = outcomes::text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                anyhow!("{}, line {}: {error}; write {{\"prompt\": …}}", path.display(), i + 1)
            })?;
            Ok(line.prompt)
        })
        .collect()
}

/// What is called otherwise than in the data.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    #[serde(default)]
    models: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    tasks: BTreeMap<String, String>,
}

fn names(path: Option<&Path>) -> anyhow::Result<Names> {
    let Some(path) = path else { return Ok(Names::default()) };
    serde_json::from_str(&outcomes::text(path)?).map_err(|error| {
        anyhow!(
            "{}: {error}; it must look like {{\"models\": {{NAME: [ALIAS, ..]}}, \"tasks\": {{LABEL: KIND}}}}",
            path.display()
        )
    })
}

fn base(folder: Option<&Path>) -> anyhow::Result<Base> {
    let [vocabulary, vectors, scales] =
        [VOCABULARY, VECTORS, SCALES].map(|name| scorer_folder::file(folder, name));
    let (vocabulary, vectors, scales) = (vocabulary?, vectors?, scales?);
    let tokens = (scales.len() / 4).max(1);
    Ok(Base { vocabulary, dimensions: vectors.len() / tokens, vectors, scales })
}

/// Where the outcomes come from, as the manifest tells it.
fn origins(models: &ModelsFile, sources: &[Source]) -> Vec<String> {
    let origin = |source: &Source| {
        let listed = &models.sources[&source.name];
        let said = [("at", &listed.repo), ("commit", &listed.commit), ("licence", &listed.licence)];
        let said = said.iter().filter_map(|(what, value)| Some(format!(", {what} {}", value.as_ref()?)));
        format!("{}: {} prompts{}", source.name, source.prompts.len(), said.collect::<String>())
    };
    sources.iter().map(origin).collect()
}

fn about(args: &Train, from: Vec<String>, names: BTreeMap<String, Vec<String>>) -> About {
    About {
        name: args.name.clone(),
        version: args.model_version.clone(),
        licence: args.licence.clone(),
        by: concat!("pointsman train ", env!("CARGO_PKG_VERSION")).to_owned(),
        from,
        on: args.on.clone(),
        names,
    }
}
