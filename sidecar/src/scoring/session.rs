//! Sessions: what was predicted last for a conversation, so that "yes, please" is judged like the question before it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use pointsman_config::policy::SessionConfig;
use pointsman_core::time::Millis;
use pointsman_models::scorer::Prediction;
use pointsman_models::scorer::folder::ModelHash;
use sha2::{Digest, Sha256};

use super::cache::Recent;

/// Messages up to this length say too little by themselves.
const SHORT_BYTES: u64 = 64;
const SESSIONS_AT_MOST: usize = 4096;
/// Who comes back later has something else in mind.
const IDLE_AT_MOST: Duration = Duration::from_secs(30 * 60);

/// Names a session of a policy without keeping the caller's own name of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id([u8; 16]);

/// Sessions of late.
pub(super) struct Sessions(Recent<Id, Last>);

#[derive(Clone)]
struct Last {
    model: ModelHash,
    prediction: Arc<Prediction>,
    at: Millis,
}

impl Default for Sessions {
    fn default() -> Self {
        Self(Recent::new(SESSIONS_AT_MOST))
    }
}

/// Whether a message is too short to be judged by itself.
pub(super) fn is_short(bytes: u64) -> bool {
    bytes <= SHORT_BYTES
}

impl Sessions {
    /// The session that a request says it belongs to.
    pub(super) fn of(&self, policy: usize, by: &SessionConfig, headers: &HeaderMap) -> Option<Id> {
        let SessionConfig::Header { name } = by;
        let value = headers.get(name.as_str())?.as_bytes();
        if value.is_empty() {
            return None;
        }
        let digest = Sha256::new().chain_update(policy.to_le_bytes()).chain_update(value).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Some(Id(id))
    }

    pub(super) fn get(&mut self, id: Id, model: ModelHash, now: Millis) -> Option<Arc<Prediction>> {
        let last = self.0.get(&id)?;
        let fresh = last.model == model && last.at.until(now) <= IDLE_AT_MOST;
        fresh.then(|| last.prediction.clone())
    }

    pub(super) fn put(&mut self, id: Id, model: ModelHash, prediction: Arc<Prediction>, at: Millis) {
        self.0.put(id, Last { model, prediction, at });
    }
}
