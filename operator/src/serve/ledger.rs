//! `Ledger.Report`: what sidecars have counted. Only the leader takes reports; others say who leads.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use jiff::Timestamp;
use pointsman_config::budget::LimitConfig;
use pointsman_config::link::{LedgerReply, LimitCounts, NotLeader, UsageAck, UsageReport, ledger_reply};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::generated::ledger_server::Ledger;
use super::identity::Reviewer;
use crate::accounts::{Instance, parse_name, permitted};
use crate::compile::CompiledWorld;
use crate::shared::{Leadership, PodRecord, Shared, Stop};

/// A name that a process gives itself.
const MOST_INCARNATION_BYTES: usize = 64;

/// Takes reports.
pub(super) struct LedgerService {
    reviewer: Arc<Reviewer>,
    shared: Arc<Shared>,
    stop: Stop,
}

impl LedgerService {
    pub(super) fn new(reviewer: Arc<Reviewer>, shared: Arc<Shared>, stop: Stop) -> Self {
        Self { reviewer, shared, stop }
    }
}

#[tonic::async_trait]
impl Ledger for LedgerService {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<LedgerReply, Status>> + Send>>;

    async fn report(
        &self,
        request: Request<Streaming<UsageReport>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        let pod = self.reviewer.pod(&request).await?;
        // Full: the sidecar does not read its acknowledgements; then no further report is read either.
        let (replies, receiver) = mpsc::channel(2);
        let session = Session { shared: Arc::clone(&self.shared), pod, replies };
        tokio::spawn(session.run(request.into_inner(), self.stop.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One sidecar's stream.
struct Session {
    shared: Arc<Shared>,
    pod: PodRecord,
    replies: mpsc::Sender<Result<LedgerReply, Status>>,
}

impl Session {
    async fn run(self, mut reports: Streaming<UsageReport>, mut stop: Stop) {
        let _counted = self.shared.metrics.stream("Ledger");
        let mut leadership = self.shared.leadership.subscribe();
        loop {
            let current = leadership.borrow_and_update().clone();
            if let Leadership::Follower { address } = current {
                let _ = self
                    .replies
                    .send(Ok(reply(ledger_reply::Message::NotLeader(NotLeader { address }))))
                    .await;
                return;
            }
            let report = tokio::select! {
                report = reports.message() => report,
                changed = leadership.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = stop.wait() => return,
            };
            let Ok(Some(report)) = report else { return };
            let seq = report.seq;
            if let Err(status) = self.take(report) {
                let _ = self.replies.send(Err(status)).await;
                return;
            }
            let acked = reply(ledger_reply::Message::Ack(UsageAck { seq }));
            if self.replies.send(Ok(acked)).await.is_err() {
                return;
            }
        }
    }

    /// Merges one report.
    fn take(&self, report: UsageReport) -> Result<(), Status> {
        let named = !report.incarnation.is_empty() && report.incarnation.len() <= MOST_INCARNATION_BYTES;
        if !named {
            return Err(Status::invalid_argument(
                "incarnation: name this start of the process, in at most 64 bytes",
            ));
        }
        let published = self.shared.published.borrow().clone();
        let published = published.ok_or_else(|| Status::unavailable("the cluster has not been read yet"))?;
        let pod = published.pods.get(&self.pod.facts.pod.uid).unwrap_or(&self.pod);
        let instance =
            Instance { pod_uid: pod.facts.pod.uid.clone(), incarnation: report.incarnation.clone() };
        let report = permitted(&published.compiled, &pod.facts.pod, report);
        self.merge(&published.compiled, &instance, &report);
        Ok(())
    }

    fn merge(&self, compiled: &CompiledWorld, instance: &Instance, report: &UsageReport) {
        let now = Timestamp::now();
        self.shared.update(|books| {
            books.accounts.supersede(instance);
            books.accounts.merge(instance, report);
            for counts in &report.limits {
                if let Some(limit) = limit_of(compiled, counts) {
                    books.ledger.record(instance, counts, limit, now);
                }
            }
            if report.last {
                books.accounts.ended(instance);
            }
        });
    }
}

fn limit_of<'a>(compiled: &'a CompiledWorld, counts: &LimitCounts) -> Option<&'a LimitConfig> {
    let budget = compiled.budgets.get(&parse_name(&counts.budget)?)?;
    budget.facts.limits.iter().find(|limit| limit.name == counts.limit)
}

fn reply(message: ledger_reply::Message) -> LedgerReply {
    LedgerReply { message: Some(message) }
}
