//! Which replica leads: the holder of one Lease.
//!
//! Whether a lease has expired is judged by this process's own monotonic clock since the lease last changed, so clocks
//! need not agree. Money never rests on the election alone: ledger writes compare and swap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

use crate::accounts::{Accounts, Ledger};
use crate::ledger_store::LedgerStore;
use crate::shared::{Leadership, Shared, Stop};

const NAME: &str = "pointsman";
/// Where the holder listens for sidecars.
const ADDRESS: &str = "pointsman.dev/address";

/// How an election goes.
#[derive(Clone, Debug)]
pub(crate) struct LeaderConfig {
    pub(crate) root_namespace: String,
    /// Names this replica.
    pub(crate) identity: String,
    /// Where sidecars reach this replica.
    pub(crate) address: String,
    /// How long a lease holds without being renewed.
    pub(crate) duration: Duration,
    /// How often it is renewed, and looked at by others.
    pub(crate) renew: Duration,
    /// For so long nobody closes a row that this replica has: what it took and could not write is still good.
    pub(crate) keep_ledger: Duration,
}

/// What was seen of somebody else's lease, and when it last changed.
struct Seen {
    version: Option<String>,
    since: Instant,
}

struct Election {
    config: LeaderConfig,
    api: Api<Lease>,
    shared: Arc<Shared>,
    seen: Option<Seen>,
    renewed: Option<Instant>,
    lost: Option<Instant>,
}

/// Takes part in the election until told to stop, then gives the lease up.
pub(crate) async fn run(
    config: LeaderConfig,
    client: Client,
    shared: Arc<Shared>,
    ledger: Arc<LedgerStore>,
    mut stop: Stop,
) {
    let api = Api::namespaced(client, &config.root_namespace);
    let mut election =
        Election { config, api, shared: Arc::clone(&shared), seen: None, renewed: None, lost: None };
    loop {
        let result = election.round_in_time().await;
        election.announce(result, &shared, &ledger).await;
        tokio::select! {
            () = tokio::time::sleep(election.config.renew) => {}
            () = stop.wait() => break,
        }
    }
}

/// Gives the lease up, so that another replica need not wait for it to expire.
pub(crate) async fn release(config: &LeaderConfig, client: Client) {
    let api: Api<Lease> = Api::namespaced(client, &config.root_namespace);
    let Ok(Some(mut lease)) = api.get_opt(NAME).await else { return };
    let Some(spec) =
        lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&config.identity))
    else {
        return;
    };
    spec.holder_identity = None;
    if let Err(error) = api.replace(NAME, &PostParams::default(), &lease).await {
        tracing::debug!(%error, "failed to give up the lease");
    }
}

impl Election {
    /// A round that ends in time: an API server that does not answer must not keep a leader in office.
    async fn round_in_time(&mut self) -> Result<Leadership, kube::Error> {
        let third = self.config.duration / 3;
        let limit = self.left().filter(|left| !left.is_zero()).map_or(third, |left| left.min(third));
        let round = tokio::time::timeout(limit, self.round()).await;
        round.unwrap_or_else(|_| Err(kube::Error::Service("the API server does not answer in time".into())))
    }

    /// How long this replica still leads without renewing: it stops well before anybody else may begin.
    fn left(&self) -> Option<Duration> {
        let renewed = self.renewed?;
        Some((self.config.duration * 2 / 3).saturating_sub(renewed.elapsed()))
    }

    /// One look at the lease: renews it, takes it, or leaves it. Gives who leads.
    async fn round(&mut self) -> Result<Leadership, kube::Error> {
        let Some(lease) = self.api.get_opt(NAME).await? else {
            let lease = self.held(Lease { metadata: named(&self.config.root_namespace), ..Lease::default() });
            return self.take(self.api.create(&PostParams::default(), &lease).await);
        };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder == self.config.identity || holder.is_empty() || self.has_expired(&lease) {
            let lease = self.held(lease);
            return self.take(self.api.replace(NAME, &PostParams::default(), &lease).await);
        }
        let address = lease.annotations().get(ADDRESS).cloned().unwrap_or_default();
        Ok(Leadership::Follower { address })
    }

    /// Whether the lease has not changed for its duration, by our own clock.
    fn has_expired(&mut self, lease: &Lease) -> bool {
        let version = lease.resource_version();
        let seen = self.seen.get_or_insert_with(|| Seen { version: version.clone(), since: Instant::now() });
        if seen.version != version {
            *seen = Seen { version, since: Instant::now() };
        }
        let stated = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let stated = Duration::from_secs(u64::try_from(stated).unwrap_or_default());
        seen.since.elapsed() >= stated.max(self.config.duration)
    }

    fn held(&self, mut lease: Lease) -> Lease {
        let before = lease.spec.take().unwrap_or_default();
        let ours = before.holder_identity.as_ref() == Some(&self.config.identity);
        let now = MicroTime(self.shared.now());
        lease.annotations_mut().insert(ADDRESS.to_owned(), self.config.address.clone());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: Some(
                i32::try_from(self.config.duration.as_secs().max(1)).unwrap_or(i32::MAX),
            ),
            acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            ..LeaseSpec::default()
        });
        lease
    }

    /// A conflict means that somebody else was faster: the next round tells who.
    fn take(&mut self, written: Result<Lease, kube::Error>) -> Result<Leadership, kube::Error> {
        match written {
            Ok(_) => {
                self.renewed = Some(Instant::now());
                self.seen = None;
                Ok(Leadership::Leader)
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Ok(Leadership::Follower { address: String::new() })
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the other tasks. A new leader has read the ledger before it takes the first report; one that cannot renew in
    /// time stops by itself.
    async fn announce(
        &mut self,
        result: Result<Leadership, kube::Error>,
        shared: &Shared,
        ledger: &LedgerStore,
    ) {
        let leads = shared.is_leader();
        let next = match result {
            Ok(next) => next,
            Err(error) => {
                shared.metrics.error("lease");
                tracing::warn!(%error, "failed to look at the lease, will retry");
                let held = self.left().is_some_and(|left| !left.is_zero());
                if leads && held {
                    Leadership::Leader
                } else {
                    Leadership::Follower { address: String::new() }
                }
            }
        };
        if next == Leadership::Leader && !leads {
            if self.lost.take().is_some_and(|lost| lost.elapsed() >= self.config.keep_ledger) {
                shared.books().ledger = Ledger::default();
            }
            if let Err(error) = ledger.load(shared).await {
                shared.metrics.error("ledger");
                tracing::warn!(%error, "failed to read the ledger, will retry");
                return;
            }
            tracing::info!(identity = self.config.identity, "leads");
        }
        if next != Leadership::Leader && leads {
            tracing::info!(identity = self.config.identity, "leads no longer");
            self.lost = Some(Instant::now());
            // Whoever leads now hears everything anew, but for what pods reported that are gone: the ledger's keeper still
            // writes that.
            shared.books().accounts = Accounts::default();
        }
        shared.metrics.leader.set(i64::from(next == Leadership::Leader));
        shared.leadership.send_if_modified(|current| {
            let changed = *current != next;
            *current = next;
            changed
        });
        shared.status_changed.notify_one();
    }
}

fn named(namespace: &str) -> ObjectMeta {
    ObjectMeta { name: Some(NAME.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() }
}
