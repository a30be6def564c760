//! Accepts connections and serves them until the process drains.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::drain::Drain;
use super::patience::Patience;
use crate::body::Outgoing;
use crate::shared::Shared;

const HEADERS_WITHIN: Duration = Duration::from_secs(30);
const HEADERS_AT_MOST: usize = 100;
const HEADER_BYTES_AT_MOST: usize = 16 * 1024;
/// hyper's default is 408 KiB for each connection.
const BUFFER: usize = 64 * 1024;
const BACKLOG: u32 = 1024;
/// Out of file descriptors: connections that end will free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Listens on an address; port 0 takes a free one. To be called inside a runtime.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Counts an open connection.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Relaxed);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// What the connections of one listener share.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) patience: Patience,
    pub(crate) drain: Rc<Drain>,
    /// Where open connections are counted, if anywhere.
    pub(crate) counted: Option<Arc<Shared>>,
}

/// Accepts until `draining` says so, then lets connections end after the answer they are at.
pub(crate) async fn serve(
    listener: TcpListener,
    service: impl AsyncFn(Request<Incoming>) -> Response<Outgoing> + 'static,
    house: House,
    mut draining: watch::Receiver<bool>,
) {
    let service = Rc::new(service);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|drain| *drain) => return house.drain.begin(),
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::task::spawn_local(connection(stream, service.clone(), house.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    service: Rc<impl AsyncFn(Request<Incoming>) -> Response<Outgoing> + 'static>,
    house: House,
) {
    let House { patience, drain, counted } = house;
    let _open = counted.map(Open::new);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "downstream connection ended before it began");
        return;
    }
    let service = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service(request).await) }
    });
    let served = http1::Builder::new()
        .timer(patience)
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_AT_MOST)
        .max_header_size(HEADER_BYTES_AT_MOST)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let (mut served, mut drain, mut told) = (std::pin::pin!(served), drain.place(), false);
    let ended = std::future::poll_fn(|cx| {
        if drain.has_begun(cx) && !std::mem::replace(&mut told, true) {
            served.as_mut().graceful_shutdown();
        }
        served.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "downstream connection ended");
    }
}
