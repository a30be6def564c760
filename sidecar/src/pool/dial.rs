//! How is a new connection made?

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Origin;
use super::resolve::{ResolveError, Resolver};
use super::tls::{Tls, TlsError};
use super::vet::is_private;
use crate::body::Pieces;

/// hyper's default is 408 KiB for each connection.
const READ_BUFFER: usize = 64 * 1024;
const RESPONSE_HEADERS_AT_MOST: usize = 100;

/// Makes connections: resolve, vet, connect, TLS, HTTP.
pub(crate) struct Dialer {
    resolver: Resolver,
    tls: Tls,
}

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("\"{host}\" resolves to the private address {address}, which this provider may not be at")]
    Forbidden { host: String, address: IpAddr },
    #[error("failed to connect to {address}: {source}")]
    Connect { address: SocketAddr, source: std::io::Error },
    #[error("failed to set up TLS with \"{host}\": {source}")]
    Tls { host: String, source: std::io::Error },
    #[error(transparent)]
    Roots(#[from] TlsError),
    #[error("no connection to \"{host}\" within {limit:?}")]
    TimedOut { host: String, limit: Duration },
    #[error("failed to start HTTP: {0}")]
    Http(#[from] hyper::Error),
}

impl Dialer {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { resolver: Resolver::default(), tls }
    }

    /// Connects within `limit`, everything included, and leaves the connection in the care of a task of this thread.
    pub(crate) async fn dial(
        &self,
        origin: &Origin,
        limit: Duration,
    ) -> Result<http1::SendRequest<Pieces>, DialError> {
        let timed_out = |_| DialError::TimedOut { host: origin.host.clone(), limit };
        timeout(limit, self.connect(origin, Instant::now() + limit)).await.map_err(timed_out)?
    }

    async fn connect(
        &self,
        origin: &Origin,
        until: Instant,
    ) -> Result<http1::SendRequest<Pieces>, DialError> {
        let addresses = self.vetted(origin).await?;
        let tcp = connect_any(&addresses, origin.port, until).await?;
        if !origin.tls {
            return start(TokioIo::new(tcp)).await;
        }
        let error = |source| DialError::Tls { host: origin.host.clone(), source };
        let name = ServerName::try_from(origin.host.clone()).map_err(|e| error(std::io::Error::other(e)))?;
        let stream = TlsConnector::from(self.tls.config()?).connect(name, tcp).await.map_err(error)?;
        start(TokioIo::new(stream)).await
    }

    /// Every address of a host must be allowed: a name with one public and one private address is not half trusted.
    async fn vetted(&self, origin: &Origin) -> Result<Vec<IpAddr>, DialError> {
        let addresses = self.resolver.resolve(&origin.host).await?;
        let forbidden = addresses.iter().find(|a| !origin.allow_private && is_private(**a));
        match forbidden {
            Some(&address) => Err(DialError::Forbidden { host: origin.host.clone(), address }),
            None => Ok(addresses),
        }
    }
}

/// Tries addresses in order. One that does not answer must leave time for the others.
async fn connect_any(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, DialError> {
    let mut last = None;
    for (tried, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, port);
        let left = until.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - tried).unwrap_or(1);
        match timeout(left / others, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|source| DialError::Connect { address, source })?;
                return Ok(stream);
            }
            Ok(Err(source)) => last = Some(DialError::Connect { address, source }),
            Err(_) => {
                last = Some(DialError::Connect { address, source: std::io::ErrorKind::TimedOut.into() })
            }
        }
    }
    let none = || DialError::Connect {
        address: SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port),
        source: std::io::Error::other("the name has no address"),
    };
    Err(last.unwrap_or_else(none))
}

async fn start<I: Read + Write + Unpin + 'static>(io: I) -> Result<http1::SendRequest<Pieces>, DialError> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BUFFER)
        .max_headers(RESPONSE_HEADERS_AT_MOST)
        .handshake(io)
        .await?;
    // The connection ends when its sender and its answer are dropped, or when the provider closes it; whoever waits
    // for an answer learns of an error by itself.
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
    Ok(sender)
}
