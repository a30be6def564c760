//! How does the provider misbehave, and in which call?

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::model::Model;

/// One misbehaviour of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fault {
    /// Answers as it should.
    #[default]
    None,
    /// Answers with this status, these headers and this body, at no charge.
    Status { status: u16, headers: Vec<(String, String)>, body: String },
    /// Ends the connection at this point: by a reset at [`Point::Head`], later by closing it in the middle of the body. (A
    /// reset would take words with it that are still on their way.)
    Cut(Point),
    /// Says nothing more from this point on, until [`super::Provider::release`].
    Hold(Point),
    /// Says nothing for a while at this point.
    Delay(Point, Duration),
    /// Pauses before each content chunk.
    Pace(Duration),
    /// Never says what was used, but bills it.
    MissingUsage,
    /// Sends an event that is not JSON in the place of this content chunk (counted from 0), or a body that is not JSON.
    Malformed(usize),
    /// Ends the stream without `[DONE]`.
    MissingDone,
}

/// A moment in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before the head of the response: the caller has got no byte.
    Head,
    /// After the head, the event that names the role, and this many content chunks. An answer that is not streamed has
    /// two chunks, its halves.
    Chunk(usize),
}

impl Fault {
    /// A bare status with a body in OpenAI's shape.
    pub fn status(status: u16) -> Self {
        Self::error(status, "server_error", "scripted_fault", "A scripted fault.")
    }

    /// 429, with `Retry-After` in seconds where given.
    pub fn rate_limited(retry_after: Option<u64>) -> Self {
        let fault = Self::error(429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached.");
        match retry_after {
            Some(seconds) => fault.with_header("retry-after", &seconds.to_string()),
            None => fault,
        }
    }

    /// A status with an error body in OpenAI's shape.
    pub fn error(status: u16, kind: &str, code: &str, message: &str) -> Self {
        let error =
            serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Status { status, headers, body: error.to_string() }
    }

    /// Adds a header to a [`Fault::Status`].
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// What a call does at one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    GoOn,
    Cut,
    Hold,
    Wait(Duration),
}

impl Fault {
    pub(super) fn at(&self, here: Point) -> Act {
        match *self {
            Self::Cut(point) if point == here => Act::Cut,
            Self::Hold(point) if point == here => Act::Hold,
            Self::Delay(point, time) if point == here => Act::Wait(time),
            Self::Pace(time) if here != Point::Head => Act::Wait(time),
            _ => Act::GoOn,
        }
    }
}

/// The plans of the test.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    plans: Mutex<Plans>,
    releases: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Plans {
    models: BTreeMap<String, Model>,
    key: Option<String>,
    coming: BTreeMap<String, VecDeque<Fault>>,
    always: BTreeMap<String, Fault>,
}

impl Scripts {
    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn serve(&self, name: &str, model: Model) {
        self.plans().models.insert(name.to_owned(), model);
    }

    pub(super) fn require_key(&self, key: &str) {
        self.plans().key = Some(key.to_owned());
    }

    pub(super) fn script(&self, model: &str, faults: impl IntoIterator<Item = Fault>) {
        self.plans().coming.entry(model.to_owned()).or_default().extend(faults);
    }

    pub(super) fn always(&self, model: &str, fault: Fault) {
        self.plans().always.insert(model.to_owned(), fault);
    }

    pub(super) fn release(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// What a call that arrives now waits for, should it be held.
    pub(super) fn arrive(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }

    pub(super) fn accepts(&self, authorization: Option<&str>) -> bool {
        let plans = self.plans();
        plans.key.as_ref().is_none_or(|key| authorization == Some(&format!("Bearer {key}")))
    }

    pub(super) fn model(&self, name: &str) -> Option<Model> {
        self.plans().models.get(name).cloned()
    }

    pub(super) fn model_names(&self) -> Vec<String> {
        self.plans().models.keys().cloned().collect()
    }

    /// Takes what the next call to `model` gets.
    pub(super) fn next_fault(&self, model: &str) -> Fault {
        let mut plans = self.plans();
        let scripted = plans.coming.get_mut(model).and_then(VecDeque::pop_front);
        scripted.or_else(|| plans.always.get(model).cloned()).unwrap_or_default()
    }
}
