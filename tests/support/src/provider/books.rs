//! What has the provider received, and what does it bill?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::model::Price;

/// Tokens; `input` includes `cached_input`, `output` includes `reasoning`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub cached_input: u64,
    pub output: u64,
    pub reasoning: u64,
}

/// How a call ended, seen from the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended yet.
    Open,
    /// The whole answer was sent.
    Answered,
    /// A status other than 200 was sent.
    Refused(u16),
    /// The provider broke it off.
    Cut,
    /// The client went away.
    Abandoned,
}

/// One chat completion in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub model: String,
    pub streamed: bool,
    pub outcome: Outcome,
    /// What is billed, whether it was told to the caller or not.
    pub usage: Usage,
    /// What that costs, in nano-USD.
    pub cost_nano: u64,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub at: Instant,
    /// Which of the accepted connections it came on, counted from 1.
    pub connection: u64,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// The value of a header, where it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null where it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pages: Mutex<Pages>,
    connections: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    requests: Vec<Received>,
    entries: Vec<Entry>,
}

impl Books {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> Vec<Received> {
        self.pages().requests.clone()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.pages().entries.clone()
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection and gives its number.
    pub(super) fn connect(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn receive(&self, request: Received) {
        self.pages().requests.push(request);
    }

    /// Opens an entry and gives its number.
    pub(super) fn open(&self, model: &str, streamed: bool) -> usize {
        let (outcome, usage) = (Outcome::Open, Usage::default());
        let mut pages = self.pages();
        pages.entries.push(Entry { model: model.to_owned(), streamed, outcome, usage, cost_nano: 0 });
        pages.entries.len() - 1
    }

    pub(super) fn bill(&self, entry: usize, usage: Usage, price: &Price) {
        let mut pages = self.pages();
        let entry = &mut pages.entries[entry];
        entry.usage = usage;
        entry.cost_nano = price.cost_nano(&usage);
    }

    /// Ends an entry; its first end stands.
    pub(super) fn end(&self, entry: usize, outcome: Outcome) {
        let mut pages = self.pages();
        let entry = &mut pages.entries[entry];
        if entry.outcome == Outcome::Open {
            entry.outcome = outcome;
        }
    }
}
