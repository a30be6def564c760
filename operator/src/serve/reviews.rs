//! What does the API server say of a token? Asked once for each token and remembered for a short while; no more often
//! than it can bear, first come first served. After a restart of the operator every sidecar of the cluster comes at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex as Turn, Semaphore};
use tokio::time::Instant;

use super::identity::{AUDIENCE, Denied, Identity, identity};

const POSITIVE: Duration = Duration::from_secs(60);
const NEGATIVE: Duration = Duration::from_secs(5);
/// The most reviews that are remembered, and the most sidecars that wait for one.
const MOST: usize = 10_000;
/// Between two questions: at most a hundred a second, whoever sends tokens.
const GAP: Duration = Duration::from_millis(10);
/// How long an answer may take. Waiting for one's turn is not counted: five thousand sidecars take fifty seconds.
const PATIENCE: Duration = Duration::from_secs(10);

type Digest = [u8; 32];
type Answer = Result<Identity, Denied>;

/// Asks, and remembers.
pub(super) struct Reviews {
    client: Client,
    known: Mutex<HashMap<Digest, (Instant, Answer)>>,
    /// Tokens that are being asked about: a sidecar opens two streams with one token.
    asking: Mutex<HashMap<Digest, Weak<Turn<()>>>>,
    places: Semaphore,
    pace: Pace,
}

impl Reviews {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
            asking: Mutex::default(),
            places: Semaphore::new(MOST),
            pace: Pace::default(),
        }
    }

    /// Who a token stands for.
    pub(super) async fn of(&self, token: &str) -> Result<Answer, kube::Error> {
        let digest: Digest = Sha256::digest(token).into();
        if let Some(known) = self.remembered(&digest) {
            return Ok(known);
        }
        // Full: whoever comes now is sent away, and comes again by itself.
        let _place = self.places.try_acquire().map_err(|_| unknown("too many sidecars wait"))?;
        let turn = self.turn(digest);
        let _turn = turn.lock().await;
        if let Some(known) = self.remembered(&digest) {
            return Ok(known);
        }
        self.pace.wait().await;
        let answer = tokio::time::timeout(PATIENCE, self.ask(token)).await;
        let answer = answer.unwrap_or_else(|_| Err(unknown("no answer in time")))?;
        self.remember(digest, answer.clone());
        Ok(answer)
    }

    /// Waits for a moment in which one more question may be asked, of whatever kind.
    pub(super) async fn wait(&self) {
        self.pace.wait().await;
    }

    async fn ask(&self, token: &str) -> Result<Answer, kube::Error> {
        let spec =
            TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: Some(token.to_owned()) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let answer = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(identity(&answer.status.unwrap_or_default()))
    }

    fn remembered(&self, digest: &Digest) -> Option<Answer> {
        let known = locked(&self.known);
        known.get(digest).filter(|known| is_fresh(known)).map(|(_, answer)| answer.clone())
    }

    fn remember(&self, digest: Digest, answer: Answer) {
        let mut known = locked(&self.known);
        if known.len() >= MOST {
            known.retain(|_, known| is_fresh(known));
        }
        // Whoever sends ten thousand tokens in a minute makes us ask again, and not grow.
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest, (Instant::now(), answer));
    }

    fn turn(&self, digest: Digest) -> Arc<Turn<()>> {
        let mut asking = locked(&self.asking);
        if let Some(turn) = asking.get(&digest).and_then(Weak::upgrade) {
            return turn;
        }
        if asking.len() >= MOST {
            asking.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        asking.insert(digest, Arc::downgrade(&turn));
        turn
    }
}

fn unknown(why: &'static str) -> kube::Error {
    kube::Error::Service(why.into())
}

fn is_fresh((at, answer): &(Instant, Answer)) -> bool {
    at.elapsed() < if answer.is_ok() { POSITIVE } else { NEGATIVE }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One after the other, `GAP` apart, in the order of arrival. Who leaves the queue takes nobody's turn away.
#[derive(Default)]
struct Pace(Turn<Option<Instant>>);

impl Pace {
    async fn wait(&self) {
        let mut next = self.0.lock().await;
        if let Some(next) = *next {
            tokio::time::sleep_until(next).await;
        }
        *next = Some(Instant::now() + GAP);
    }
}

#[cfg(test)]
mod tests;
