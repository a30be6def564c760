//! Starts the two threads, and holds them.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Applied, Command, Control, Update};
use crate::data::{Data, DataSettings};
use crate::feedback::{self, Asks, Desk};
use crate::listen::{accept, service};
use crate::pool::Tls;
use crate::rights::LimitReport;
use crate::shared::Shared;
use crate::simulated::SimulatedAddress;
use crate::usage::Totals;

/// The status with which a process ends whose main thread panics.
const PANICKED: i32 = 101;
/// Commands wait here while the control thread is busy; whoever sends one waits for its answer anyway.
const COMMANDS_AT_MOST: usize = 16;

/// The data plane, before it runs.
pub struct Sidecar;

/// A running data plane. Dropping it stops it at once, [`Handle::shutdown`] in order.
pub struct Handle {
    data: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
    commands: mpsc::Sender<Command>,
    data_thread: Thread,
    control_thread: Thread,
}

/// One of the two threads. Dropping it tells it to stop.
struct Thread {
    stop: watch::Sender<bool>,
    running: Option<thread::JoinHandle<()>>,
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
        let (drain, draining) = watch::channel(false);
        let settings = DataSettings { admin: config.admin_on_data, workload: config.workload.clone() };
        let addresses = config.data.clone();
        let (commands, inbox) = mpsc::channel(COMMANDS_AT_MOST);
        let (desk, archive) = feedback::open(config.calls.take(), commands.downgrade());
        let (asked, asks) = mpsc::channel(feedback::ASKS_AT_MOST);
        let (data_thread, data) = spawn("pointsman-data", {
            let (shared, tls) = (shared.clone(), tls.clone());
            async move |tasks: &mut JoinSet<()>| {
                serve_data(tasks, shared, tls, settings, (desk, asks), addresses, draining).await
            }
        })?;
        let (control_thread, admin) = spawn("pointsman-control", {
            let commands = commands.downgrade();
            async move |tasks: &mut JoinSet<()>| {
                Control::start(tasks, config, shared, tls, drain, (commands, inbox), (archive, asked)).await
            }
        })?;
        Ok(Handle { data, admin, commands, data_thread, control_thread })
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
        let _: Option<()> = self.ask(|answer| Command::Drain(drain_timeout, answer)).await;
        // What is still under way is cut, and settles as it is dropped: only then is the last report whole.
        self.data_thread.end().await;
        let _: Option<()> = self.ask(Command::Farewell).await;
        self.control_thread.end().await;
    }

    /// None once the control thread has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Thread {
    /// Stops it and waits for its end.
    async fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(running) = self.running.take() {
            let _ = tokio::task::spawn_blocking(move || running.join()).await;
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Runs a current-thread runtime until it is stopped; returns what `start` came to once it is up. A panic of one of the
/// tasks that `start` leaves behind ends the process: without them it would look alive and do nothing.
fn spawn<T: Send + 'static>(
    name: &'static str,
    start: impl AsyncFnOnce(&mut JoinSet<()>) -> Result<T, StartError> + Send + 'static,
) -> Result<(Thread, T), StartError> {
    let (stop, mut stopped) = watch::channel(false);
    let (report, reported) = std::sync::mpsc::channel();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(report.send(Err(error.into()))),
        };
        runtime.block_on(async move {
            let mut tasks = JoinSet::new();
            let started = start(&mut tasks).await;
            let is_up = started.is_ok();
            if report.send(started).is_ok() && is_up {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => {}
                    panic = panicked(&mut tasks) => {
                        tracing::error!(thread = name, panic, "a task that must not end has panicked; the process ends");
                        std::process::exit(PANICKED);
                    }
                }
            }
        });
        runtime.shutdown_background();
    })?;
    let started = reported.recv().map_err(|_| StartError::Ended(name))??;
    Ok((Thread { stop, running: Some(thread) }, started))
}

/// Waits for the first task that panics, for ever where none does; returns what it said.
async fn panicked(tasks: &mut JoinSet<()>) -> String {
    while let Some(ended) = tasks.join_next().await {
        let Err(error) = ended else { continue };
        if let Ok(panic) = error.try_into_panic() {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            return text.unwrap_or_else(|| "without a message".to_owned());
        }
    }
    std::future::pending().await
}

async fn serve_data(
    tasks: &mut JoinSet<()>,
    shared: Arc<Shared>,
    tls: Tls,
    settings: DataSettings,
    (desk, asks): (Desk, Asks),
    addresses: Vec<SocketAddr>,
    draining: watch::Receiver<bool>,
) -> Result<Vec<SocketAddr>, StartError> {
    let data = Rc::new(Data::new(shared, tls, settings, desk));
    tasks.spawn_local(data.sweep());
    tasks.spawn_local(feedback::answer_asks(data.clone(), asks));
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
        tasks.spawn_local(accept::serve(listener, service, house, draining.clone()));
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_panic_of_a_task_is_told_and_a_plain_end_is_not() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).expect("a runtime");
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            tasks.spawn_local(async {});
            tasks.spawn_local(async {
                tokio::task::yield_now().await;
                panic!("rights of {} lost", "search");
            });
            assert_eq!(panicked(&mut tasks).await, "rights of search lost");
            tasks.spawn_local(async {});
            let nobody = tokio::time::timeout(Duration::from_millis(20), panicked(&mut tasks)).await;
            assert!(nobody.is_err());
        });
    }
}
