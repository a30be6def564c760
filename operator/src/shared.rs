//! What the operator's tasks share: the published world, the books, and who is told when either changes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::accounts::{Accounts, Ledger};
use crate::compile::{CompiledWorld, SecretKey};
use crate::inject::attention::Remark;
use crate::inquiries::Inquiries;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::plans::Plans;
use crate::status::PodFacts;

/// One compiled world and what goes with it to sidecars; swapped whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Published {
    /// Every object, compiled.
    pub(crate) compiled: Arc<CompiledWorld>,
    /// Keys of providers, with their versions.
    pub(crate) keys: Arc<BTreeMap<SecretKey, Credential>>,
    /// Pods by uid.
    pub(crate) pods: Arc<BTreeMap<String, PodRecord>>,
}

/// A provider's key. Its value is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) version: String,
    pub(crate) value: Vec<u8>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A pod as the cluster knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodRecord {
    pub(crate) facts: PodFacts,
    pub(crate) service_account: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it has our container.
    pub(crate) carries: bool,
    /// What people should hear about it.
    pub(crate) remarks: Vec<Remark>,
}

/// What sidecars have said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Books {
    pub(crate) links: Links,
    pub(crate) accounts: Accounts,
    pub(crate) ledger: Ledger,
}

/// Who writes status and takes reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// This replica.
    Leader,
    /// Another one, at this address where it is known.
    Follower { address: String },
}

/// Shared by every task of one operator.
pub(crate) struct Shared {
    /// The newest world; none until everything has been read once.
    pub(crate) published: watch::Sender<Option<Published>>,
    /// Who leads.
    pub(crate) leadership: watch::Sender<Leadership>,
    /// The API server has been told whom to trust as our webhook; or cannot be, which keeps nobody waiting.
    pub(crate) told: AtomicBool,
    /// Told when an object, a pod or a Secret has changed.
    pub(crate) world_changed: Notify,
    /// Told when something has changed that status shows.
    pub(crate) status_changed: Notify,
    /// Told when the ledger should be written soon.
    pub(crate) ledger_urgent: Notify,
    pub(crate) metrics: Metrics,
    /// What paced policies may spend per call, over all their pods.
    pub(crate) plans: Plans,
    clock: fn() -> Timestamp,
    books: Mutex<Books>,
    inquiries: Mutex<Inquiries>,
}

impl Shared {
    pub(crate) fn new(clock: fn() -> Timestamp) -> Arc<Self> {
        Arc::new(Self {
            published: watch::Sender::new(None),
            leadership: watch::Sender::new(Leadership::Follower { address: String::new() }),
            told: AtomicBool::new(false),
            world_changed: Notify::new(),
            status_changed: Notify::new(),
            ledger_urgent: Notify::new(),
            metrics: Metrics::default(),
            plans: Plans::default(),
            clock,
            books: Mutex::default(),
            inquiries: Mutex::default(),
        })
    }

    /// What time it is. Clocks of nodes differ, so nothing but dates rests on it.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The books, for a moment: never across an await.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feedback that is being asked around, for a moment: never across an await.
    pub(crate) fn inquiries(&self) -> MutexGuard<'_, Inquiries> {
        self.inquiries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the books and tells whoever writes status.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        let result = change(&mut self.books());
        self.status_changed.notify_one();
        result
    }

    pub(crate) fn is_leader(&self) -> bool {
        *self.leadership.borrow() == Leadership::Leader
    }
}

/// Tells tasks to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Waits until the operator ends.
    pub(crate) async fn wait(&mut self) {
        // The sender going away means the same.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// How long to let changes settle after a round that took `spent`: a task spends at most a fifth of its time working,
/// however large the cluster.
pub(crate) fn pause(quiet: Duration, spent: Duration) -> Duration {
    quiet.max(spent * 4)
}
