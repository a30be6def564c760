//! Recent calls, in memory: the decision with every candidate and reason, the attempts, tokens and cost. No text.

mod render;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pointsman_config::entry::Name;
use pointsman_core::account::Charge;
use pointsman_core::decide::Decision;
use pointsman_core::snapshot::Snapshot;
use smallvec::SmallVec;

pub(crate) use render::decision_json;

use crate::forward::{End, Tried, TriedEnd};
use crate::request_id::RequestId;
use crate::scoring::Scored;

const CALLS_AT_MOST: usize = 1000;
/// Each record holds the world that it was decided in; older worlds go with their records.
const SNAPSHOTS_AT_MOST: usize = 16;

/// What is known of one call.
pub(crate) struct Record {
    pub(crate) id: RequestId,
    pub(crate) at: Timestamp,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) policy: usize,
    pub(crate) asked: Arc<str>,
    pub(crate) stream: bool,
    pub(crate) input_tokens: u64,
    pub(crate) decision: Arc<Decision>,
    /// What a routing model said of the text, where one was asked.
    pub(crate) scored: Option<Scored>,
    /// The id that the provider gave its answer.
    pub(crate) completion: Option<Box<str>>,
    /// How good somebody said the answer was.
    pub(crate) feedback: Option<f64>,
    pub(crate) tried: SmallVec<[Tried; 2]>,
    pub(crate) charged: Charge,
    pub(crate) end: End,
    pub(crate) took: Duration,
    pub(crate) overhead: Duration,
}

impl Record {
    /// Position of the candidate that answered, whole or cut.
    pub(crate) fn served(&self) -> Option<usize> {
        let answered = |tried: &&Tried| matches!(tried.end, TriedEnd::Answered(_) | TriedEnd::Cut);
        self.tried.iter().rev().find(answered).map(|tried| tried.candidate)
    }
}

/// Two predictions that feedback can judge.
pub(crate) struct Lesson {
    pub(crate) policy: Name,
    /// The digest of the routing model that was asked.
    pub(crate) scorer: String,
    /// What the scorer said of the model that answered.
    pub(crate) scored: f64,
    /// What is thought of that model without having read the prompt.
    pub(crate) mean: f64,
}

/// The last calls, oldest first.
#[derive(Default)]
pub(crate) struct Records {
    calls: VecDeque<Record>,
    snapshots: usize,
}

impl Records {
    pub(crate) fn push(&mut self, record: Record) {
        let same = self.calls.back().is_some_and(|last| Arc::ptr_eq(&last.snapshot, &record.snapshot));
        self.snapshots += usize::from(!same);
        self.calls.push_back(record);
        while self.calls.len() > CALLS_AT_MOST || self.snapshots > SNAPSHOTS_AT_MOST {
            self.drop_oldest();
        }
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Record> {
        self.calls.iter().rev().find(|record| record.id == id)
    }

    /// What feedback on a call would teach: only its first word does, and only where a scorer had spoken of who answered.
    pub(crate) fn lesson(&self, id: &str) -> Option<Lesson> {
        let by_request = RequestId::parse(id);
        let named =
            |record: &&Record| by_request == Some(record.id) || record.completion.as_deref() == Some(id);
        let record = self.calls.iter().rev().find(named).filter(|record| record.feedback.is_none())?;
        let served = record.served()?;
        let target = &record.snapshot.targets[record.decision.considered[served].target];
        let scored = record.scored.as_ref()?;
        Some(Lesson {
            policy: record.snapshot.policies[record.policy].name.clone(),
            scorer: scored.model.hash().to_string(),
            scored: scored.said_of(served)?,
            mean: target.model.prior.quality,
        })
    }

    /// Notes how good an answer was, by either of its ids; returns the call's own, and what was said before.
    pub(crate) fn rate(&mut self, id: &str, score: f64) -> Option<(RequestId, Option<f64>)> {
        let by_request = RequestId::parse(id);
        let named =
            |record: &&mut Record| by_request == Some(record.id) || record.completion.as_deref() == Some(id);
        let record = self.calls.iter_mut().rev().find(named)?;
        Some((record.id, record.feedback.replace(score)))
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.calls.pop_front() else { return };
        let same = self.calls.front().is_some_and(|next| Arc::ptr_eq(&next.snapshot, &oldest.snapshot));
        self.snapshots -= usize::from(!same);
    }
}
