//! Accepts connections over TLS 1.3, one short handshake each.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use crate::shared::{Shared, Stop};
use crate::trust::Trust;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; further peers wait in the socket's queue.
const MOST_HANDSHAKES: usize = 64;

type Accepted = Result<TlsStream<TcpStream>, std::io::Error>;

/// The connections whose handshake has succeeded.
pub(crate) fn connections(
    listener: TcpListener,
    trust: Arc<Trust>,
    protocols: &[&[u8]],
    shared: Arc<Shared>,
    mut stop: Stop,
) -> ReceiverStream<Accepted> {
    let acceptor = TlsAcceptor::from(Arc::new(tls(trust, protocols)));
    // Full: a finished handshake waits until the server takes it.
    let (sender, receiver) = mpsc::channel(MOST_HANDSHAKES);
    let room = Arc::new(Semaphore::new(MOST_HANDSHAKES));
    tokio::spawn(async move {
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.wait() => return,
            };
            let Ok((stream, _)) = accepted else {
                shared.metrics.error("accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (acceptor, sender, shared) = (acceptor.clone(), sender.clone(), Arc::clone(&shared));
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let _ = sender.send(Ok(stream)).await;
                    }
                    Ok(Err(_)) | Err(_) => shared.metrics.error("handshake"),
                }
                drop(permit);
            });
        }
    });
    ReceiverStream::new(receiver)
}

fn tls(trust: Arc<Trust>, protocols: &[&[u8]]) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(trust);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config
}
