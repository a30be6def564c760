//! `Config.Watch`: the whole world of one sidecar, at the start and on every change of it, never otherwise.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use pointsman_config::entry::{Entry, State};
use pointsman_config::link::{self, ConfigRequest, ConfigUpdate, config_request};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::generated::config_server::Config;
use super::identity::Reviewer;
use super::{is_named, lifetime};
use crate::compile::{SecretKey, scope, scope_credentials};
use crate::shared::{Credential, PodRecord, Published, Shared, Stop};

/// A sidecar introduces itself and takes updates within this time.
const PATIENCE: Duration = Duration::from_secs(30);

type Updates = mpsc::Sender<Result<ConfigUpdate, Status>>;

/// Serves configuration.
pub(super) struct ConfigService {
    reviewer: Arc<Reviewer>,
    shared: Arc<Shared>,
    stop: Stop,
}

impl ConfigService {
    pub(super) fn new(reviewer: Arc<Reviewer>, shared: Arc<Shared>, stop: Stop) -> Self {
        Self { reviewer, shared, stop }
    }
}

#[tonic::async_trait]
impl Config for ConfigService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<ConfigUpdate, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<Streaming<ConfigRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let pod = self.reviewer.pod(&request).await?;
        // Full: the sidecar does not read; the sender gives up after PATIENCE.
        let (sender, receiver) = mpsc::channel(2);
        let session = Session {
            shared: Arc::clone(&self.shared),
            published: self.shared.published.subscribe(),
            updates: sender,
            pod,
            last: None,
            nonce: 0,
            stream: 0,
            was_listed: false,
        };
        tokio::spawn(session.run(request.into_inner(), self.stop.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// What was sent last: compared, so that only changes are sent.
#[derive(PartialEq)]
struct Sent {
    entries: Vec<Entry>,
    credentials: Vec<(SecretKey, Credential)>,
}

/// One sidecar's stream.
struct Session {
    shared: Arc<Shared>,
    published: watch::Receiver<Option<Published>>,
    updates: Updates,
    pod: PodRecord,
    last: Option<Sent>,
    nonce: u64,
    stream: u64,
    was_listed: bool,
}

impl Session {
    async fn run(mut self, mut requests: Streaming<ConfigRequest>, mut stop: Stop) {
        let Some(hello) = hello(&mut requests).await.filter(|hello| is_named(&hello.incarnation)) else {
            return;
        };
        let _counted = self.shared.metrics.stream("Config");
        let uid = self.pod.facts.pod.uid.clone();
        let pod = (self.pod.facts.pod.namespace.clone(), self.pod.facts.pod.name.clone());
        self.stream = self.shared.update(|books| books.links.connect(&uid, pod, &hello.incarnation));
        tracing::info!(
            namespace = self.pod.facts.pod.namespace,
            pod = self.pod.facts.pod.name,
            version = hello.version,
            "a sidecar connected"
        );
        let ended = self.converse(&mut requests, &mut stop).await;
        if let Err(status) = ended {
            let _ = self.updates.try_send(Err(status));
        }
        self.shared.update(|books| books.links.disconnect(&uid, self.stream));
    }

    /// Talks until one side ends.
    async fn converse(
        &mut self,
        requests: &mut Streaming<ConfigRequest>,
        stop: &mut Stop,
    ) -> Result<(), Status> {
        let lifetime = tokio::time::sleep(lifetime(&self.pod.facts.pod.uid));
        let mut lifetime = std::pin::pin!(lifetime);
        self.offer().await?;
        loop {
            tokio::select! {
                changed = self.published.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.offer().await?;
                }
                request = requests.message() => match request {
                    Ok(Some(request)) => self.answered(request),
                    Ok(None) | Err(_) => return Ok(()),
                },
                () = &mut lifetime => return Err(Status::unavailable("come again with a fresh token")),
                () = stop.wait() => return Err(Status::unavailable("the operator ends")),
            }
        }
    }

    fn answered(&self, request: ConfigRequest) {
        let uid = &self.pod.facts.pod.uid;
        match request.message {
            Some(config_request::Message::Ack(ack)) => {
                self.shared.update(|books| books.links.ack(uid, self.stream, ack.nonce));
            }
            Some(config_request::Message::Nack(nack)) => {
                self.shared.metrics.nacks.inc();
                tracing::warn!(
                    pod = self.pod.facts.pod.name,
                    problems = nack.problems.len(),
                    "a sidecar refused an update"
                );
                self.shared.update(|books| books.links.nack(uid, self.stream, &nack));
            }
            Some(config_request::Message::Hello(_)) | None => {}
        }
    }

    /// Sends the sidecar's world if it differs from what was sent last.
    async fn offer(&mut self) -> Result<(), Status> {
        let Some(published) = self.published.borrow_and_update().clone() else { return Ok(()) };
        self.refresh(&published)?;
        let next = scoped(&published, &self.pod);
        if self.last.as_ref() == Some(&next) {
            return Ok(());
        }
        self.nonce += 1;
        let update = message(self.nonce, &published.compiled.root_namespace, &next);
        let uid = &self.pod.facts.pod.uid;
        self.shared.update(|books| books.links.offer(uid, self.stream, self.nonce, &next.entries));
        self.last = Some(next);
        let sent = tokio::time::timeout(PATIENCE, self.updates.send(Ok(update))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Status::deadline_exceeded("the sidecar does not read")),
        }
    }

    /// Takes the pod's newest labels. A pod that was there and is gone ends its stream.
    fn refresh(&mut self, published: &Published) -> Result<(), Status> {
        match published.pods.get(&self.pod.facts.pod.uid) {
            Some(record) => {
                self.was_listed = true;
                self.pod = record.clone();
                Ok(())
            }
            None if self.was_listed => Err(Status::unauthenticated("the pod is gone")),
            None => Ok(()),
        }
    }
}

