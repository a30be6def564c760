//! A sidecar against an operator that says what it heard.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, LimitConfig, OnExhausted, Rights};
use pointsman_config::entry::Compiled;
use pointsman_config::link::config_request::Message;
use pointsman_config::link::ledger_reply::Message as Reply;
use pointsman_config::link::{
    ConfigRequest, ConfigUpdate, Credential, Entry, LedgerReply, Nack, NotLeader, ObjectKey, UsageAck,
    UsageReport, entry,
};
use pointsman_config::window::Window;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{Request, Response, Status, Streaming};

use super::LinkConfig;
use super::proto::config_server::{Config, ConfigServer};
use super::proto::ledger_server::{Ledger, LedgerServer};
use crate::{Config as Settings, Handle, Sidecar};

/// A limit that ends a hanging test and measures nothing.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
enum Heard {
    Hello { token: Option<String> },
    Ack(u64),
    Nack(Nack),
    Report(UsageReport),
}

#[derive(Clone)]
struct Operator {
    world: watch::Receiver<ConfigUpdate>,
    heard: mpsc::UnboundedSender<Heard>,
    leader: Option<SocketAddr>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Config for Operator {
    type WatchStream = Answers<ConfigUpdate>;

    async fn watch(
        &self,
        request: Request<Streaming<ConfigRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let token = request.metadata().get("authorization").map(|t| t.to_str().unwrap().to_owned());
        let heard = self.heard.clone();
        let mut messages = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(request)) = messages.message().await {
                let _ = heard.send(match request.message.unwrap() {
                    Message::Hello(_) => Heard::Hello { token: token.clone() },
                    Message::Ack(ack) => Heard::Ack(ack.nonce),
                    Message::Nack(nack) => Heard::Nack(nack),
                });
            }
        });
        Ok(Response::new(Box::pin(WatchStream::new(self.world.clone()).map(Ok))))
    }
}

#[tonic::async_trait]
impl Ledger for Operator {
    type ReportStream = Answers<LedgerReply>;

