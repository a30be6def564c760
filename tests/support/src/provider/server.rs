//! Sockets: listens, goes away, comes back, and hands requests to [`super::answer`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::answer::{self, AnswerBody, Broken};
use super::books::Received;
use super::socket::{Cord, Socket};
use super::{Phase, State};
use crate::certificates::Identity;

/// Listens on a free loopback port and serves on a thread of its own until the phase is [`Phase::Ended`].
pub(super) fn spawn(state: Arc<State>, tls: Option<Identity>) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let acceptor = tls.map(|identity| acceptor(&identity));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
            run(state, listener, address, acceptor).await;
        });
    });
    Ok((address, thread))
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let certificate =
        CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("we made this certificate");
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("we made this key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("ring knows the default versions").with_no_client_auth();
    let mut config =
        config.with_single_cert(vec![certificate], key).expect("the key belongs to the certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn run(state: Arc<State>, first: TcpListener, address: SocketAddr, tls: Option<TlsAcceptor>) {
    let mut phase = state.phase.subscribe();
    let mut listener = Some(first);
    loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Ended => return,
            Phase::Down => listener = None,
            Phase::Up => {
                let listener = match listener.take() {
                    Some(listener) => listener,
                    None => TcpListener::bind(address).await.expect("nobody else takes the provider's port"),
                };
                tokio::select! {
                    () = accept(&state, listener, tls.as_ref()) => {}
                    _ = phase.changed() => continue,
                }
            }
        }
        if phase.changed().await.is_err() {
            return;
        }
    }
}

/// Accepts for ever; all connections are reset when it is dropped.
async fn accept(state: &Arc<State>, listener: TcpListener, tls: Option<&TlsAcceptor>) {
    let mut connections = Connections::default();
    while let Ok((stream, _)) = listener.accept().await {
        let cord = Cord::default();
        let number = state.books.connect();
        connections.cords.push(cord.clone());
        connections.tasks.spawn(connection(state.clone(), stream, number, cord, tls.cloned()));
    }
}

/// The open connections of one listening phase.
#[derive(Default)]
struct Connections {
    cords: Vec<Cord>,
    tasks: JoinSet<()>,
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.cords.iter().for_each(Cord::pull);
        self.tasks.abort_all();
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, number: u64, cord: Cord, tls: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, cord.clone());
    match tls {
        None => serve(state, socket, number, cord).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(socket).await {
                serve(state, stream, number, cord).await;
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(state: Arc<State>, stream: S, number: u64, cord: Cord) {
    let service = service_fn(move |request| handle(state.clone(), number, cord.clone(), request));
    // An error here is a fault that we scripted, or a client that went away: both stand in the books.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(
    state: Arc<State>,
    connection: u64,
    cord: Cord,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let path = head.uri.path().to_owned();
    let received =
        Received { at: Instant::now(), connection, method: head.method, path, headers: head.headers, body };
    let release = state.scripts.arrive();
    state.books.receive(received.clone());
    match (&received.method, received.path.as_str()) {
        (&Method::GET, "/v1/models") => Ok(answer::models(&state)),
        (&Method::POST, "/v1/chat/completions") => answer::complete(state, cord, release, &received).await,
        _ => Ok(answer::not_found()),
    }
}
