//! `Ledger.Report`: what sidecars have counted. Only the leader takes reports; others say who leads.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::Stream;
use pointsman_config::budget::LimitConfig;
use pointsman_config::link::{
    LedgerReply, LimitCounts, NotLeader, PolicyPlan, UsageAck, UsageReport, ledger_reply,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::generated::ledger_server::Ledger;
use super::identity::Reviewer;
use super::{is_named, lifetime};
use crate::accounts::{Instance, keep_near_days, parse_name, permitted};
use crate::compile::{CompiledWorld, Pod};
use crate::inquiries::OUTBOX;
use crate::plans::Known;
use crate::shared::{Leadership, PodRecord, Published, Shared, Stop};

/// How long what a pod has sent before it went may still be on its way.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Sidecars answer at once; one that does not within this is not there.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

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
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let facts = &pod.facts.pod;
        let number = self.shared.inquiries().join(&facts.namespace, &facts.uid, outbox);
        let session = Session { shared: Arc::clone(&self.shared), pod, replies, number };
        tokio::spawn(session.run(request.into_inner(), outgoing, self.stop.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One sidecar's stream.
struct Session {
    shared: Arc<Shared>,
    pod: PodRecord,
    replies: mpsc::Sender<Result<LedgerReply, Status>>,
    /// Among those that feedback is asked of.
    number: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.inquiries().leave(self.number);
    }
}

impl Session {
    async fn run(
        self,
        mut reports: Streaming<UsageReport>,
        mut outgoing: mpsc::Receiver<ledger_reply::Message>,
        mut stop: Stop,
    ) {
        let _counted = self.shared.metrics.stream("Ledger");
        let mut leadership = self.shared.leadership.subscribe();
        let lifetime = tokio::time::sleep(lifetime(&self.pod.facts.pod.uid));
        let mut lifetime = std::pin::pin!(lifetime);
        let gone = self.gone();
        let mut gone = std::pin::pin!(gone);
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
                Some(message) = outgoing.recv() => match self.replies.send(Ok(reply(message))).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                changed = leadership.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = &mut gone => {
                    let _ = self.replies.send(Err(Status::unauthenticated("the pod is gone"))).await;
                    return;
                }
                () = &mut lifetime => {
                    let again = Status::unavailable("come again with a fresh token");
                    let _ = self.replies.send(Err(again)).await;
                    return;
                }
                () = stop.wait() => return,
            };
            let Ok(Some(report)) = report else { return };
            let seq = report.seq;
            let plans = match self.take(report) {
                Ok(plans) => plans,
                Err(status) => {
                    let _ = self.replies.send(Err(status)).await;
                    return;
                }
            };
            let acked = reply(ledger_reply::Message::Ack(UsageAck { seq, plans }));
            if self.replies.send(Ok(acked)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until a pod that was there is gone, and a little longer.
    async fn gone(&self) {
        let mut published = self.shared.published.subscribe();
        let uid = &self.pod.facts.pod.uid;
        let mut was_listed = false;
        let mut is_gone = |world: &Option<Published>| {
            let listed = world.as_ref().is_some_and(|world| world.pods.contains_key(uid));
            let gone = was_listed && !listed;
            was_listed = listed;
            gone
        };
        if published.wait_for(&mut is_gone).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(LAST_WORDS).await;
    }

    /// Merges one report; gives the plans for its policies.
    fn take(&self, report: UsageReport) -> Result<Vec<PolicyPlan>, Status> {
        if !is_named(&report.incarnation) {
            return Err(Status::invalid_argument(
                "incarnation: name this start of the process, in at most 64 bytes",
            ));
        }
        let published = self.shared.published.borrow().clone();
        let published = published.ok_or_else(|| Status::unavailable("the cluster has not been read yet"))?;
        let pod = published.pods.get(&self.pod.facts.pod.uid).unwrap_or(&self.pod);
        let instance =
            Instance { pod_uid: pod.facts.pod.uid.clone(), incarnation: report.incarnation.clone() };
        let mut report = permitted(&published.compiled, &pod.facts.pod, report);
        keep_near_days(&mut report, self.shared.now());
        self.merge(&published.compiled, &instance, &report);
        self.ask_around(&report);
        Ok(self.plans(&published.compiled, &pod.facts.pod, &report))
    }

    /// Hands on feedback on calls of other sidecars, and their answers.
    fn ask_around(&self, report: &UsageReport) {
        for inquiry in self.shared.inquiries().take(self.number, &report.given, &report.found) {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                tokio::time::sleep(ANSWERED_WITHIN).await;
                shared.inquiries().expire(inquiry);
            });
        }
    }

    fn plans(&self, compiled: &CompiledWorld, pod: &Pod, report: &UsageReport) -> Vec<PolicyPlan> {
        let policies: Vec<_> = report.policies.iter().filter_map(|state| parse_name(&state.policy)).collect();
        let books = self.shared.books();
        let known = Known {
            compiled,
            accounts: &books.accounts,
            ledger: &books.ledger,
            wall: self.shared.now(),
            now: Instant::now(),
        };
        self.shared.plans.of(&known, pod, &policies)
    }

    fn merge(&self, compiled: &CompiledWorld, instance: &Instance, report: &UsageReport) {
        let now = self.shared.now();
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
        // Nobody will say it again.
        if report.last {
            self.shared.ledger_urgent.notify_one();
        }
    }
}

fn limit_of<'a>(compiled: &'a CompiledWorld, counts: &LimitCounts) -> Option<&'a LimitConfig> {
    let budget = compiled.budgets.get(&parse_name(&counts.budget)?)?;
    budget.facts.limits.iter().find(|limit| limit.name == counts.limit)
}

fn reply(message: ledger_reply::Message) -> LedgerReply {
    LedgerReply { message: Some(message) }
}
