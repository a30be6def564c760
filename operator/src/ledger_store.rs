//! The ledger's objects in the root namespace: read at the start, written with compare-and-swap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use pointsman_config::entry::Name;
use pointsman_crds::v1alpha1::{BudgetLedger, BudgetLedgerData};

use crate::accounts::{Instance, shard_name};
use crate::shared::{Shared, Stop};

/// How often a write is tried again after somebody else's.
const TRIES: usize = 5;
/// The most shards of one budget that are looked for.
const MOST_SHARDS: usize = 64;

/// Reads and writes the ledger.
pub(crate) struct LedgerStore {
    api: Api<BudgetLedger>,
    writing: tokio::sync::Mutex<()>,
}

impl LedgerStore {
    pub(crate) fn new(client: Client, root_namespace: &str) -> Self {
        Self { api: Api::namespaced(client, root_namespace), writing: tokio::sync::Mutex::default() }
    }

    /// Takes everything that is stored in.
    pub(crate) async fn load(&self, shared: &Shared) -> Result<(), kube::Error> {
        let stored = self.api.list(&ListParams::default()).await?;
        shared.update(|books| {
            for object in &stored.items {
                let Some(index) = index_of(object) else { continue };
                books.ledger.load(index, &object.spec);
            }
        });
        Ok(())
    }

    /// Writes what has changed since the last time. What could not be written stays for the next time.
    pub(crate) async fn flush(&self, shared: &Shared) {
        let _alone = self.writing.lock().await;
        let dirty = shared.books().ledger.take_dirty();
        for (budget, index, data) in dirty {
            if let Err(error) = self.write(shared, &budget, index, data).await {
                shared.metrics.error("ledger");
                tracing::warn!(%budget, %error, "failed to write the ledger, will retry");
                shared.books().ledger.mark_dirty(budget, index);
            }
        }
    }

    async fn write(
        &self,
        shared: &Shared,
        budget: &Name,
        index: usize,
        mut data: BudgetLedgerData,
    ) -> Result<(), kube::Error> {
        let name = shard_name(budget, index);
        for _ in 0..TRIES {
            let written = match self.api.get_opt(&name).await? {
                None => {
                    self.api.create(&PostParams::default(), &BudgetLedger::new(&name, data.clone())).await
                }
                Some(mut stored) => {
                    // Another replica may have written since: the larger number of each row counts.
                    data = merged(shared, budget, index, &stored.spec);
                    if stored.spec == data {
                        return Ok(());
                    }
                    stored.spec = data.clone();
                    self.api.replace(&name, &PostParams::default(), &stored).await
                }
            };
            match written {
                Ok(_) => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error),
            }
        }
        Err(contended(&name))
    }
}

fn merged(shared: &Shared, budget: &Name, index: usize, stored: &BudgetLedgerData) -> BudgetLedgerData {
    let mut books = shared.books();
    books.ledger.load(index, stored);
    books.ledger.stored(budget, index)
}

fn contended(name: &str) -> kube::Error {
    kube::Error::Service(format!("BudgetLedger \"{name}\" is written by somebody else all the time").into())
}

/// Which shard an object is, by its name; none for an object that is no shard of the budget that it names.
fn index_of(object: &BudgetLedger) -> Option<usize> {
    let budget = Name::new(&object.spec.budget.namespace, &object.spec.budget.name);
    let name = object.name_any();
    (0..MOST_SHARDS).find(|index| shard_name(&budget, *index) == name)
}

/// A report that nobody will repeat is written this much sooner.
const URGENT: u32 = 12;

/// Closes rows of processes that have ended, and writes what has changed, while this replica leads; and for a while after,
/// for what was taken last. Usually every `interval`.
pub(crate) async fn run(
    store: Arc<LedgerStore>,
    shared: Arc<Shared>,
    interval: Duration,
    keep_gone: Duration,
    mut stop: Stop,
) {
    let mut gone_since = BTreeMap::new();
    let mut led: Option<Instant> = None;
    loop {
        let urgent = async {
            shared.ledger_urgent.notified().await;
            tokio::time::sleep(interval / URGENT).await;
        };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = urgent => {}
            () = stop.wait() => return,
        }
        if shared.is_leader() {
            led = Some(Instant::now());
            close(&shared, &mut gone_since, keep_gone);
        }
        // Nobody closes a row before its process has been gone for `keep_gone`: until then merging counts nothing twice.
        if led.is_some_and(|led| led.elapsed() < keep_gone / 2) {
            store.flush(&shared).await;
        }
    }
}

/// Folds the rows of processes that have been gone for a while: of pods that are gone, whose tokens are no longer valid,
/// and of earlier starts than the one that is connected now. No report of theirs can come.
fn close(shared: &Shared, gone_since: &mut BTreeMap<Instance, Instant>, keep_gone: Duration) {
    let Some(published) = shared.published.borrow().clone() else { return };
    let limits = published.compiled.limits();
    let now = shared.now();
    shared.update(|books| {
        let is_gone = |instance: &&Instance| match books.links.of(&instance.pod_uid) {
            Some(sidecar) => sidecar.incarnation != instance.incarnation,
            None => !published.pods.contains_key(&instance.pod_uid),
        };
        let gone: BTreeSet<Instance> =
            books.ledger.instances().into_iter().filter(is_gone).cloned().collect();
        gone_since.retain(|instance, _| gone.contains(instance));
        for instance in gone {
            gone_since.entry(instance).or_insert_with(Instant::now);
        }
        let ended =
            |instance: &Instance| gone_since.get(instance).is_some_and(|since| since.elapsed() >= keep_gone);
        books.ledger.close(ended, &limits, now);
        books.accounts.forget_days(now);
        books.accounts.keep_present(|uid| published.pods.contains_key(uid));
    });
}
