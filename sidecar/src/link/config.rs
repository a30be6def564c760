//! The stream that configures us.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pointsman_config::link::config_request::Message;
use pointsman_config::link::{Ack, ConfigRequest, ConfigUpdate, Hello, Nack};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::backoff::Backoff;
use super::channel::{LinkError, authorized, connect};
use super::proto::config_client::ConfigClient;
use super::{LinkConfig, translate};
use crate::chance::Chance;
use crate::control::{Applied, Command};
use crate::shared::Shared;

/// A world of a thousand objects is a few megabytes.
const UPDATE_AT_MOST: usize = 64 * 1024 * 1024;
/// One answer per update: the operator sends the next one only on a change.
const ANSWERS_AT_MOST: usize = 4;

pub(super) struct ConfigStream {
    pub(super) config: LinkConfig,
    pub(super) incarnation: String,
    pub(super) commands: mpsc::WeakSender<Command>,
}

impl ConfigStream {
    /// Connects, again and again, until the process ends.
    pub(super) async fn run(self, shared: Arc<Shared>, chance: Chance) {
        let mut backoff = Backoff::new(chance);
        loop {
            let ended = self.once(&shared, &mut backoff).await;
            shared.telemetry.link[0].set(0);
            match ended {
                Err(LinkError::Leaving) => return,
                Err(error) => {
                    tracing::info!(%error, "the configuration stream ended; it will be opened again")
                }
                Ok(never) => match never {},
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn once(
        &self,
        shared: &Shared,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, LinkError> {
        let channel = connect(&self.config, &self.config.address).await?;
        let mut client = ConfigClient::new(channel).max_decoding_message_size(UPDATE_AT_MOST);
        let (answers, outgoing) = mpsc::channel(ANSWERS_AT_MOST);
        let hello = Hello { incarnation: self.incarnation.clone(), version: self.config.version.clone() };
        self.say(&answers, Message::Hello(hello)).await?;
        let request = authorized(&self.config, ReceiverStream::new(outgoing))?;
        let mut updates = client.watch(request).await?.into_inner();
        shared.telemetry.link[0].set(1);
        while let Some(update) = updates.message().await? {
            backoff.reset();
            let answer = self.take(update).await?;
            if shared.draining.load(Relaxed) {
                return Err(LinkError::Leaving);
            }
            self.say(&answers, answer).await?;
        }
        Err(LinkError::Ended)
    }

    /// Applies an update; what is bad in it is told by its path, the rest is served.
    async fn take(&self, update: ConfigUpdate) -> Result<Message, LinkError> {
        let nonce = update.nonce;
        let (update, mut problems) = translate::update(update);
        let commands = self.commands.upgrade().ok_or(LinkError::Leaving)?;
        let (answer, answered) = oneshot::channel();
        commands.send(Command::Apply(update, answer)).await.map_err(|_| LinkError::Leaving)?;
        let Applied { problems: found } = answered.await.map_err(|_| LinkError::Leaving)?;
        problems.extend(found);
        if problems.is_empty() {
            return Ok(Message::Ack(Ack { nonce }));
        }
        Ok(Message::Nack(Nack { nonce, problems: problems.into_iter().map(translate::problem).collect() }))
    }

    async fn say(&self, answers: &mpsc::Sender<ConfigRequest>, message: Message) -> Result<(), LinkError> {
        answers.send(ConfigRequest { message: Some(message) }).await.map_err(|_| LinkError::Ended)
    }
}
