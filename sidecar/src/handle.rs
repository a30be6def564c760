//! Starts the two threads, and holds them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Applied, Command, Control, Update};
use crate::data::{Data, DataSettings};
use crate::feedback::{self, Desk};
use crate::listen::{accept, service};
use crate::pool::Tls;
use crate::rights::LimitReport;
use crate::shared::Shared;
use crate::simulated::SimulatedAddress;
use crate::usage::Totals;

/// Commands wait here while the control thread is busy; whoever sends one waits for its answer anyway.
const COMMANDS_AT_MOST: usize = 16;

/// The data plane, before it runs.
pub struct Sidecar;

/// A running data plane. Dropping it stops it at once, [`Handle::shutdown`] in order.
pub struct Handle {
    data: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    commands: mpsc::Sender<Command>,
    stop: watch::Sender<bool>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Why a data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, or not ours.
    #[error("failed to listen on {address}: {source}; free the port or choose another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The operating system gives no thread or no event queue.
    #[error("failed to start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The thread ended before it listened.
    #[error("the {0} thread ended before it was ready")]
    Ended(&'static str),
}

impl Sidecar {
    /// Starts listening. Calls are refused as `not_configured` until the first configuration.
    pub fn start(mut config: Config) -> Result<Handle, StartError> {
        let shared = Arc::new(Shared::new(Clock::start()));
        let tls = Tls::new(config.extra_roots.clone());
        let (stop, stopped) = watch::channel(false);
        let (drain, draining) = watch::channel(false);
        let settings = DataSettings { admin: config.admin_on_data, workload: config.workload.clone() };
        let addresses = config.data.clone();
        let (commands, inbox) = mpsc::channel(COMMANDS_AT_MOST);
        let (desk, archive) = feedback::open(config.calls.take(), commands.downgrade());
        let (data_thread, data) = spawn("pointsman-data", stopped.clone(), {
            let (shared, tls) = (shared.clone(), tls.clone());
            async move || serve_data(shared, tls, settings, desk, addresses, draining).await
        })?;
        let (control_thread, admin) = spawn("pointsman-control", stopped, {
            let commands = commands.downgrade();
            async move || Control::start(config, shared, tls, drain, commands, inbox, archive).await
        })?;
        Ok(Handle { data, admin, commands, stop, threads: vec![data_thread, control_thread] })
    }
}

impl Handle {
    /// Where applications call.
    pub fn data_addrs(&self) -> &[SocketAddr] {
        &self.data
    }

    /// Where probes and scrapers call, if anywhere apart.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Replaces the whole configuration. What cannot be served is refused object by object; the last good version of a
    /// refused object stays.
    pub async fn apply(&self, update: Update) -> Applied {
        self.ask(|answer| Command::Apply(update, answer)).await.unwrap_or_default()
    }

    /// Every limit in its present window.
    pub async fn budgets_report(&self) -> Vec<LimitReport> {
        self.ask(Command::Budgets).await.unwrap_or_default()
    }

    /// What was counted since the start.
    pub async fn totals(&self) -> Totals {
        self.ask(Command::Totals).await.unwrap_or_default()
    }

    /// Where the simulated providers listen.
    pub async fn simulated(&self) -> Vec<SimulatedAddress> {
        self.ask(Command::Simulated).await.unwrap_or_default()
    }

    /// Ends in order: not ready, no new connections, calls in flight finish within `drain_timeout`, final report.
    pub async fn shutdown(mut self, drain_timeout: Duration) {
        let _: Option<()> = self.ask(|answer| Command::Shutdown(drain_timeout, answer)).await;
        self.stop.send_replace(true);
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|t| drop(t.join())));
        let _ = joined.await;
    }

    /// None once the control thread has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Runs a current-thread runtime until `stop`; returns what `start` came to once it is up.
fn spawn<T: Send + 'static>(
    name: &'static str,
    mut stop: watch::Receiver<bool>,
    start: impl AsyncFnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<(thread::JoinHandle<()>, T), StartError> {
    let (report, reported) = std::sync::mpsc::channel();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error.into()))),
        };
        runtime.block_on(async move {
            let started = start().await;
            let is_up = started.is_ok();
            if report.send(started).is_ok() && is_up {
                let _ = stop.wait_for(|stop| *stop).await;
            }
        });
        runtime.shutdown_background();
    })?;
    let started = reported.recv().map_err(|_| StartError::Ended(name))??;
    Ok((thread, started))
}

async fn serve_data(
    shared: Arc<Shared>,
    tls: Tls,
    settings: DataSettings,
    desk: Desk,
    addresses: Vec<SocketAddr>,
    draining: watch::Receiver<bool>,
) -> Result<Vec<SocketAddr>, StartError> {
    let data = Rc::new(Data::new(shared, tls, settings, desk));
    data.spawn_sweep();
    let mut bound = Vec::new();
    for address in addresses {
        let listen = |source| StartError::Listen { address, source };
        let listener = accept::bind(address).map_err(listen)?;
        bound.push(listener.local_addr().map_err(listen)?);
        let house = accept::House {
            patience: data.patience.clone(),
            drain: data.drain.clone(),
            counted: Some(data.shared.clone()),
        };
        let data = data.clone();
        let service = async move |request| service::answer(&data, request).await;
        tokio::task::spawn_local(accept::serve(listener, service, house, draining.clone()));
    }
    Ok(bound)
}
