//! What a process has learned by itself, on disk, so that the next one goes on from there: what feedback says of scorers,
//! prices, and what was spent in the window of a target. Losing the file costs a new start, never a call.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pointsman_config::entry::Name;
use pointsman_core::guard::Guard;
use serde::{Deserialize, Serialize};

use crate::pacing::Pacing;
use crate::plane::Plane;

const FILE: &str = "learned.json";
/// A crash loses what was learned since.
const WRITTEN_EVERY: Duration = Duration::from_secs(2);

/// What is known by policy, `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    policies: BTreeMap<String, Known>,
}

/// What is known of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Known {
    /// The digest of the scorer that the guard watches.
    pub(crate) scorer: String,
    pub(crate) guard: Guard,
    /// The price, where one was used.
    pub(crate) lambda: Option<f64>,
    /// The window of the policy's own target, and what was spent in it, in nano-USD.
    pub(crate) window: Option<(String, u64)>,
}

/// The file, and what it holds.
pub(crate) struct LearnedFile {
    folder: PathBuf,
    written: Memory,
    at: Instant,
}

impl Memory {
    /// What is known of a policy.
    pub(crate) fn of(&self, policy: &Name) -> Option<&Known> {
        self.policies.get(&policy.to_string())
    }

    /// What the present process knows.
    fn now(plane: &Plane, pacing: &Pacing) -> Self {
        let policies = plane.snapshot.policies.iter().zip(&plane.policies).map(|(policy, beside)| {
            let live = &beside.live;
            let spent = live.spent.load(Relaxed).saturating_add(live.spent_before());
            let known = Known {
                scorer: live.watched(),
                guard: *live.guard(),
                lambda: Some(live.lambda()).filter(|lambda| *lambda > 0.0),
                window: pacing.window(&policy.name).map(|id| (id.to_owned(), spent)),
            };
            (policy.name.to_string(), known)
        });
        Self { policies: policies.collect() }
    }
}

impl LearnedFile {
    /// Reads what an earlier process has left. A file that cannot be read is as good as none.
    pub(crate) fn open(folder: PathBuf) -> Self {
        let path = folder.join(FILE);
        let written = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(error) => Err(error),
        };
        let written = written.unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "what was learned before cannot be read; it is learned anew");
            Memory::default()
        });
        Self { folder, written, at: Instant::now() }
    }

    /// What it holds.
    pub(crate) fn learned(&self) -> Memory {
        self.written.clone()
    }

    /// Writes what has changed, every now and then.
    pub(crate) fn keep(&mut self, plane: &Plane, pacing: &Pacing, now: Instant) {
        if now.saturating_duration_since(self.at) >= WRITTEN_EVERY {
            self.at = now;
            self.write(plane, pacing);
        }
    }

    /// Writes what has changed: beside, then renamed.
    pub(crate) fn write(&mut self, plane: &Plane, pacing: &Pacing) {
        let learned = Memory::now(plane, pacing);
        if learned == self.written {
            return;
        }
        if let Err(error) = self.try_write(&learned) {
            tracing::warn!(folder = %self.folder.display(), %error, "failed to keep what was learned");
            return;
        }
        self.written = learned;
    }

    fn try_write(&self, learned: &Memory) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let beside = self.folder.join("learned.json.new");
        fs::write(&beside, serde_json::to_vec(learned)?)?;
        fs::rename(&beside, self.folder.join(FILE))
    }
}
