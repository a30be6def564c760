//! The client's end of both streams, as little of it as the tests need.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use pointsman_config::link::{
    Ack, ConfigRequest, ConfigUpdate, Hello, LedgerReply, Nack, Problem, UsageReport, config_request, entry,
};
use pointsman_test_support::LONG;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::fixture::ROOT;

/// An open Config stream.
pub(crate) struct Sidecar {
    requests: mpsc::Sender<ConfigRequest>,
    updates: Streaming<ConfigUpdate>,
}

impl Sidecar {
    /// Opens the stream and says hello.
    pub(crate) async fn connect(channel: &Channel, token: Option<&str>) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let hello = Hello { incarnation: "1".to_owned(), version: "test".to_owned() };
        let hello = ConfigRequest { message: Some(config_request::Message::Hello(hello)) };
        requests.send(hello).await.map_err(|_| Status::internal("closed"))?;
        let updates = stream(channel, "/pointsman.link.v1.Config/Watch", token, receiver).await?;
        Ok(Self { requests, updates })
    }

    /// The next update.
    pub(crate) async fn update(&mut self) -> anyhow::Result<ConfigUpdate> {
        let next = tokio::time::timeout(LONG, self.updates.message()).await.context("an update comes")??;
        next.context("the stream goes on")
    }

    /// The next update that `check` accepts; those before it are acknowledged.
    pub(crate) async fn update_where(
        &mut self,
        check: impl Fn(&ConfigUpdate) -> bool,
    ) -> anyhow::Result<ConfigUpdate> {
        loop {
            let update = self.update().await?;
            if check(&update) {
                return Ok(update);
            }
            self.ack(&update).await?;
        }
    }

    /// The end of the stream.
    pub(crate) async fn end(&mut self) -> anyhow::Result<Status> {
        loop {
            match tokio::time::timeout(LONG, self.updates.message()).await.context("the stream ends")? {
                Ok(Some(_)) => {}
                Ok(None) => bail!("the stream ended without a status"),
                Err(status) => return Ok(status),
            }
        }
    }

    pub(crate) async fn ack(&self, update: &ConfigUpdate) -> anyhow::Result<()> {
        self.say(config_request::Message::Ack(Ack { nonce: update.nonce })).await
    }

    pub(crate) async fn nack(&self, update: &ConfigUpdate, problem: Problem) -> anyhow::Result<()> {
        self.say(config_request::Message::Nack(Nack { nonce: update.nonce, problems: vec![problem] })).await
    }

    async fn say(&self, message: config_request::Message) -> anyhow::Result<()> {
        Ok(self.requests.send(ConfigRequest { message: Some(message) }).await?)
    }
}

/// An open Ledger stream.
pub(crate) struct Reporter {
    reports: mpsc::Sender<UsageReport>,
    replies: Streaming<LedgerReply>,
}

impl Reporter {
    pub(crate) async fn connect(channel: &Channel, token: &str) -> Result<Self, Status> {
        let (reports, receiver) = mpsc::channel(8);
        let replies = stream(channel, "/pointsman.link.v1.Ledger/Report", Some(token), receiver).await?;
        Ok(Self { reports, replies })
    }

    /// Waits until the stream ends, and tells why.
    pub(crate) async fn end(&mut self) -> anyhow::Result<Status> {
        match tokio::time::timeout(LONG, self.replies.message()).await.context("the stream ends")? {
            Ok(reply) => bail!("instead of the end came {reply:?}"),
            Err(status) => Ok(status),
        }
    }

    /// Sends a report and gives the reply.
    pub(crate) async fn report(&mut self, report: UsageReport) -> anyhow::Result<LedgerReply> {
        // The other side may have ended already: its reply says why.
        let _ = self.reports.send(report).await;
        let reply = tokio::time::timeout(LONG, self.replies.message()).await.context("a reply comes")??;
        reply.context("the stream goes on")
    }
}

async fn stream<Sent, Received>(
    channel: &Channel,
    path: &'static str,
    token: Option<&str>,
    messages: mpsc::Receiver<Sent>,
) -> Result<Streaming<Received>, Status>
where
    Sent: prost::Message + Send + Sync + 'static,
    Received: prost::Message + Default + Send + Sync + 'static,
{
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec: ProstCodec<Sent, Received> = ProstCodec::default();
    Ok(grpc.streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner())
}

/// A TLS connection that trusts what the operator has published.
pub(crate) async fn channel(client: &Client, address: SocketAddr) -> anyhow::Result<Channel> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), ROOT);
    let trust = maps.get("pointsman-trust").await?;
    let ca =
        trust.data.and_then(|data| data.get("ca.crt").cloned()).context("the trust has a certificate")?;
    channel_trusting(&ca, address).await
}

/// A TLS connection that trusts these certificates, PEM.
pub(crate) async fn channel_trusting(ca: &str, address: SocketAddr) -> anyhow::Result<Channel> {
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).domain_name("localhost");
    Ok(Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?.connect().await?)
}

/// The entries of an update as `Kind namespace/name@generation`, with `!` where they are invalid.
pub(crate) fn named(update: &ConfigUpdate) -> Vec<String> {
    let name = |entry: &pointsman_config::link::Entry| {
        let key = entry.key.as_ref().unwrap();
        let invalid = if matches!(entry.state, Some(entry::State::Invalid(_))) { "!" } else { "" };
        format!("{}{} {}/{}@{}", invalid, key.kind, key.namespace, key.name, entry.generation)
    };
    update.entries.iter().map(name).collect()
}
