//! What people said of answers, joined to what was decided: the food of trainers.
//!
//! A [`CallRow`] is written for every scored call: features, scores, pick, cost; never a word of the text. Feedback finds
//! its call by our request id or by the id of the completion, and the last word wins. Rows go to a [`CallStore`] from the
//! control thread; the data thread only hands them over.

mod away;
mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pointsman_config::entry::Name;
use pointsman_core::account::Charge;
use pointsman_core::decide::Decision;
use pointsman_core::snapshot::Snapshot;
use pointsman_models::scorer::folder::hex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::away::{ASKS_AT_MOST, Asks, Away, Elsewhere, answer_asks};
pub(crate) use self::judge::{Judged, judge};
use crate::control::Command;
use crate::records::{Lesson, Record};
use crate::request_id::RequestId;
use crate::rights::StoreError;
use crate::scoring::Scored;

/// Rows wait here for the control thread; when it is full, further rows are dropped and calls go on.
const ROWS_AT_MOST: usize = 4096;

/// The operator asks others within two seconds; then somebody still has to hear it.
const ASKED_WITHIN: Duration = Duration::from_secs(4);

/// One scored call, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRow {
    /// Our request id.
    pub id: String,
    /// The id that the provider gave its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_id: Option<String>,
    /// When it ended.
    pub time: String,
    /// The policy that chose.
    pub policy: String,
    /// The model that was picked.
    pub picked: String,
    /// The model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<String>,
    /// With which probability the pick was drawn.
    pub propensity: f64,
    /// What the routing model said of the model that answered, before feedback had any say in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<f64>,
    /// What is thought of the model that answered without having read the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The digest of the routing model.
    pub routing_model: String,
    /// What made the features.
    pub extractor: String,
    /// Its version: features of different versions must not be mixed.
    pub extractor_version: u32,
    /// The features, as hexadecimal bytes of `Features`.
    pub features: String,
    /// The predicted quality of each candidate, by model.
    pub scores: BTreeMap<String, f64>,
    /// What each candidate was expected to cost in nano-USD, by model.
    pub expected_cost_nano: BTreeMap<String, u64>,
    /// What the call cost, in nano-USD.
    pub cost_nano: u64,
    /// Input tokens of all attempts.
    pub input_tokens: u64,
    /// Output tokens of all attempts.
    pub output_tokens: u64,
    /// How long it took.
    pub latency_ms: u64,
    /// How good the answer was, from 0 to 1, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<f64>,
}

/// Keeps rows across restarts.
pub trait CallStore: Send {
    /// Keeps rows; older ones may go.
    fn keep(&mut self, rows: &[CallRow]) -> Result<(), StoreError>;

    /// Notes how good an answer was, found by its request id or completion id. Returns the row as it was before, where the
    /// call is known.
    fn feedback(&mut self, id: &str, score: f64) -> Result<Option<CallRow>, StoreError>;

    /// Rows after a request id, oldest first, at most so many.
    fn rows(&self, after: &str, most: usize) -> Result<Vec<CallRow>, StoreError>;
}

/// What the data thread hands over of a call: only what it has at hand. The control thread puts it into words.
struct Filed {
    id: RequestId,
    completion: Option<Box<str>>,
    at: Timestamp,
    snapshot: Arc<Snapshot>,
    policy: usize,
    decision: Arc<Decision>,
    scored: Scored,
    served: Option<usize>,
    charged: Charge,
    took: Duration,
}

/// The data thread's side.
#[derive(Clone)]
pub(crate) struct Desk {
    rows: Option<mpsc::Sender<Box<Filed>>>,
    commands: mpsc::WeakSender<Command>,
}

/// The control thread's side.
pub(crate) struct Archive {
    store: Box<dyn CallStore>,
    rows: mpsc::Receiver<Box<Filed>>,
}

/// Both sides.
pub(crate) fn open(
    store: Option<Box<dyn CallStore>>,
    commands: mpsc::WeakSender<Command>,
) -> (Desk, Option<Archive>) {
    let Some(store) = store else { return (Desk { rows: None, commands }, None) };
    let (sender, rows) = mpsc::channel(ROWS_AT_MOST);
    (Desk { rows: Some(sender), commands }, Some(Archive { store, rows }))
}

impl Desk {
    /// Hands over a call that has ended, if anybody keeps calls and a routing model scored it.
    pub(crate) fn file(&self, record: &Record) {
        let Some(rows) = &self.rows else { return };
        if let Ok(place) = rows.try_reserve()
            && let Some(filed) = filed(record)
        {
            place.send(Box::new(filed));
        }
    }

