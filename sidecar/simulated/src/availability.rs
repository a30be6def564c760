//! Is the provider there at the moment?
//!
//! One watched value. Outages that cut are counted, so that a call or a connection that began before one notices it
//! even when it was over before anyone looked.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Whether the provider is there. Dark means: no socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum Availability {
    /// Calls are answered.
    Up,
    /// Connections are refused.
    Dark {
        /// What happens to the connections that are open.
        #[serde(default, rename = "inFlight")]
        in_flight: InFlight,
    },
}

/// What an outage does to open connections and the calls on them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InFlight {
    /// They are closed, streams in the middle of a sentence included.
    #[default]
    Cut,
    /// Calls in flight are answered to the end; a further call on an open connection is answered with 503.
    Finish,
}

/// What is watched: the state and how often an outage cut connections.
#[derive(Debug, Clone, Copy)]
struct Watched {
    now: Availability,
    cuts: u64,
}

/// The one writer.
#[derive(Debug)]
pub(crate) struct Switch(watch::Sender<Watched>);

/// A reader that remembers what it has seen when it was made.
#[derive(Debug)]
pub(crate) struct Watcher {
    receiver: watch::Receiver<Watched>,
    seen: Watched,
}

impl Switch {
    pub(crate) fn new() -> Switch {
        Switch(watch::Sender::new(Watched { now: Availability::Up, cuts: 0 }))
    }

    /// Changes the state; saying the same again changes nothing.
    pub(crate) fn set(&self, next: Availability) {
        self.0.send_if_modified(|watched| watched.become_next(next));
    }

    pub(crate) fn now(&self) -> Availability {
        self.0.borrow().now
    }

    pub(crate) fn watch(&self) -> Watcher {
        let receiver = self.0.subscribe();
        let seen = *receiver.borrow();
        Watcher { receiver, seen }
    }
}

impl Watched {
    fn become_next(&mut self, next: Availability) -> bool {
        let changed = self.now != next;
        self.cuts += u64::from(changed && next == Availability::Dark { in_flight: InFlight::Cut });
        self.now = next;
        changed
    }
}

impl Watcher {
    /// Returns once an outage cut connections since this watcher was made.
    pub(crate) async fn was_cut(&mut self) {
        let seen = self.seen.cuts;
        self.until(|watched| watched.cuts != seen).await;
    }

    /// Returns when the provider is up, at once if it is.
    pub(crate) async fn is_up(&mut self) {
        self.until(|watched| watched.now == Availability::Up).await;
    }

    /// Returns when the provider is dark, at once if it is.
    pub(crate) async fn is_dark(&mut self) {
        self.until(|watched| watched.now != Availability::Up).await;
    }

    async fn until(&mut self, reached: impl FnMut(&Watched) -> bool) {
        if self.receiver.wait_for(reached).await.is_err() {
            // The switch is gone with the server: whoever waits is about to be dropped too.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Availability = Availability::Dark { in_flight: InFlight::Cut };
    const FINISH: Availability = Availability::Dark { in_flight: InFlight::Finish };

    #[tokio::test]
    async fn an_outage_that_is_over_is_still_noticed() {
        let switch = Switch::new();
        let mut watcher = switch.watch();
        switch.set(CUT);
        switch.set(Availability::Up);
        watcher.was_cut().await;
        watcher.is_up().await;
    }

    #[tokio::test]
    async fn a_soft_outage_cuts_nobody() {
        let switch = Switch::new();
        let mut watcher = switch.watch();
        switch.set(FINISH);
        watcher.is_dark().await;
        tokio::select! {
            biased;
            () = watcher.was_cut() => panic!("a call in flight was cut"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn the_state_reads_as_people_write_it() {
        for (text, expected) in [
            (r#"{"state":"Up"}"#, Availability::Up),
            (r#"{"state":"Dark"}"#, CUT),
            (r#"{"state":"Dark","inFlight":"Finish"}"#, FINISH),
        ] {
            assert_eq!(serde_json::from_str::<Availability>(text).ok(), Some(expected), "{text}");
        }
    }
}
