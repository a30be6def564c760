//! The last good objects on disk, so that a restarted process serves while the operator is away. Never a key.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pointsman_config::objects::Objects;

const FILE: &str = "objects.json";

/// A folder that survives the process.
pub(crate) struct State {
    folder: PathBuf,
}

impl State {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What was served last. A file that cannot be read is as good as none: the operator sends everything anew.
    pub(crate) fn load(&self) -> Option<Objects> {
        let path = self.folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "failed to read the last good configuration");
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(objects) => Some(objects),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the last good configuration is damaged");
                None
            }
        }
    }

    /// Keeps what is served now: written beside, synced, renamed. Says whether that went well.
    pub(crate) fn save(&self, objects: &Objects) -> bool {
        let saved = self.try_save(objects);
        if let Err(error) = &saved {
            tracing::warn!(folder = %self.folder.display(), %error, "failed to keep the configuration");
        }
        saved.is_ok()
    }

    fn try_save(&self, objects: &Objects) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (path, beside) = (self.folder.join(FILE), self.folder.join("objects.json.new"));
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(objects)?)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        sync_folder(&self.folder)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
