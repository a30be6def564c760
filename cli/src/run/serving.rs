//! What is being served from a folder: the last good version of every object, edit by edit.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use pointsman_config::entry::{Entry, State};
use pointsman_config::provider::CredentialName;
use pointsman_sidecar::{Credential, Secret, Update};

use super::Source;
use crate::check::all_problems;
use crate::environment::Environment;
use crate::manifests::{self, Folder, Manifest, Problem, Severity, render};
use crate::world::compile_manifests;

/// Remembers what was served of each object.
pub(crate) struct Serving {
    environment: Environment,
    last_good: BTreeMap<String, Manifest>,
}

/// One version of the folder, ready to be served.
pub(crate) struct Loaded {
    /// The namespace that this process stands for.
    pub(crate) namespace: String,
    /// What is served.
    pub(crate) entries: Vec<Entry>,
    credentials: Vec<(String, String, String)>,
    problems: Vec<Problem>,
    kept: Vec<String>,
}

impl Serving {
    /// Nothing served yet.
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment, last_good: BTreeMap::new() }
    }

    /// Reads the source. Of an object whose file or text broke, the last good version stays.
    pub(crate) fn load(&mut self, source: &Source) -> std::io::Result<Loaded> {
        let mut folder = match source {
            Source::Folder(path) => manifests::read(path)?,
            Source::Keys(keys) => manifests::read_text(&PathBuf::from("environment"), &keys.yaml),
        };
        manifests::refuse_changes(&mut folder, &self.last_good);
        let problems = all_problems(&folder, &self.environment);
        let kept = self.keep_last_good(&mut folder);
        self.number(&mut folder.manifests);
        let compiled = compile_manifests(&folder.manifests, &self.environment);
        self.last_good = folder.manifests.into_iter().map(|m| (m.title(), m)).collect();
        Ok(Loaded {
            namespace: compiled.namespace,
            entries: compiled.entries,
            credentials: compiled.credentials,
            problems,
            kept,
        })
    }

    /// Puts back the last good version of what broke; tells which.
    fn keep_last_good(&self, folder: &mut Folder) -> Vec<String> {
        let refused = || folder.problems.iter().filter(|p| p.severity == Severity::Refused);
        // A broken object that was never served may be any of its file: its name itself may be the mistake.
        let known = |title: &&String| self.last_good.contains_key(*title);
        let broken = |manifest: &&Manifest| {
            refused().any(|p| match p.object.as_ref().filter(known) {
                Some(title) => *title == manifest.title(),
                None => p.file == manifest.file,
            })
        };
        let read = |title: &str| folder.manifests.iter().any(|m| m.title() == title);
        let kept: Vec<Manifest> =
            self.last_good.values().filter(broken).filter(|m| !read(&m.title())).cloned().collect();
        let titles = kept.iter().map(Manifest::title).collect();
        folder.manifests.extend(kept);
        titles
    }

    /// An edited object gets the next generation, as an API server gives it.
    fn number(&self, manifests: &mut [Manifest]) {
        for manifest in manifests {
            manifest.generation = match self.last_good.get(&manifest.title()) {
                Some(last) if last.object == manifest.object => last.generation,
                Some(last) => last.generation + 1,
                None => 1,
            };
        }
    }
}

impl Loaded {
    /// For the data plane.
    pub(crate) fn update(&self) -> Update {
        let credential = |(reference, version, secret): &(String, String, String)| Credential {
            name: CredentialName { reference: reference.clone(), version: version.clone() },
            secret: Secret::new(secret),
        };
        Update {
            entries: self.entries.clone(),
            credentials: self.credentials.iter().map(credential).collect(),
        }
    }

    /// Fails where a Budget or a RoutingPolicy has mistakes and no good version of it is known: without it, money would be
    /// spent that nobody meant to spend, or prompts go to models that nobody named.
    pub(crate) fn ensure_nothing_is_served_around(&self) -> anyhow::Result<()> {
        let titles = self
            .problems
            .iter()
            .filter(|p| p.severity != Severity::Warning)
            .filter_map(|p| p.object.as_deref());
        for title in titles.filter(|title| !self.serves(title)) {
            let lost = match title.split(' ').next() {
                Some("Budget") => "held",
                Some("RoutingPolicy") => "obeyed",
                _ => continue,
            };
            bail!(
                "{title} would not be {lost}: it has mistakes (above), and no earlier version is known; mend it first"
            );
        }
        Ok(())
    }

    fn serves(&self, title: &str) -> bool {
        let valid = |entry: &&Entry| matches!(entry.state, State::Valid(_));
        self.entries
            .iter()
            .filter(valid)
            .any(|entry| title == format!("{:?} {}", entry.key.kind, entry.key.name))
    }

    /// What is wrong, for people; none when nothing is.
    pub(crate) fn problems_text(&self) -> Option<String> {
        let mut texts: HashMap<PathBuf, String> = HashMap::new();
        let mut out = String::new();
        for problem in &self.problems {
            let text = texts
                .entry(problem.file.clone())
                .or_insert_with(|| std::fs::read_to_string(&problem.file).unwrap_or_default());
            let _ = writeln!(out, "{}", render(problem, text));
        }
        if !self.kept.is_empty() {
            let _ = writeln!(out, "The last good version serves on: {}.", self.kept.join(", "));
        }
        (!out.is_empty()).then_some(out)
    }
}

#[cfg(test)]
mod tests;