    async fn report(
        &self,
        request: Request<Streaming<UsageReport>>,
    ) -> Result<Response<Self::ReportStream>, Status> {
        if let Some(leader) = self.leader {
            let message = Reply::NotLeader(NotLeader { address: leader.to_string() });
            let reply = futures::stream::iter([Ok(LedgerReply { message: Some(message) })]);
            return Ok(Response::new(Box::pin(reply)));
        }
        let heard = self.heard.clone();
        let replies = request.into_inner().map(move |report| {
            let report = report?;
            let ack = UsageAck { seq: report.seq, plans: Vec::new() };
            let _ = heard.send(Heard::Report(report));
            Ok(LedgerReply { message: Some(Reply::Ack(ack)) })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

struct Scene {
    world: watch::Sender<ConfigUpdate>,
    heard: mpsc::UnboundedReceiver<Heard>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Scene {
    async fn start(update: ConfigUpdate) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), update, None).await
    }

    async fn start_at(address: SocketAddr, update: ConfigUpdate, leader: Option<SocketAddr>) -> Self {
        let (world, receiver) = watch::channel(update);
        let (heard, listening) = mpsc::unbounded_channel();
        let operator = Operator { world: receiver, heard, leader };
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(ConfigServer::new(operator.clone()))
            .add_service(LedgerServer::new(operator))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { server.await.unwrap() });
        Self { world, heard: listening, address, server }
    }

    fn sidecar(&self, token_file: Option<PathBuf>) -> Handle {
        let link = LinkConfig {
            address: format!("http://{}", self.address),
            token_file,
            ca_file: None,
            server_name: None,
            version: "test".to_owned(),
        };
        Sidecar::start(Settings { link: Some(link), ..Settings::default() }).unwrap()
    }

    /// The next thing heard that `wanted` takes.
    async fn hear<T>(&mut self, wanted: impl Fn(Heard) -> Option<T>) -> T {
        let next = async {
            loop {
                if let Some(found) = wanted(self.heard.recv().await.unwrap()) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LONG, next).await.expect("the sidecar says it sooner or later")
    }
}

fn ack(heard: Heard) -> Option<u64> {
    if let Heard::Ack(nonce) = heard { Some(nonce) } else { None }
}

fn nack(heard: Heard) -> Option<Nack> {
    if let Heard::Nack(nack) = heard { Some(nack) } else { None }
}

fn report(heard: Heard) -> Option<UsageReport> {
    if let Heard::Report(report) = heard { Some(report) } else { None }
}

fn budget(name: &str, zone: &str) -> Entry {
    let config = BudgetConfig {
        owner: None,
        selector: BudgetSelector::default(),
        limits: vec![LimitConfig {
            name: "cap".to_owned(),
            amount: pointsman_config::amount::Amount::parse("5 USD").unwrap(),
            window: Window::Day,
            time_zone: zone.to_owned(),
        }],
        enforcement: Enforcement::Strict,
        on_exhausted: OnExhausted::Degrade,
        rights: Rights::CountingOnly,
    };
    Entry {
        key: Some(ObjectKey {
            kind: "Budget".to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        }),
        uid: name.to_owned(),
        generation: 1,
        state: Some(entry::State::Valid(serde_json::to_vec(&Compiled::Budget(config)).unwrap())),
    }
}

fn update(nonce: u64, entries: Vec<Entry>) -> ConfigUpdate {
    let credential = Credential {
        reference: "shop/openai/key".to_owned(),
        version: "1".to_owned(),
        secret: b"sk-x".to_vec(),
    };
    ConfigUpdate {
        nonce,
        entries,
        credentials: vec![credential],
        root_namespace: "pointsman-system".to_owned(),
    }
}

#[tokio::test]
async fn a_good_update_is_acknowledged_and_reported_on() {
    let mut scene = Scene::start(update(1, vec![budget("month", "UTC")])).await;
    let sidecar = scene.sidecar(None);
    assert_eq!(scene.hear(ack).await, 1);
    let limits =
        scene.hear(|heard| report(heard).map(|r| r.limits).filter(|limits| !limits.is_empty())).await;
    assert_eq!((limits[0].budget.as_str(), limits[0].limit.as_str()), ("shop/month", "cap"));
    assert_eq!(sidecar.budgets_report().await.len(), 1);
}

#[tokio::test]
async fn a_bad_entry_is_refused_by_its_path_and_the_rest_is_served() {
    let entries = vec![budget("bad", "Nowhere/City"), budget("good", "UTC")];
    let mut scene = Scene::start(update(7, entries)).await;
    let sidecar = scene.sidecar(None);
    let refused = scene.hear(nack).await;
    let problems: Vec<_> =
        refused.problems.iter().map(|p| (p.key.clone().unwrap().name, p.path.clone())).collect();
    assert_eq!((refused.nonce, problems), (7, vec![("bad".to_owned(), "limits[0].timeZone".to_owned())]));
    let served: Vec<_> =
        sidecar.budgets_report().await.into_iter().map(|limit| limit.key.budget.name).collect();
    assert_eq!(served, ["good"]);
}

#[tokio::test]
async fn an_entry_that_this_version_cannot_read_keeps_its_last_good_one() {
    let mut scene = Scene::start(update(1, vec![budget("month", "UTC")])).await;
    let sidecar = scene.sidecar(None);
    assert_eq!(scene.hear(ack).await, 1);
    let mut strange = budget("month", "UTC");
    strange.generation = 2;
    strange.state = Some(entry::State::Valid(b"{\"Teapot\":{}}".to_vec()));
    scene.world.send_replace(update(2, vec![strange]));
    assert_eq!(scene.hear(nack).await.nonce, 2);
    assert_eq!(sidecar.budgets_report().await.len(), 1);
}

#[tokio::test]
async fn what_is_not_named_any_more_is_gone() {
    let mut scene = Scene::start(update(1, vec![budget("a", "UTC"), budget("b", "UTC")])).await;
    let sidecar = scene.sidecar(None);
    assert_eq!(scene.hear(ack).await, 1);
    scene.world.send_replace(update(2, vec![budget("b", "UTC")]));
    assert_eq!(scene.hear(ack).await, 2);
    let served: Vec<_> =
        sidecar.budgets_report().await.into_iter().map(|limit| limit.key.budget.name).collect();
    assert_eq!(served, ["b"]);
}

#[tokio::test]
async fn the_last_report_is_sent_before_the_process_ends() {
    let mut scene = Scene::start(update(1, vec![budget("month", "UTC")])).await;
    let sidecar = scene.sidecar(None);
    assert_eq!(scene.hear(ack).await, 1);
    let first = scene.hear(report).await;
    sidecar.shutdown(LONG).await;
    let last = scene.hear(|heard| report(heard).filter(|r| r.last)).await;
    assert_eq!(last.incarnation, first.incarnation);
    assert!(last.seq > first.seq);
}

#[tokio::test]
async fn a_lost_operator_is_found_again_with_the_token_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let mut scene = Scene::start(update(1, vec![])).await;
    let sidecar = scene.sidecar(Some(token.clone()));
    let hello = |heard| if let Heard::Hello { token } = heard { Some(token) } else { None };
    assert_eq!(scene.hear(hello).await.as_deref(), Some("Bearer first"));
    std::fs::write(&token, "second\n").unwrap();
    scene.server.abort();
    let _ = (&mut scene.server).await;
    drop(scene.world);
    let mut scene = Scene::start_at(scene.address, update(2, vec![budget("month", "UTC")]), None).await;
    assert_eq!(scene.hear(hello).await.as_deref(), Some("Bearer second"));
    assert_eq!(scene.hear(ack).await, 2);
    assert_eq!(sidecar.budgets_report().await.len(), 1);
}

#[tokio::test]
async fn reports_follow_the_leader() {
    let mut leader = Scene::start(update(1, vec![])).await;
    let replica = Scene::start_at(
        "127.0.0.1:0".parse().unwrap(),
        update(1, vec![budget("m", "UTC")]),
        Some(leader.address),
    )
    .await;
    let _sidecar = replica.sidecar(None);
    let limits =
        leader.hear(|heard| report(heard).map(|r| r.limits).filter(|limits| !limits.is_empty())).await;
    assert_eq!(limits[0].budget, "shop/m");
}
