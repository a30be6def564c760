//! Starts and ends the whole operator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::gather::{GatherConfig, Gatherer, Stores};
use crate::inject::attend::{self, AttendConfig};
use crate::inject::server::{self, Webhook};
use crate::inject::{Settings, images};
use crate::leader::LeaderConfig;
use crate::ledger_store::LedgerStore;
use crate::report::ReportConfig;
use crate::serve::{IdentityConfig, Reviewer};
use crate::shared::{Shared, Stop};
use crate::trust::{Folder, Keeper, KeeperConfig, Publisher, Trust, TrustError, Turns, publish_here};
use crate::{FIELD_MANAGER, admin, leader, ledger_store, publish, report, serve};

/// Everything that an operator is told from outside.
#[derive(Clone)]
pub struct OperatorConfig {
    /// Talks to the API server.
    pub client: Client,
    /// The operator's own namespace.
    pub root_namespace: String,
    /// The ServiceAccount under which it runs; named in the command that lets it read Secrets.
    pub service_account: String,
    /// Names this replica: its pod's name.
    pub identity: String,
    /// Where sidecars connect.
    pub listen: SocketAddr,
    /// `/healthz`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// Where sidecars reach this very replica; the listening address where absent.
    pub advertise: Option<String>,
    /// Names and addresses that the server's certificate is good for.
    pub server_names: Vec<String>,
    /// What is injected into pods; nothing where absent.
    pub injection: Option<Settings>,
    /// Where the API server asks about new pods; used only where something is injected.
    pub webhook_listen: SocketAddr,
    /// The MutatingWebhookConfiguration whose `caBundle` is written.
    pub webhook_configuration: String,
    /// A folder with certificates that somebody else keeps; without one, the operator is its own authority.
    pub certificate_dir: Option<PathBuf>,
    /// Whether providers may name private addresses and plain HTTP by URL.
    pub allow_private_endpoints: bool,
    /// Whether a sidecar must call from an address of its pod, where the cluster knows one.
    pub check_peer_address: bool,
    /// How often things happen.
    pub pace: Pace,
    /// Tells what time it is.
    pub clock: fn() -> Timestamp,
}

/// How often things happen.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long changes may settle before the world is compiled, or status planned.
    pub quiet: Duration,
    /// The least time between two writes of figures of one object.
    pub figures: Duration,
    /// After this time even small movements of figures are written.
    pub small_figures: Duration,
    /// The least time between two writes of the ledger.
    pub ledger: Duration,
    /// How long a pod must have been gone before its rows in the ledger are closed.
    pub keep_gone: Duration,
    /// How long leadership holds without being renewed.
    pub lease: Duration,
    /// How often leadership is renewed, and looked at by others.
    pub renew: Duration,
    /// How often the authority, what it is trusted by, and pods without a sidecar are looked at.
    pub tend: Duration,
    /// How long a new authority is only trusted before it signs.
    pub spread: Duration,
    /// How long an old authority is still trusted.
    pub overlap: Duration,
    /// How long nobody may have called before a policy says so by an Event.
    pub silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(50),
            figures: Duration::from_secs(10),
            small_figures: Duration::from_secs(60),
            ledger: Duration::from_secs(60),
            keep_gone: Duration::from_secs(600),
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(2),
            tend: Duration::from_secs(2),
            spread: Turns::default().spread,
            overlap: Turns::default().overlap,
            silence: Duration::from_secs(300),
        }
    }
}

/// Why an operator could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A port.
    #[error("failed to listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The authority.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The streams.
    #[error("failed to serve sidecars: {0}")]
    Serve(#[from] tonic::transport::Error),
    /// A task that must not end.
    #[error("a task of the operator failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The same, without a word.
    #[error("a task of the operator ended by itself; it starts anew with the process")]
    Ended,
}

/// A running operator.
pub struct Operator {
    /// Where sidecars connect.
    pub address: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub admin_address: SocketAddr,
    /// Where the API server asks about new pods.
    pub webhook_address: Option<SocketAddr>,
    config: OperatorConfig,
    shared: Arc<Shared>,
    ledger: Arc<LedgerStore>,
    leader: LeaderConfig,
    /// Tasks that need the leadership to the end.
    electing: watch::Sender<bool>,
    serving: watch::Sender<bool>,
    /// Tasks that end with the operator and not before.
    steady: JoinSet<()>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    report: JoinHandle<()>,
    election: JoinHandle<()>,
}

