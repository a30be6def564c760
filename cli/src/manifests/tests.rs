#![allow(clippy::unwrap_used)]
//! The rules offline against the cases that a real API server has judged: the same verdicts.

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
