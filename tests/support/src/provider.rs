//! How does a test get a provider of language models that misbehaves on demand and tells afterwards what it billed?
//!
//! ```
//! use pointsman_test_support::provider::{Fault, Model, Price, Provider};
//!
//! let provider = Provider::start();
//! provider.serve("gpt-x", Model::priced(Price { input: 1_250_000_000, cached_input: 125_000_000, output: 10_000_000_000 }));
//! provider.script("gpt-x", [Fault::status(503), Fault::None]);        // the first call fails, the second is answered
//! // … calls to provider.url() …
//! assert_eq!(provider.billed_nano(), 0);
//! ```
//! It speaks OpenAI's chat completions, streamed and not, plain or over TLS, on a loopback port and a thread of its own,
//! so that it answers while the test blocks. Its books follow one rule: what was handed to the connection is billed (the
//! input with the first token), and a call that got no token is not. It shares no code with what it checks.

mod answer;
mod books;
mod model;
mod script;
mod server;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::sync::watch;

pub use books::{Entry, Outcome, Received, Usage};
pub use model::{Model, Price, sixty_words};
pub use script::{Fault, Point};

use crate::certificates::Authority;
use crate::{LONG, wait_for};
use books::Books;
use script::Scripts;

/// A running provider; it stops when dropped.
#[derive(Debug)]
pub struct Provider {
    state: Arc<State>,
    address: SocketAddr,
    authority: Option<Authority>,
    server: Option<JoinHandle<()>>,
}

/// What the test and the server both see.
#[derive(Debug, Default)]
struct State {
    books: Books,
    scripts: Scripts,
    phase: watch::Sender<Phase>,
}

/// Whether it is there at all.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Up,
    Down,
    Ended,
}

impl Provider {
    /// Starts one that speaks plain HTTP.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS under a certificate for `localhost` and `127.0.0.1`; see [`Provider::ca_pem`].
    pub fn start_tls() -> Self {
        Self::start_with(Some(
            Authority::new("fake provider authority").expect("an authority has only constant inputs"),
        ))
    }

    fn start_with(authority: Option<Authority>) -> Self {
        let state = Arc::new(State::default());
        let identity = authority.as_ref().map(|authority| {
            authority.server(&["localhost", "127.0.0.1"]).expect("a server identity has only constant inputs")
        });
        let (address, server) = server::spawn(state.clone(), identity).expect("loopback has a free port");
        Self { state, address, authority, server: Some(server) }
    }

    /// The base URL that an OpenAI client is given, `http://127.0.0.1:<port>/v1`.
    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/v1", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority to trust, PEM; none for a plain provider.
    pub fn ca_pem(&self) -> Option<String> {
        self.authority.as_ref().map(Authority::pem)
    }

    /// Serves `model` under `name`; names that are not served are answered with 404.
    pub fn serve(&self, name: &str, model: Model) {
        self.state.scripts.serve(name, model);
    }

    /// Refuses every call with 401 that does not bring `key` as its bearer token.
    pub fn require_key(&self, key: &str) {
        self.state.scripts.require_key(key);
    }

    /// What the coming calls to `model` get, one each; afterwards it behaves as [`Provider::always`] says.
    pub fn script(&self, model: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state.scripts.script(model, faults);
    }

    /// What every call to `model` gets that no script speaks for; [`Fault::None`] heals it.
    pub fn always(&self, model: &str, fault: Fault) {
        self.state.scripts.always(model, fault);
    }

    /// Lets every call go on that has arrived by now: those that a [`Fault::Hold`] holds, and those on their way to one.
    pub fn release(&self) {
        self.state.scripts.release();
    }

    /// Refuses connections and resets those that are open.
    pub async fn go_down(&self) -> anyhow::Result<()> {
        self.state.phase.send_replace(Phase::Down);
        wait_for("the provider refuses connections", LONG, || async {
            Ok(tokio::net::TcpStream::connect(self.address).await.is_err().then_some(()))
        })
        .await
    }

    /// Listens again, at the same address.
    pub async fn come_back(&self) -> anyhow::Result<()> {
        self.state.phase.send_replace(Phase::Up);
        wait_for("the provider accepts connections", LONG, || async {
            Ok(Some(tokio::net::TcpStream::connect(self.address).await.context("refused")?))
        })
        .await
        .map(drop)
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.state.books.requests()
    }

    /// Every chat completion so far, in the order of arrival, with what it billed.
    pub fn entries(&self) -> Vec<Entry> {
        self.state.books.entries()
    }

    /// The sum of all bills, in nano-USD.
    pub fn billed_nano(&self) -> u64 {
        self.entries().iter().map(|entry| entry.cost_nano).sum()
    }

    /// How many connections have been accepted.
    pub fn connections(&self) -> u64 {
        self.state.books.connections()
    }

    /// Waits until `count` chat completions have arrived and none is open any more, and gives them.
    pub async fn wait_until_settled(&self, count: usize) -> anyhow::Result<Vec<Entry>> {
        wait_for(&format!("{count} calls have ended at the provider"), LONG, || async {
            let entries = self.entries();
            let open = entries.iter().filter(|entry| entry.outcome == Outcome::Open).count();
            Ok((entries.len() >= count && open == 0).then_some(entries))
        })
        .await
    }

    /// Waits until `count` requests of any kind have arrived, and gives them.
    pub async fn wait_for_requests(&self, count: usize) -> anyhow::Result<Vec<Received>> {
        wait_for(&format!("{count} requests have arrived at the provider"), LONG, || async {
            let requests = self.requests();
            Ok((requests.len() >= count).then_some(requests))
        })
        .await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.state.phase.send_replace(Phase::Ended);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

#[cfg(test)]
mod tests;
