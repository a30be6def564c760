//! The two streams to the operator: configuration in, usage out. Neither is ever waited for by a call.
//!
//! ```text
//! Config  Hello ─►  ◄─ ConfigUpdate   apply   Ack | Nack ─►      any replica
//! Ledger  UsageReport (cumulative) ─►   ◄─ UsageAck | NotLeader   the leader alone
//! ```
//! Both reconnect for ever, with full jitter. The token and the authority are files that are read anew for each
//! connection, because both are rotated.

mod backoff;
mod channel;
mod config;
mod ledger;
#[cfg(test)]
mod tests;
mod translate;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pointsman_config::link::{FeedbackAsk, UsageReport};
use tokio::sync::{mpsc, watch};

use crate::chance::Chance;
use crate::control::Command;
use crate::shared::Shared;

/// The generated client, on the messages of the contract.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/pointsman.link.v1.rs"));
}

/// Where the operator is, and how we prove who we are.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// `https://pointsman-operator.pointsman-system.svc:14200`; `http` only where a test listens.
    pub address: String,
    /// The projected token, with our audience.
    pub token_file: Option<PathBuf>,
    /// The authority of the operator's certificate, PEM.
    pub ca_file: Option<PathBuf>,
    /// The name in that certificate, where it is not the host of the address.
    pub server_name: Option<String>,
    /// The version of the program, said in the greeting.
    pub version: String,
}

/// Waits for the last report to be taken.
pub(crate) struct Farewell {
    newest: watch::Receiver<Arc<UsageReport>>,
    acked: watch::Receiver<u64>,
}

impl Farewell {
    /// Ends when the operator has the newest report, or when the time is over.
    pub(crate) async fn wait(mut self, limit: Duration) {
        let last = self.newest.borrow().seq;
        if tokio::time::timeout(limit, self.acked.wait_for(|acked| *acked >= last)).await.is_err() {
            tracing::warn!(seq = last, "the operator did not take the last report in time");
        }
    }
}

/// Starts both streams as tasks of this thread.
pub(crate) fn start(
    config: LinkConfig,
    commands: mpsc::WeakSender<Command>,
    asks: mpsc::Sender<FeedbackAsk>,
    reports: watch::Receiver<Arc<UsageReport>>,
    shared: Arc<Shared>,
) -> Farewell {
    let mut chance = Chance::new();
    let incarnation = format!("{:016x}{:016x}", chance.bits(), chance.bits());
    let (acked, was_acked) = watch::channel(0);
    let farewell = Farewell { newest: reports.clone(), acked: was_acked };
    let stream = config::ConfigStream {
        config: config.clone(),
        incarnation: incarnation.clone(),
        commands: commands.clone(),
    };
    tokio::task::spawn_local(stream.run(shared.clone(), chance.clone()));
    let stream = ledger::LedgerStream { config, incarnation, reports, acked, commands, asks };
    tokio::task::spawn_local(stream.run(shared, Chance::new()));
    farewell
}