    /// Notes feedback in the store; returns the row as it was before, where there is a store that knows the call.
    pub(crate) async fn note(&self, id: &str, score: f64) -> Result<Option<CallRow>, String> {
        if self.rows.is_none() {
            return Ok(None);
        }
        self.ask(|answer| Command::Feedback(id.to_owned(), score, answer)).await?
    }

    /// Asks the operator for the sidecar that served a call, and hands it the feedback.
    pub(crate) async fn ask_elsewhere(&self, id: &str, score: f64) -> Result<Elsewhere, String> {
        let asked = self.ask(|answer| Command::Give(id.to_owned(), score, answer));
        tokio::time::timeout(ASKED_WITHIN, asked).await.unwrap_or_else(|_| {
            Err("the operator, who knows the other pods, did not answer; give it again".to_owned())
        })
    }

    /// Rows of the store after a request id; none where nothing is kept.
    pub(crate) async fn rows(&self, after: &str, most: usize) -> Result<Vec<CallRow>, String> {
        if self.rows.is_none() {
            return Ok(Vec::new());
        }
        self.ask(|answer| Command::Rows(after.to_owned(), most, answer)).await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, String> {
        let gone = || "the process is ending".to_owned();
        let commands = self.commands.upgrade().ok_or_else(gone)?;
        let (answer, answered) = oneshot::channel();
        commands.send(command(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}

impl CallRow {
    /// What feedback on the call teaches.
    pub(crate) fn lesson(&self) -> Option<Lesson> {
        Some(Lesson {
            policy: parse_name(&self.policy)?,
            scorer: self.routing_model.clone(),
            scored: self.said?,
            mean: self.mean?,
        })
    }
}

/// Reads `namespace/name`.
fn parse_name(text: &str) -> Option<Name> {
    let (namespace, name) = text.split_once('/')?;
    Some(Name::new(namespace, name))
}

impl Archive {
    /// Keeps what was handed over since the last time.
    pub(crate) fn keep(&mut self) {
        let mut rows = Vec::new();
        while let Ok(filed) = self.rows.try_recv() {
            rows.extend(row(&filed));
        }
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.store.keep(&rows) {
            tracing::warn!(%error, rows = rows.len(), "failed to keep scored calls");
        }
    }

    /// Notes feedback; the call may have been handed over a moment ago.
    pub(crate) fn note(&mut self, id: &str, score: f64) -> Result<Option<CallRow>, String> {
        self.keep();
        self.store.feedback(id, score).map_err(|error| error.to_string())
    }

    /// Rows after a request id.
    pub(crate) fn rows(&mut self, after: &str, most: usize) -> Result<Vec<CallRow>, String> {
        self.keep();
        self.store.rows(after, most).map_err(|error| error.to_string())
    }
}

fn filed(record: &Record) -> Option<Filed> {
    Some(Filed {
        id: record.id,
        completion: record.completion.clone(),
        at: record.at,
        snapshot: record.snapshot.clone(),
        policy: record.policy,
        scored: record.scored.clone()?,
        decision: record.decision.clone(),
        served: record.served(),
        charged: record.charged,
        took: record.took,
    })
}

fn row(filed: &Filed) -> Option<CallRow> {
    let Filed { decision, scored, snapshot, .. } = filed;
    let name = |target: usize| snapshot.targets[target].key.model.clone();
    let extractor = &scored.model.manifest().extractor;
    let served = filed.served.map(|candidate| decision.considered[candidate].target);
    let rows = || decision.considered.iter();
    Some(CallRow {
        id: filed.id.to_string(),
        completion_id: filed.completion.as_deref().map(str::to_owned),
        time: filed.at.to_string(),
        policy: snapshot.policies[filed.policy].name.to_string(),
        picked: name(decision.picked()?.target),
        served: served.map(name),
        said: filed.served.and_then(|candidate| scored.said_of(candidate)),
        mean: served.map(|target| snapshot.targets[target].model.prior.quality),
        propensity: decision.propensity,
        routing_model: scored.model.hash().to_string(),
        extractor: extractor.name.clone(),
        extractor_version: extractor.version,
        features: hex(&scored.prediction.features.to_bytes()),
        scores: rows().map(|row| (name(row.target), row.quality)).collect(),
        expected_cost_nano: rows().filter_map(|row| Some((name(row.target), row.expected_cost?.0))).collect(),
        cost_nano: filed.charged.cost.0,
        input_tokens: filed.charged.usage.input,
        output_tokens: filed.charged.usage.output,
        latency_ms: u64::try_from(filed.took.as_millis()).unwrap_or(u64::MAX),
        feedback: None,
    })
}
