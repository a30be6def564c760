//! Both streams to sidecars over gRPC and TLS 1.3: `Config` from every replica, `Ledger` from the leader.

mod config;
mod identity;
mod ledger;
mod listen;
mod reviews;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::shared::{Shared, Stop};
use crate::trust::Trust;

pub(crate) use identity::{AUDIENCE, IdentityConfig, Reviewer};
pub(crate) use listen::connections;

use config::ConfigService;
use ledger::LedgerService;

/// The generated server side.
#[allow(unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/pointsman.link.v1.rs"));
}

/// A peer that stays silent this long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// No message of a sidecar comes near this size.
const MOST_BYTES: usize = 4 << 20;

/// After this a sidecar comes again, with a fresh token; spread so that not all come at once.
const LIFETIME: Duration = Duration::from_secs(3_000);
const SPREAD_SECONDS: u64 = 600;
/// A name that a process gives itself.
const MOST_INCARNATION_BYTES: usize = 64;

/// How long a stream of a pod may last.
fn lifetime(uid: &str) -> Duration {
    let sum: u64 = uid.bytes().map(u64::from).fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    LIFETIME + Duration::from_secs(sum % SPREAD_SECONDS)
}

/// Whether this can name a start of a process.
fn is_named(incarnation: &str) -> bool {
    !incarnation.is_empty() && incarnation.len() <= MOST_INCARNATION_BYTES
}

/// Serves until told to stop.
pub(crate) async fn run(
    listener: TcpListener,
    trust: Arc<Trust>,
    reviewer: Arc<Reviewer>,
    shared: Arc<Shared>,
    stop: Stop,
) -> Result<(), tonic::transport::Error> {
    let config = ConfigService::new(Arc::clone(&reviewer), Arc::clone(&shared), stop.clone());
    let ledger = LedgerService::new(reviewer, Arc::clone(&shared), stop.clone());
    let incoming = connections(listener, trust, &[b"h2"], shared, stop.clone());
    let mut stopped = stop;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE / 2))
        .add_service(
            generated::config_server::ConfigServer::new(config).max_decoding_message_size(MOST_BYTES),
        )
        .add_service(
            generated::ledger_server::LedgerServer::new(ledger).max_decoding_message_size(MOST_BYTES),
        )
        .serve_with_incoming_shutdown(incoming, async move { stopped.wait().await })
        .await
}