impl OperatorConfig {
    /// Binds the ports, obtains the authority and starts every task.
    pub async fn start(self) -> Result<Operator, OperatorError> {
        let (listener, address) = bind(self.listen).await?;
        let (admin_listener, admin_address) = bind(self.admin_listen).await?;
        let shared = Shared::new(self.clock);
        let (serving, stop) = Stop::new();
        let (electing, stop_electing) = Stop::new();
        let mut steady = JoinSet::new();
        let trust = self.trust(&shared, &stop, &mut steady).await?;
        publish_here(&self.client, &self.root_namespace, &trust.bundle()).await?;
        let gatherer = Gatherer::start(&self.client, self.gather_config(), &shared, &stop);
        let stores = Arc::clone(&gatherer.stores);
        let webhook_address = self.inject(&trust, &stores, &shared, &stop, &mut steady).await?;
        steady.spawn(publish::run(gatherer, Arc::clone(&shared), self.pace.quiet, stop.clone()));
        steady.spawn(admin::run(admin_listener, Arc::clone(&shared), stop.clone()));
        let ledger = Arc::new(LedgerStore::new(self.client.clone(), &self.root_namespace));
        let keeping = ledger_store::run(
            Arc::clone(&ledger),
            Arc::clone(&shared),
            self.pace.ledger,
            self.pace.keep_gone,
            stop.clone(),
        );
        steady.spawn(keeping);
        let leader = self.leader_config(address);
        let election = leader::run(
            leader.clone(),
            self.client.clone(),
            Arc::clone(&shared),
            Arc::clone(&ledger),
            stop_electing,
        );
        let identity = IdentityConfig { check_peer_address: self.check_peer_address };
        let reviewer = Arc::new(Reviewer::new(self.client.clone(), Arc::clone(&shared), identity));
        let report = report::run(
            self.report_config(),
            self.identity.clone(),
            self.client.clone(),
            stores,
            Arc::clone(&shared),
            stop.clone(),
        );
        Ok(Operator {
            address,
            admin_address,
            webhook_address,
            steady,
            server: tokio::spawn(serve::run(listener, trust, reviewer, Arc::clone(&shared), stop)),
            report: tokio::spawn(report),
            election: tokio::spawn(election),
            config: self,
            shared,
            ledger,
            leader,
            electing,
            serving,
        })
    }

    /// What is served under, and whoever keeps it.
    async fn trust(
        &self,
        shared: &Arc<Shared>,
        stop: &Stop,
        steady: &mut JoinSet<()>,
    ) -> Result<Arc<Trust>, TrustError> {
        if let Some(path) = &self.certificate_dir {
            let folder = Folder::open(path.clone())?;
            let trust = folder.trust();
            steady.spawn(folder.run(self.pace.tend, Arc::clone(shared), stop.clone()));
            return Ok(trust);
        }
        let config = KeeperConfig {
            root_namespace: self.root_namespace.clone(),
            names: self.server_names.clone(),
            turns: Turns { spread: self.pace.spread, overlap: self.pace.overlap },
            tend: self.pace.tend,
        };
        let keeper = Keeper::obtain(&self.client, config, Arc::clone(shared)).await?;
        let trust = keeper.trust();
        steady.spawn(keeper.run(stop.clone()));
        Ok(trust)
    }

