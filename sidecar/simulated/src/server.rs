//! Where does the provider listen, and how does it really go away?
//!
//! The port is kept by a second socket that is bound and never listens, so that a dark provider refuses connections
//! (nothing listens) and still finds its port free when it comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::availability::{Availability, Switch, Watcher};
use crate::books::{Books, BooksReport};
use crate::config::SimulatedConfig;
use crate::keys::Keys;
use crate::outcomes::Outcomes;
use crate::router::Provider;

const BACKLOG: u32 = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The entry point.
#[derive(Debug)]
pub struct Simulated;

/// A provider that is being served; dropping it stops it at once.
pub struct Running {
    /// Where calls go: the base URL is `http://{addr}/v1`.
    pub addr: SocketAddr,
    /// Where books and availability are reached even while the provider is dark.
    pub control: SocketAddr,
    provider: Arc<Provider>,
    tasks: [JoinHandle<()>; 2],
}

/// The two addresses of a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) data: SocketAddr,
    pub(crate) control: SocketAddr,
}

/// The provider closes the connection without an answer, or in the middle of one.
#[derive(Debug, Error)]
#[error("the simulated provider closed the connection")]
pub(crate) struct Closed;

impl Simulated {
    /// Starts a provider on two free loopback ports, as tasks of the current Tokio runtime.
    ///
    /// Must be called within a runtime. A configuration or outcomes file that cannot be served is an error of kind
    /// [`io::ErrorKind::InvalidInput`] that names the field and the remedy.
    pub fn start(config: SimulatedConfig) -> io::Result<Running> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(config, free, free)
    }

    /// As [`Simulated::start`], on addresses of the caller's choice: calls go to `data`, books are kept at `control`.
    pub fn start_on(config: SimulatedConfig, data: SocketAddr, control: SocketAddr) -> io::Result<Running> {
        config.validate().map_err(invalid)?;
        let outcomes = config.outcomes.as_deref().map(Outcomes::read).transpose().map_err(invalid)?;
        let port = Port::at(data)?;
        let data = port.listen()?;
        let control = Port::at(control)?.listen()?;
        let provider = Arc::new(Provider {
            config,
            outcomes: outcomes.unwrap_or_default(),
            books: Arc::new(Books::default()),
            switch: Switch::new(),
            keys: Keys::default(),
            calls: AtomicU64::new(0),
            addresses: Addresses { data: port.addr, control: control.local_addr()? },
        });
        let tasks = [
            tokio::spawn(serve_data(provider.clone(), port, data)),
            tokio::spawn(serve_control(provider.clone(), control)),
        ];
        Ok(Running { addr: provider.addresses.data, control: provider.addresses.control, provider, tasks })
    }
}

impl Running {
    /// The books as they stand.
    pub fn books(&self) -> BooksReport {
        self.provider.books.report()
    }

    /// Takes the provider away or brings it back, as `PUT /_simulated/availability` does.
    pub fn set_availability(&self, next: Availability) {
        self.provider.switch.set(next);
    }

    /// Which API keys are taken from now on, as `PUT /_simulated/keys` does; none of them named, any call is answered.
    pub fn set_keys(&self, keys: Vec<String>) {
        self.provider.keys.set(keys);
    }

    /// Stops listening and closes every connection.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

/// A port that stays ours whether somebody listens on it or not.
struct Port {
    addr: SocketAddr,
    _keeper: TcpSocket,
}

impl Port {
    fn at(address: SocketAddr) -> io::Result<Port> {
        let keeper = shared_socket(address)?;
        Ok(Port { addr: keeper.local_addr()?, _keeper: keeper })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        shared_socket(self.addr)?.listen(BACKLOG)
    }
}

fn shared_socket(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Listens while the provider is up, and not while it is dark. Dropped with all its connections.
async fn serve_data(provider: Arc<Provider>, port: Port, mut listener: TcpListener) {
    let mut connections = JoinSet::new();
    let mut watcher = provider.switch.watch();
    loop {
        accept_until_dark(&provider, &listener, &mut watcher, &mut connections).await;
        drop(listener);
        watcher.is_up().await;
        listener = match port.listen() {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, address = %port.addr, "simulated provider cannot listen again");
                return;
            }
        };
    }
}

async fn accept_until_dark(
    provider: &Arc<Provider>,
    listener: &TcpListener,
    watcher: &mut Watcher,
    connections: &mut JoinSet<()>,
) {
    loop {
        tokio::select! {
            biased;
            () = watcher.is_dark() => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(converse(provider.clone(), socket));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection on the data address; an outage that cuts closes it when it is idle, and its calls cut themselves.
async fn converse(provider: Arc<Provider>, socket: TcpStream) {
    let mut watcher = provider.switch.watch();
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| provider.serve(request));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = watcher.was_cut() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection to simulated provider ended");
    }
}

/// The control address listens always.
async fn serve_control(provider: Arc<Provider>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(converse_control(provider.clone(), socket));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse_control(provider: Arc<Provider>, socket: TcpStream) {
    let service = service_fn(|request| provider.control(request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await {
        tracing::debug!(%error, "control connection to simulated provider ended");
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
