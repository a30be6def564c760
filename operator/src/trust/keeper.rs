//! Keeps the authority's Secret: reads it on every replica, and on the leader makes, turns and restores it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use super::authority::{Authority, LEAF};
use super::keyring::{Keyring, Turns};
use super::{CA_CERTIFICATE, SECRET, Trust, TrustError};
use crate::shared::{Shared, Stop};

const CA_KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const PREVIOUS_CERTIFICATE: &str = "previous.crt";
/// When the keyring last turned.
const SINCE: &str = "pointsman.dev/since";
/// Any value asks for a rotation now.
const ROTATE: &str = "pointsman.dev/rotate";
/// After a failed watch.
const RETRY: Duration = Duration::from_secs(2);

/// What a keeper is told.
#[derive(Clone, Debug)]
pub(crate) struct KeeperConfig {
    pub(crate) root_namespace: String,
    /// Names and addresses that the server's certificate is good for.
    pub(crate) names: Vec<String>,
    pub(crate) turns: Turns,
    /// How often it is looked whether something is due.
    pub(crate) tend: Duration,
}

/// Keeps the Secret.
pub(crate) struct Keeper {
    config: KeeperConfig,
    api: Api<Secret>,
    trust: Arc<Trust>,
    keyring: Keyring,
    shared: Arc<Shared>,
    /// The Secret as it was seen last; none while it is gone.
    seen: Option<Secret>,
    signed: Instant,
}

impl Keeper {
    /// Reads the authority, or makes it where there is none. Of several replicas that start at once the first one's counts.
    pub(crate) async fn obtain(
        client: &Client,
        config: KeeperConfig,
        shared: Arc<Shared>,
    ) -> Result<Self, TrustError> {
        let store = |source| TrustError::Store { object: SECRET, source: Box::new(source) };
        let api: Api<Secret> = Api::namespaced(client.clone(), &config.root_namespace);
        let now = shared.now();
        let secret = match api.get_opt(SECRET).await.map_err(store)? {
            Some(secret) => secret,
            None => {
                let fresh = write(&Keyring::new(Authority::make(now)?, now), Secret::default());
                match api.create(&PostParams::default(), &fresh).await {
                    Err(kube::Error::Api(status)) if status.code == 409 => {
                        api.get(SECRET).await.map_err(store)?
                    }
                    created => created.map_err(store)?,
                }
            }
        };
        // A damaged one is repaired by the leader; until then this replica serves under one that nobody trusts.
        let keyring = match read(&secret) {
            Some(keyring) => keyring,
            None => Keyring::new(Authority::make(now)?, now),
        };
        let trust = Trust::new(keyring.current.sign(&config.names, now)?, keyring.bundle());
        Ok(Self { config, api, trust, keyring, shared, seen: Some(secret), signed: Instant::now() })
    }

