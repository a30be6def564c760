//! Where the manifests of a run come from, and where its ledger goes.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::{keys, watch};

/// Where the manifests come from.
pub(crate) enum Source {
    /// A folder, or one file.
    Folder(PathBuf),
    /// The manifests that the keys in the environment stand for.
    Keys(keys::Manifests),
}

impl Source {
    /// Tells of every edit from now on; none where nothing can be edited.
    pub(super) fn edits(&self) -> anyhow::Result<Option<mpsc::Receiver<()>>> {
        match self {
            Self::Folder(path) => watch::edits(path).map(Some),
            Self::Keys(_) => Ok(None),
        }
    }

    /// What simulated providers' files are relative to.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Folder(path) if path.is_dir() => path.clone(),
            Self::Folder(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                parent.map_or_else(|| PathBuf::from("."), PathBuf::from)
            }
            Self::Keys(_) => PathBuf::from("."),
        }
    }

    /// Where the ledger is kept unless the user says otherwise: apart from the manifests, one per folder.
    pub(crate) fn state_dir(&self) -> PathBuf {
        let home = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
        let folder = std::fs::canonicalize(self.folder()).unwrap_or_else(|_| self.folder());
        home.unwrap_or_else(|| PathBuf::from(".")).join("pointsman").join(state_name(&folder))
    }

    pub(super) fn failed(&self) -> String {
        match self {
            Self::Folder(path) => format!("failed to read {}", path.display()),
            Self::Keys(_) => "failed to read the manifests of the environment".to_owned(),
        }
    }

    pub(super) fn empty(&self) -> String {
        match self {
            Self::Folder(path) => format!(
                "{} holds no object that can be served: one LLMProvider is enough (see `pointsman check {0}`)",
                path.display()
            ),
            Self::Keys(manifests) => {
                format!("no provider could be made of the environment. {}", manifests.found.join(" "))
            }
        }
    }

    pub(super) fn yaml(&self) -> &str {
        match self {
            Self::Folder(_) => "",
            Self::Keys(manifests) => &manifests.yaml,
        }
    }
}

/// Names the state of a folder by a 64-bit FNV-1a hash of its path: the next version of this program must find the
/// ledger again, and the hashes of the standard library promise nothing of the kind.
fn state_name(folder: &Path) -> String {
    let bytes = folder.as_os_str().as_encoded_bytes();
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_of_a_folder_is_found_again_by_every_version() {
        // Published vectors of FNV-1a.
        for (path, name) in
            [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")]
        {
            assert_eq!(state_name(Path::new(path)), name);
        }
    }

    #[test]
    fn a_file_belongs_to_the_folder_it_lies_in() {
        for (path, folder) in [("shop.yaml", "."), ("a/shop.yaml", "a"), ("/shop.yaml", "/"), ("src", "src")]
        {
            assert_eq!(Source::Folder(PathBuf::from(path)).folder(), Path::new(folder), "{path}");
        }
    }
}
