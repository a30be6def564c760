//! Keys in a memory-backed folder of our container alone, so that a restarted process serves while the operator is away.
//!
//! The folder must be a tmpfs: on any other file system a key could reach a disk, and nothing is written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pointsman_config::provider::CredentialName;
use serde::{Deserialize, Serialize};

use crate::secret::{Credential, Secret};

const FILE: &str = "keys.json";
/// What `statfs` says of a tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// The file with the keys that are held now.
pub(crate) struct KeyFile {
    folder: PathBuf,
    written: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    reference: String,
    version: String,
    secret: Vec<u8>,
}

impl KeyFile {
    /// Takes a folder, if it lies in memory.
    pub(crate) fn open(folder: PathBuf) -> Option<Self> {
        match is_in_memory(&folder) {
            Ok(true) => Some(Self { folder, written: None }),
            Ok(false) => {
                tracing::warn!(folder = %folder.display(), "keys are not kept: the folder is no tmpfs, and might be on a disk");
                None
            }
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "keys are not kept");
                None
            }
        }
    }

    /// The keys of the process before this one.
    pub(crate) fn load(&self) -> Vec<Credential> {
        let Ok(bytes) = fs::read(self.folder.join(FILE)) else { return Vec::new() };
        // What it says must not be shown, not even as the place of a mistake.
        let Ok(lines) = serde_json::from_slice::<Vec<Line>>(&bytes) else {
            tracing::warn!("the kept keys are damaged; the operator sends them anew");
            return Vec::new();
        };
        let credential = |line: Line| Credential {
            name: CredentialName { reference: line.reference, version: line.version },
            secret: Secret::new(line.secret),
        };
        lines.into_iter().map(credential).collect()
    }

    /// Keeps these keys and no others: what is revoked is gone from here too.
    pub(crate) fn save(&mut self, credentials: &[Credential]) {
        let line = |credential: &Credential| Line {
            reference: credential.name.reference.clone(),
            version: credential.name.version.clone(),
            secret: credential.secret.expose().to_vec(),
        };
        let lines: Vec<_> = credentials.iter().map(line).collect();
        let bytes = serde_json::to_vec(&lines).expect("keys are plain bytes");
        if self.written.as_ref() == Some(&bytes) {
            return;
        }
        match self.write(&bytes) {
            Ok(()) => self.written = Some(bytes),
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "failed to keep the keys");
                // Better none than those that may have been revoked.
                let _ = fs::remove_file(self.folder.join(FILE));
                self.written = None;
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.folder.join("keys.json.new");
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        fs::rename(&beside, self.folder.join(FILE))
    }
}

fn is_in_memory(folder: &Path) -> io::Result<bool> {
    let known = rustix::fs::statfs(folder)?;
    Ok(u64::try_from(known.f_type).is_ok_and(|kind| kind == TMPFS))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn credential(secret: &str) -> Credential {
        let name = CredentialName { reference: "shop/openai/key".to_owned(), version: "1".to_owned() };
        Credential { name, secret: Secret::new(secret) }
    }

    #[test]
    fn keys_are_kept_in_memory_and_revoked_there_too() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut keys = KeyFile::open(folder.path().to_owned()).unwrap();
        assert!(keys.load().is_empty());
        keys.save(&[credential("sk-canary")]);
        let loaded = KeyFile::open(folder.path().to_owned()).unwrap().load();
        assert_eq!(loaded[0].secret.expose(), b"sk-canary");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(folder.path().join(FILE)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        keys.save(&[]);
        assert!(KeyFile::open(folder.path().to_owned()).unwrap().load().is_empty());
    }

    #[test]
    fn damaged_keys_are_none() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        fs::write(folder.path().join(FILE), b"[{").unwrap();
        assert!(KeyFile::open(folder.path().to_owned()).unwrap().load().is_empty());
    }

    #[test]
    fn nothing_is_kept_where_it_might_reach_a_disk() {
        assert!(KeyFile::open(PathBuf::from("/proc")).is_none());
        assert!(KeyFile::open(PathBuf::from("/nowhere")).is_none());
    }
}
