#![allow(clippy::unwrap_used)]
//! The rules offline against the cases that a real API server has judged: the same verdicts. And the words of the
//! schemas, which every reader of YAML must take for words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

fn cases(verdict: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/crd").join(verdict);
    let kinds = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let files = kinds.flat_map(|kind| std::fs::read_dir(kind).unwrap().map(|e| e.unwrap().path()));
    let mut files: Vec<PathBuf> = files.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    assert!(files.len() >= 40, "{} cases in {}", files.len(), root.display());
    files
}

fn ours(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap();
    KINDS.iter().any(|kind| text.contains(&format!("kind: {kind}")))
}

#[test]
fn what_the_api_server_accepts_has_no_problems() {
    for file in cases("accept").iter().filter(|f| ours(f)) {
        let folder = read(file).unwrap();
        let told: Vec<_> = folder.problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        assert!(told.is_empty(), "{}: {told:?}", file.display());
    }
}

#[test]
fn what_the_api_server_refuses_is_refused_here_too() {
    let mut missed = Vec::new();
    for file in cases("reject").iter().filter(|f| ours(f)) {
        // A transition needs the version before; there is none in a file.
        if std::fs::read_to_string(file).unwrap().contains("oldSelf")
            || file.to_string_lossy().contains("-is-changed")
        {
            continue;
        }
        let folder = read(file).unwrap();
        if folder.problems.is_empty() {
            missed.push(file.display().to_string());
        }
    }
    assert!(missed.is_empty(), "not refused offline:\n{}", missed.join("\n"));
}

#[test]
fn every_word_of_the_schemas_means_itself_without_quotes() {
    let words = words();
    assert!(words.len() >= 50, "{words:?}");
    for word in words {
        let text = format!("v: {word}");
        let documents: Vec<Value> = read::documents(&text).collect::<Result<_, _>>().unwrap();
        assert_eq!(documents, [serde_json::json!({"v": word})], "{text}");
        // kubectl reads YAML 1.1, to which these are no words.
        let other = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
        assert!(!other.contains(&word.to_lowercase().as_str()), "{text}");
    }
}

/// Every value of an enum that people can write into one of our kinds.
fn words() -> BTreeSet<String> {
    let ours = pointsman_crds::all_crds().into_iter().filter(|crd| KINDS.contains(&&*crd.spec.names.kind));
    let specs: Vec<Value> = ours
        .map(|crd| serde_json::to_value(&crd.spec.versions[0].schema).unwrap())
        .map(|schema| schema.pointer("/openAPIV3Schema/properties/spec").unwrap().clone())
        .collect();
    assert_eq!(specs.len(), 4);
    let mut words = BTreeSet::new();
    specs.iter().for_each(|spec| collect_words(spec, &mut words));
    words
}

fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        words.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|field| collect_words(field, words)),
        Value::Array(items) => items.iter().for_each(|item| collect_words(item, words)),
        _ => {}
    }
}