async fn hello(requests: &mut Streaming<ConfigRequest>) -> Option<link::Hello> {
    let first = tokio::time::timeout(PATIENCE, requests.message()).await.ok()?.ok()??;
    match first.message? {
        config_request::Message::Hello(hello) => Some(hello),
        config_request::Message::Ack(_) | config_request::Message::Nack(_) => None,
    }
}

fn scoped(published: &Published, pod: &PodRecord) -> Sent {
    let entries = scope(&published.compiled, &pod.facts.pod);
    let names = scope_credentials(&published.compiled, &entries);
    let credentials =
        names.into_iter().filter_map(|name| Some((name.clone(), published.keys.get(&name)?.clone())));
    Sent { credentials: credentials.collect(), entries }
}

fn message(nonce: u64, root_namespace: &str, sent: &Sent) -> ConfigUpdate {
    let credential = |(key, credential): &(SecretKey, Credential)| link::Credential {
        reference: key.to_string(),
        version: credential.version.clone(),
        secret: credential.value.clone(),
    };
    ConfigUpdate {
        nonce,
        entries: sent.entries.iter().map(entry).collect(),
        credentials: sent.credentials.iter().map(credential).collect(),
        root_namespace: root_namespace.to_owned(),
    }
}

fn entry(entry: &Entry) -> link::Entry {
    let state = match &entry.state {
        State::Valid(compiled) => Some(link::entry::State::Valid(
            serde_json::to_vec(compiled).expect("the contract's types serialise"),
        )),
        State::Invalid { message } => Some(link::entry::State::Invalid(message.clone())),
        // A complete list does not name what is gone.
        State::Deleted => None,
    };
    let key = link::ObjectKey {
        kind: format!("{:?}", entry.key.kind),
        namespace: entry.key.name.namespace.clone(),
        name: entry.key.name.name.clone(),
    };
    link::Entry { key: Some(key), uid: entry.uid.clone(), generation: entry.generation, state }
}
