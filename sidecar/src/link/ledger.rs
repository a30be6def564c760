//! The stream that reports what was used.

use std::sync::Arc;
use std::time::Instant;

use pointsman_config::link::ledger_reply::Message;
use pointsman_config::link::{FeedbackAsk, PolicyPlan, UsageReport};
use pointsman_config::money::Nano;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::LinkConfig;
use super::backoff::Backoff;
use super::channel::{LinkError, authorized, connect, leader};
use super::proto::ledger_client::LedgerClient;
use crate::chance::Chance;
use crate::control::Command;
use crate::plane::live::Plan;
use crate::shared::Shared;

/// One report is under way at a time; newer ones replace each other until it is taken.
const REPORTS_AT_MOST: usize = 1;

pub(super) struct LedgerStream {
    pub(super) config: LinkConfig,
    pub(super) incarnation: String,
    pub(super) reports: watch::Receiver<Arc<UsageReport>>,
    pub(super) acked: watch::Sender<u64>,
    pub(super) commands: mpsc::WeakSender<Command>,
    /// What the operator asks, for the data thread.
    pub(super) asks: mpsc::Sender<FeedbackAsk>,
}

/// How a stream ended without an error.
enum Turn {
    /// Somebody else leads.
    To(String),
}

impl LedgerStream {
    /// Connects, again and again, until the process ends.
    pub(super) async fn run(mut self, shared: Arc<Shared>, chance: Chance) {
        let mut backoff = Backoff::new(chance);
        let mut address = self.config.address.clone();
        loop {
            let ended = self.once(&address, &shared, &mut backoff).await;
            shared.telemetry.link[1].set(0);
            address = match ended {
                // The first hint is followed at once; replicas that point at each other wait like everybody.
                Ok(Turn::To(other)) => leader(&self.config, &other),
                Err(LinkError::Leaving) => return,
                Err(error) => {
                    tracing::info!(%error, "the usage stream ended; it will be opened again");
                    self.config.address.clone()
                }
            };
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn once(
        &mut self,
        address: &str,
        shared: &Shared,
        backoff: &mut Backoff,
    ) -> Result<Turn, LinkError> {
        let channel = connect(&self.config, address).await?;
        let (outgoing, stream) = mpsc::channel(REPORTS_AT_MOST);
        let request = authorized(&self.config, ReceiverStream::new(stream))?;
        // A server may answer the head of the stream only with its first reply: what is known goes first.
        self.reports.mark_changed();
        self.send_newest(&outgoing).await?;
        let mut replies = LedgerClient::new(channel).report(request).await?.into_inner();
        shared.telemetry.link[1].set(1);
        loop {
            tokio::select! {
                changed = self.reports.changed() => {
                    changed.map_err(|_| LinkError::Leaving)?;
                    self.send_newest(&outgoing).await?;
                }
                reply = next(&mut replies) => match reply? {
                    Message::Ack(ack) => {
                        backoff.reset();
                        self.acked.send_replace(ack.seq);
                        take_plans(shared, &ack.plans);
                    }
                    // Too many at once: the operator hears nothing, and says so to whoever gave the feedback.
                    Message::Ask(ask) => drop(self.asks.try_send(ask)),
                    Message::Answer(answer) => {
                        let commands = self.commands.upgrade().ok_or(LinkError::Leaving)?;
                        commands.send(Command::Answered(answer)).await.map_err(|_| LinkError::Leaving)?;
                    }
                    Message::NotLeader(other) => return Ok(Turn::To(other.address)),
                },
            }
        }
    }

    async fn send_newest(&mut self, outgoing: &mpsc::Sender<UsageReport>) -> Result<(), LinkError> {
        let newest = self.reports.borrow_and_update().clone();
        let report = UsageReport { incarnation: self.incarnation.clone(), ..UsageReport::clone(&newest) };
        outgoing.send(report).await.map_err(|_| LinkError::Ended)
    }
}

/// Hands each plan to its policy; the control thread follows it at its next tick.
fn take_plans(shared: &Shared, plans: &[PolicyPlan]) {
    let Some(plane) = shared.plane.load_full().filter(|_| !plans.is_empty()) else { return };
    for (policy, beside) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let name = policy.name.to_string();
        let Some(plan) = plans.iter().find(|plan| plan.policy == name && plan.target_nano > 0) else {
            continue;
        };
        *beside.live.plan() = Some(Plan {
            target: Nano(plan.target_nano),
            lambda: Some(plan.lambda).filter(|lambda| lambda.is_finite() && *lambda > 0.0),
            at: Instant::now(),
        });
    }
}

async fn next(replies: &mut Streaming<pointsman_config::link::LedgerReply>) -> Result<Message, LinkError> {
    loop {
        let reply = replies.message().await?.ok_or(LinkError::Ended)?;
        if let Some(message) = reply.message {
            return Ok(message);
        }
    }
}
