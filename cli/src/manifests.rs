//! Manifests in a folder: read, checked by the API server's own rules, turned into the world that is compiled.
//!
//! ```text
//! *.yaml ─► read ─► default + schema + CEL (as the API server) ─► typed objects ─► World ─► compile
//!             └──────────────► locate: which line a field path stands on
//! ```

mod locate;
mod problem;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod transition;
mod typed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) use locate::Place;
pub(crate) use problem::{Problem, Severity, render};
pub(crate) use typed::{Secret, Secrets, typed};

/// One object of one file.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Which file, as the user named the folder.
    pub(crate) file: PathBuf,
    /// Which document of the file, from 0.
    pub(crate) document: usize,
    /// Its kind.
    pub(crate) kind: String,
    /// Its namespace; `default` where it names none.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Counts the edits of the object, from 1.
    pub(crate) generation: i64,
    /// The object as written, with the schema's defaults applied.
    pub(crate) object: Value,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    /// Objects that passed the API server's rules.
    pub(crate) manifests: Vec<Manifest>,
    /// Everything that is wrong, in order of file and line.
    pub(crate) problems: Vec<Problem>,
    /// How many objects of our kinds were read, bad ones included.
    pub(crate) objects: usize,
    /// How many files were read.
    pub(crate) files: usize,
}

/// The kinds that we understand; others in the folder are none of our business.
pub(crate) const KINDS: [&str; 5] = ["LLMProvider", "RoutingPolicy", "ABTest", "Budget", "Secret"];

/// Namespace of objects that name none, outside a cluster.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Reads every `*.yaml` and `*.yml` of a folder, or one file, sorted by path.
pub(crate) fn read(path: &Path) -> std::io::Result<Folder> {
    let mut folder = Folder::default();
    let rules = schema::Rules::shipped();
    for file in read::files(path)? {
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                folder.files += 1;
                read::file(&file, &text, &rules, &mut folder);
            }
            // Removed since the folder was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => folder.problems.push(read::unreadable(&file, &error)),
        }
    }
    read::find_doubles(&mut folder);
    read::refuse_untyped(&mut folder);
    Ok(folder)
}

/// Reads a text as if it were one file.
pub(crate) fn read_text(file: &Path, text: &str) -> Folder {
    let mut folder = Folder { files: 1, ..Folder::default() };
    read::file(file, text, &schema::Rules::shipped(), &mut folder);
    read::refuse_untyped(&mut folder);
    folder
}

/// Refuses the edits that the API server would refuse: what an object may not change once it is served.
pub(crate) fn refuse_changes(folder: &mut Folder, served: &BTreeMap<String, Manifest>) {
    let rules = schema::Rules::shipped();
    let Folder { manifests, problems, .. } = folder;
    manifests.retain(|manifest| {
        let edited = served.get(&manifest.title()).filter(|old| old.object != manifest.object);
        let findings = edited.map_or_else(Vec::new, |old| rules.changes(old, manifest));
        problems.extend(findings.iter().map(|finding| Problem {
            severity: Severity::Refused,
            file: manifest.file.clone(),
            place: manifest.locate(&finding.path),
            object: Some(manifest.title()),
            path: finding.path.clone(),
            message: finding.message.clone(),
            reason: None,
        }));
        findings.is_empty()
    });
}

impl Manifest {
    /// `RoutingPolicy shop/default`
    pub(crate) fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    /// Where a field of it stands, as the file is now.
    pub(crate) fn locate(&self, path: &str) -> Option<Place> {
        locate::locate(&std::fs::read_to_string(&self.file).ok()?, self.document, path, locate::Part::Value)
    }
}
