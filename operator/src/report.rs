//! One task writes status and Events, while this replica leads: waits for a change, lets it settle, plans, writes what has
//! changed enough.

mod apply;
mod memory;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::gather::Stores;
use crate::shared::{Shared, Stop, pause};
use crate::status::Scene;

use apply::{Apply, plan};
use memory::Memory;

/// Writes at once; the API server has others to serve.
const CONCURRENT_WRITES: usize = 8;
/// A write that takes longer is tried again later: one that hangs must not keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often status is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportConfig {
    /// How long changes may settle.
    pub(crate) quiet: Duration,
    /// The least time between two writes of figures of one object.
    pub(crate) figures: Duration,
    /// After this time even small movements are written.
    pub(crate) small: Duration,
    /// Names this replica in Events.
    pub(crate) replica: &'static str,
}

/// Runs until told to stop, and once more then, so that the last figures are not lost.
pub(crate) async fn run(
    config: ReportConfig,
    instance: String,
    client: Client,
    stores: Arc<Stores>,
    shared: Arc<Shared>,
    mut stop: Stop,
) {
    let reporter = Reporter { controller: config.replica.to_owned(), instance: Some(instance) };
    let mut writer = Writer {
        config,
        recorder: Recorder::new(client.clone(), reporter),
        client,
        memory: Memory::default(),
    };
    let mut spent = Duration::ZERO;
    loop {
        tokio::select! {
            () = shared.status_changed.notified() => {}
            () = tokio::time::sleep(config.figures) => {}
            () = stop.wait() => break,
        }
        tokio::time::sleep(pause(config.quiet, spent)).await;
        spent = writer.round(&stores, &shared, false).await;
    }
    writer.round(&stores, &shared, true).await;
}

struct Writer {
    config: ReportConfig,
    client: Client,
    recorder: Recorder,
    memory: Memory,
}

impl Writer {
    /// Plans and writes one status per object, where it has changed enough. `last` writes every change. Gives the time
    /// that planning took.
    async fn round(&mut self, stores: &Stores, shared: &Shared, last: bool) -> Duration {
        if !shared.is_leader() {
            self.memory.clear();
            return Duration::ZERO;
        }
        let Some(published) = shared.published.borrow().clone() else { return Duration::ZERO };
        let started = Instant::now();
        let planned = {
            let books = shared.books();
            let pods: Vec<_> = published.pods.values().map(|record| record.facts.clone()).collect();
            let now = shared.now();
            let scene =
                Scene::new(&published.compiled, &pods, &books.links, &books.accounts, &books.ledger, now)
                    .with_allowances(shared.plans.allowances(&published.compiled, &books.accounts, now));
            plan(&scene, &published.compiled, stores, &self.memory)
        };
        let spent = started.elapsed();
        shared.metrics.rounds.inc();
        self.memory.keep(&planned);
        let due: Vec<_> =
            planned.into_iter().filter(|apply| self.memory.is_due(apply, &self.config, last)).collect();
        let (client, recorder) = (&self.client, &self.recorder);
        let writes = due.into_iter().map(|apply| async move {
            let written = tokio::time::timeout(PATIENCE, apply.write(client)).await;
            let late = |_| Err(kube::Error::Service("the API server does not answer in time".into()));
            (apply, written.unwrap_or_else(late), recorder)
        });
        let mut written = futures::stream::iter(writes).buffer_unordered(CONCURRENT_WRITES);
        while let Some((apply, result, recorder)) = written.next().await {
            match result {
                Ok(()) => {
                    shared.metrics.wrote(apply.kind);
                    announce(recorder, &apply, shared).await;
                    self.memory.wrote(&apply);
                }
                // Gone, or another object of the same name: the next round knows.
                Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
                Err(error) => {
                    shared.metrics.error("status");
                    tracing::warn!(kind = apply.kind, name = %apply.name, %error, "failed to write status, will retry");
                    self.memory.failed(&apply);
                }
            }
        }
        spent
    }
}

/// Events are help, not record: one that cannot be written is counted and forgotten.
async fn announce(recorder: &Recorder, apply: &Apply, shared: &Shared) {
    for notice in &apply.notices {
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(bounded(&notice.note)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let published = tokio::time::timeout(PATIENCE, recorder.publish(&event, &apply.reference)).await;
        if !matches!(published, Ok(Ok(()))) {
            shared.metrics.error("event");
            tracing::debug!(name = %apply.name, reason = notice.reason, "failed to write an event");
        }
    }
}

/// The API server takes notes of at most 1 kB.
fn bounded(note: &str) -> String {
    note[..note.floor_char_boundary(1000)].to_owned()
}
