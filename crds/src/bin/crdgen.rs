//! Writes `manifests/`, or checks that it is fresh.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: crdgen --write | --check";

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--write") => report(write()),
        Some("--check") => report(check()),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("crdgen: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    for (path, content) in pointsman_crds::manifests() {
        let path = root().join(path);
        let folder = path.parent().expect("a generated file lies in a folder");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, content))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn check() -> Result<(), String> {
    let stale = |(path, content): &(String, String)| {
        std::fs::read_to_string(root().join(path)).map_or(true, |found| found != *content)
    };
    let stale: Vec<String> =
        pointsman_crds::manifests().into_iter().filter(stale).map(|(path, _)| path).collect();
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("{} stale: run `make manifests`", stale.join(", ")))
}

/// The repository's root, one above this crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