    /// What is served under.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    /// Keeps it until told to stop.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        let mut events = std::pin::pin!(watcher::watch_object(self.api.clone(), SECRET));
        let mut tick = tokio::time::interval(self.config.tend);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(secret)) => self.saw(secret),
                    Some(Err(error)) => {
                        self.shared.metrics.error("watch");
                        tracing::warn!(%error, "failed to watch the authority's Secret, will retry");
                        tokio::time::sleep(RETRY).await;
                    }
                    None => return,
                },
                _ = tick.tick() => {}
                () = stop.wait() => return,
            }
            if self.shared.is_leader()
                && let Err(error) = self.tend().await
            {
                self.shared.metrics.error("trust");
                tracing::warn!(%error, "failed to keep the authority, will retry");
            }
            self.sign_again();
        }
    }

    /// Takes over what the Secret says; one that says nothing usable changes nothing here.
    fn saw(&mut self, secret: Option<Secret>) {
        self.seen = secret;
        if let Some(keyring) = self.seen.as_ref().and_then(read) {
            self.take(keyring);
        }
    }

    fn take(&mut self, keyring: Keyring) {
        let resign = keyring.current != self.keyring.current;
        self.keyring = keyring;
        self.trust.set_bundle(self.keyring.bundle());
        if resign {
            self.sign();
        }
    }

    fn sign(&mut self) {
        match self.keyring.current.sign(&self.config.names, self.shared.now()) {
            Ok(next) => {
                self.trust.serve(next);
                self.signed = Instant::now();
            }
            Err(error) => tracing::error!(%error, "failed to sign the server certificate"),
        }
    }

    /// Signs anew at two thirds of the certificate's life.
    fn sign_again(&mut self) {
        if self.signed.elapsed() >= LEAF * 2 / 3 {
            self.shared.metrics.resigned.inc();
            self.sign();
        }
    }

    /// The leader's part: what is gone or damaged is written again, what is due is done.
    async fn tend(&mut self) -> Result<(), TrustError> {
        let now = self.shared.now();
        let stored = self.seen.as_ref().and_then(read);
        let Some(stored) = stored else {
            // Whoever deleted it may want another authority: the lost one is trusted on while a new one takes its place.
            let mut restored = self.keyring.clone();
            restored.asked = restored.next.is_none() && restored.previous.is_none();
            tracing::warn!("the authority's Secret is gone or damaged; it is written again, and turns");
            return self.write(restored).await;
        };
        let Some(turn) = stored.due(now, self.config.turns) else { return Ok(()) };
        let turned = stored.turned(turn, now, || Authority::make(now))?;
        tracing::info!(?turn, "the authority turns");
        self.write(turned).await
    }

    /// Writes compare and swap: of two that think they lead, one fails and reads anew.
    async fn write(&mut self, keyring: Keyring) -> Result<(), TrustError> {
        let base = self.seen.clone().unwrap_or_default();
        let exists = base.resource_version().is_some();
        let secret = write(&keyring, base);
        let params = PostParams::default();
        let written = match exists {
            true => self.api.replace(SECRET, &params, &secret).await,
            false => self.api.create(&params, &secret).await,
        };
        match written {
            Ok(secret) => {
                self.seen = Some(secret);
                self.take(keyring);
                Ok(())
            }
            // The watch brings what somebody else has written; a Secret that is gone is created next time.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.seen = None;
                Ok(())
            }
            Err(source) => Err(TrustError::Store { object: SECRET, source: Box::new(source) }),
        }
    }
}

/// The keyring of a Secret; none if it lacks what is needed to sign.
fn read(secret: &Secret) -> Option<Keyring> {
    let text = |name: &str| String::from_utf8(secret.data.as_ref()?.get(name)?.0.clone()).ok();
    let authority = |certificate: &str, key: &str| {
        let authority = Authority { certificate: text(certificate)?, key: text(key)? };
        authority.is_usable().then_some(authority)
    };
    // A Secret without the annotation is as old as the object.
    let made = secret.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let since = secret.annotations().get(SINCE).and_then(|text| text.parse().ok()).or(made);
    Some(Keyring {
        current: authority(CA_CERTIFICATE, CA_KEY)?,
        next: authority(NEXT_CERTIFICATE, NEXT_KEY),
        previous: text(PREVIOUS_CERTIFICATE),
        since: since.unwrap_or_else(Timestamp::now),
        asked: secret.annotations().contains_key(ROTATE),
    })
}

/// The Secret with this keyring; what people wrote into its metadata stays, but for the wish that is fulfilled.
fn write(keyring: &Keyring, base: Secret) -> Secret {
    let mut metadata = ObjectMeta { name: Some(SECRET.to_owned()), managed_fields: None, ..base.metadata };
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(SINCE.to_owned(), keyring.since.to_string());
    if keyring.asked {
        annotations.insert(ROTATE.to_owned(), "asked".to_owned());
    } else {
        annotations.remove(ROTATE);
    }
    let Keyring { current, next, previous, .. } = keyring;
    let mut data = vec![(CA_CERTIFICATE, &current.certificate), (CA_KEY, &current.key)];
    if let Some(next) = next {
        data.extend([(NEXT_CERTIFICATE, &next.certificate), (NEXT_KEY, &next.key)]);
    }
    data.extend(previous.as_ref().map(|previous| (PREVIOUS_CERTIFICATE, previous)));
    let data = data.into_iter().map(|(name, text)| (name.to_owned(), ByteString(text.clone().into_bytes())));
    Secret { metadata, data: Some(data.collect()), type_: Some("Opaque".to_owned()), ..Secret::default() }
}
