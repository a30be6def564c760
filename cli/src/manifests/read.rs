//! Reads files into manifests and findings.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pointsman_models::did_you_mean;
use serde::Deserialize;
use serde_json::Value;

use super::locate::{Part, Place, locate};
use super::problem::{Problem, Severity};
use super::schema::Rules;
use super::{DEFAULT_NAMESPACE, Folder, KINDS, Manifest, typed};

/// The YAML files of a folder, sorted; or the one file that was named.
pub(super) fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|p| p.is_file() && p.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .collect();
    files.sort();
    Ok(files)
}

/// Reads every document of one file.
pub(super) fn file(file: &Path, text: &str, rules: &Rules, folder: &mut Folder) {
    for (document, parsed) in documents(text).enumerate() {
        match parsed {
            Ok(Value::Null) => {}
            Ok(object) => read_object(file, text, document, object, rules, folder),
            Err(error) => {
                folder.problems.push(not_yaml(file, &error));
                // What follows a syntax error cannot be trusted.
                return;
            }
        }
    }
}

/// Every document of one text, or why it is none.
pub(super) fn documents(text: &str) -> impl Iterator<Item = serde_yaml::Result<Value>> {
    serde_yaml::Deserializer::from_str(text).map(Value::deserialize)
}

/// Two objects of one kind and name: the second is refused, as `kubectl apply` would let it overwrite the first.
pub(super) fn find_doubles(folder: &mut Folder) {
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    let mut doubles = Vec::new();
    for (i, manifest) in folder.manifests.iter().enumerate() {
        if let Some(first) = seen.get(&manifest.title()) {
            doubles.push((i, first.clone()));
        } else {
            seen.insert(manifest.title(), manifest.file.clone());
        }
    }
    for (i, first) in doubles.into_iter().rev() {
        let manifest = folder.manifests.remove(i);
        let message = format!("stands in {} too: remove one of them", first.display());
        folder.problems.push(Problem {
            severity: Severity::Refused,
            place: place_in_file(&manifest.file, manifest.document, "metadata.name"),
            object: Some(manifest.title()),
            file: manifest.file,
            path: "metadata.name".to_owned(),
            message,
            reason: None,
        });
    }
}

/// What the schema of `spec` lets pass and the API server refuses all the same, such as a label that is no string.
pub(super) fn refuse_untyped(folder: &mut Folder) {
    for (i, message) in typed(&folder.manifests).1.into_iter().rev() {
        let manifest = folder.manifests.remove(i);
        folder.problems.push(Problem {
            severity: Severity::Refused,
            place: manifest.locate(""),
            object: Some(manifest.title()),
            file: manifest.file,
            path: String::new(),
            message,
            reason: None,
        });
    }
}

fn read_object(file: &Path, text: &str, document: usize, object: Value, rules: &Rules, folder: &mut Folder) {
    let field = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let kind = field("/kind").unwrap_or_default();
    if !KINDS.contains(&kind.as_str()) {
        let group = field("/apiVersion").unwrap_or_default();
        if group.starts_with("pointsman.dev/") && !rules.know(&kind) {
            folder.problems.push(unknown_kind(file, text, document, &kind));
        }
        return;
    }
    folder.objects += 1;
    let namespace = field("/metadata/namespace").unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
    let name = field("/metadata/name").unwrap_or_default();
    let mut manifest =
        Manifest { file: file.to_owned(), document, kind, namespace, name, generation: 1, object };
    let findings = rules.apply(&mut manifest);
    let bad = !findings.is_empty();
    for finding in findings {
        folder.problems.push(Problem {
            severity: Severity::Refused,
            file: file.to_owned(),
            place: locate(text, document, &finding.path, finding.part),
            object: Some(manifest.title()),
            path: finding.path,
            message: finding.message,
            reason: None,
        });
    }
    if !bad {
        folder.manifests.push(manifest);
    }
}

/// A word that only looks like one of ours would otherwise be passed over in silence.
fn unknown_kind(file: &Path, text: &str, document: usize, kind: &str) -> Problem {
    let hint = did_you_mean(kind, KINDS).map(|known| format!(": did you mean {known}?")).unwrap_or_default();
    Problem {
        severity: Severity::Refused,
        file: file.to_owned(),
        place: locate(text, document, "kind", Part::Value),
        object: None,
        path: "kind".to_owned(),
        message: format!("pointsman.dev has no kind \"{kind}\"{hint}"),
        reason: None,
    }
}

/// A file that cannot be read, or is no text.
pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> Problem {
    of_file(file, None, format!("cannot be read: {error}"))
}

fn not_yaml(file: &Path, error: &serde_yaml::Error) -> Problem {
    let place = error.location().map(|l| Place { line: l.line(), column: l.column(), width: 1 });
    of_file(file, place, format!("not YAML: {error}"))
}

fn of_file(file: &Path, place: Option<Place>, message: String) -> Problem {
    Problem {
        severity: Severity::Refused,
        file: file.to_owned(),
        place,
        object: None,
        path: String::new(),
        message,
        reason: None,
    }
}

fn place_in_file(file: &Path, document: usize, path: &str) -> Option<Place> {
    locate(&std::fs::read_to_string(file).ok()?, document, path, Part::Value)
}