    /// Tells everybody what to trust; where something is injected, answers the API server and looks after pods.
    async fn inject(
        &self,
        trust: &Arc<Trust>,
        stores: &Arc<Stores>,
        shared: &Arc<Shared>,
        stop: &Stop,
        steady: &mut JoinSet<()>,
    ) -> Result<Option<SocketAddr>, OperatorError> {
        let publisher = Publisher {
            client: self.client.clone(),
            root_namespace: self.root_namespace.clone(),
            webhook_configuration: self.webhook_configuration.clone(),
            stores: Arc::clone(stores),
            trust: Arc::clone(trust),
            tend: self.pace.tend,
        };
        steady.spawn(publisher.run(Arc::clone(shared), stop.clone()));
        let reporter =
            Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(self.identity.clone()) };
        let recorder = Recorder::new(self.client.clone(), reporter);
        let attend = AttendConfig { tend: self.pace.tend, silence: self.pace.silence };
        steady.spawn(attend::run(attend, recorder, Arc::clone(stores), Arc::clone(shared), stop.clone()));
        let Some(settings) = &self.injection else { return Ok(None) };
        let (listener, address) = bind(self.webhook_listen).await?;
        images::list(&self.client, &self.root_namespace, &settings.image).await?;
        let webhook = Webhook { settings: settings.clone(), old: images::too_old(&self.client).await };
        let images = images::keep(
            self.client.clone(),
            self.root_namespace.clone(),
            settings.image.clone(),
            Arc::clone(shared),
            stop.clone(),
        );
        steady.spawn(images);
        let serving =
            server::run(Arc::new(webhook), listener, Arc::clone(trust), Arc::clone(shared), stop.clone());
        steady.spawn(serving);
        Ok(Some(address))
    }

    fn gather_config(&self) -> GatherConfig {
        GatherConfig {
            root_namespace: self.root_namespace.clone(),
            service_account: self.service_account.clone(),
            allow_private_endpoints: self.allow_private_endpoints,
            webhook_configuration: self.webhook_configuration.clone(),
            injection: self.injection.clone(),
        }
    }

    fn leader_config(&self, address: SocketAddr) -> LeaderConfig {
        LeaderConfig {
            root_namespace: self.root_namespace.clone(),
            identity: self.identity.clone(),
            address: self.advertise.clone().unwrap_or_else(|| address.to_string()),
            duration: self.pace.lease,
            renew: self.pace.renew,
            keep_ledger: self.pace.keep_gone / 2,
        }
    }

    fn report_config(&self) -> ReportConfig {
        ReportConfig {
            quiet: self.pace.quiet,
            figures: self.pace.figures,
            small: self.pace.small_figures,
            replica: FIELD_MANAGER,
        }
    }
}

impl Operator {
    /// Runs until `shutdown` comes or a task fails, then ends gracefully.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), OperatorError> {
        tokio::select! {
            () = shutdown => self.stop().await,
            result = &mut self.server => Ok(result??),
            // One that is half alive would hold the lease and do nothing.
            ended = self.steady.join_next() => Err(told(ended.unwrap_or(Ok(())))),
            ended = &mut self.report => Err(told(ended)),
            ended = &mut self.election => Err(told(ended)),
        }
    }

    /// Ends gracefully: no more streams, the last figures and the ledger written, the leadership given up. What an API
    /// server that does not answer keeps from ending is left behind.
    pub async fn stop(mut self) -> Result<(), OperatorError> {
        self.serving.send_replace(true);
        let served = in_time(&mut self.server).await;
        self.server.abort();
        let _ = in_time(&mut self.report).await;
        self.report.abort();
        if self.shared.is_leader() {
            let _ = in_time(self.ledger.flush(&self.shared)).await;
        }
        self.electing.send_replace(true);
        let _ = in_time(&mut self.election).await;
        self.election.abort();
        let _ = in_time(leader::release(&self.leader, self.config.client.clone())).await;
        match served {
            Some(result) => Ok(result??),
            None => Ok(()),
        }
    }
}

/// Why a task ended that should not have.
fn told(ended: Result<(), tokio::task::JoinError>) -> OperatorError {
    ended.map_or_else(OperatorError::Task, |()| OperatorError::Ended)
}

/// The result, unless it takes longer than a part of the usual grace period.
async fn in_time<F: Future>(future: F) -> Option<F::Output> {
    const LIMIT: Duration = Duration::from_secs(5);
    tokio::time::timeout(LIMIT, future).await.ok()
}

/// Starts an operator and runs it until `shutdown`.
pub async fn run(config: OperatorConfig, shutdown: impl Future<Output = ()>) -> Result<(), OperatorError> {
    let operator = config.start().await?;
    tracing::info!(address = %operator.address, admin = %operator.admin_address, "serves");
    operator.run_until(shutdown).await
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), OperatorError> {
    let failed = |source| OperatorError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
