//! Holds the tree to its own rules: who imports whom, how long a file may get, and what no file may name.

mod imports;
mod texts;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in a folder of the repository")
}

/// What is committed, by paths from the root; in a copy without Git's folder, what is there.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match listed {
        Ok(listed) if listed.status.success() && !listed.stdout.is_empty() => {
            let names = String::from_utf8(listed.stdout).expect("our paths are UTF-8");
            // A file that was just deleted is still listed.
            names
                .split_terminator('\0')
                .map(PathBuf::from)
                .filter(|path| root().join(path).is_file())
                .collect()
        }
        _ => walk(root()),
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    const NOT_OURS: [&str; 5] = ["target", "node_modules", "__pycache__", ".git", ".demo"];
    let entries = std::fs::read_dir(folder).expect("our folders are readable").flatten();
    let ours = entries.filter(|entry| NOT_OURS.iter().all(|name| entry.file_name() != *name));
    ours.flat_map(|entry| match entry.path() {
        path if path.is_dir() => walk(&path),
        path => vec![path.strip_prefix(root()).expect("we walk below the root").to_owned()],
    })
    .collect()
}
