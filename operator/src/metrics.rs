//! The operator's own figures, for Prometheus.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::inject::review;

const PREFIX: &str = "pointsman";
const SECONDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// Labels that name one closed set each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Stream {
    stream: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reviewed {
    outcome: &'static str,
}

/// Every figure of the operator.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// From the first change to the published world.
    pub(crate) reconcile_seconds: Histogram,
    /// Worlds published.
    pub(crate) published: Counter,
    /// Whether this replica leads.
    pub(crate) leader: Gauge<i64, AtomicI64>,
    /// Updates that sidecars refused.
    pub(crate) nacks: Counter,
    /// Rounds in which the status of every object was planned.
    pub(crate) rounds: Counter,
    /// Server certificates that were renewed at their time.
    pub(crate) resigned: Counter,
    reviews: Family<Reviewed, Counter>,
    errors: Family<Reason, Counter>,
    writes: Family<Kind, Counter>,
    streams: Family<Stream, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let reconcile_seconds = Histogram::new(SECONDS);
        let (published, leader, nacks, rounds) =
            (Counter::default(), Gauge::default(), Counter::default(), Counter::default());
        let (errors, writes, streams) = (Family::default(), Family::default(), Family::default());
        let (resigned, reviews) = (Counter::default(), Family::default());
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_with_unit(
            "reconcile_duration",
            "Time to compile and publish the world",
            Unit::Seconds,
            reconcile_seconds.clone(),
        );
        registry.register(
            "worlds_published",
            "Compiled worlds that differed from the one before",
            published.clone(),
        );
        registry.register("leader", "1 while this replica leads", leader.clone());
        registry.register("nacks", "Updates that sidecars refused", nacks.clone());
        registry.register("status_rounds", "Rounds in which every status was planned", rounds.clone());
        registry.register("certificates_renewed", "Server certificates renewed", resigned.clone());
        registry.register("pods_reviewed", "Pods that the webhook was asked about", Family::clone(&reviews));
        registry.register("errors", "Failures by reason", Family::clone(&errors));
        registry.register("status_writes", "Statuses written by kind", Family::clone(&writes));
        registry.register("streams_connected", "Open streams of sidecars", Family::clone(&streams));
        Self {
            registry,
            reconcile_seconds,
            published,
            leader,
            nacks,
            rounds,
            resigned,
            reviews,
            errors,
            writes,
            streams,
        }
    }
}

impl Metrics {
    /// Counts a failure.
    pub(crate) fn error(&self, reason: &'static str) {
        self.errors.get_or_create(&Reason { reason }).inc();
    }

    /// Counts an answer of the webhook.
    pub(crate) fn reviewed(&self, outcome: review::Outcome) {
        let outcome = match outcome {
            review::Outcome::Patched => "Patched",
            review::Outcome::Unchanged => "Unchanged",
            review::Outcome::Refused => "Refused",
        };
        self.reviews.get_or_create(&Reviewed { outcome }).inc();
    }

    /// Counts a written status.
    pub(crate) fn wrote(&self, kind: &'static str) {
        self.writes.get_or_create(&Kind { kind }).inc();
    }

    /// Counts a stream for as long as the guard lives.
    pub(crate) fn stream(&self, stream: &'static str) -> StreamGuard {
        let gauge = self.streams.get_or_create(&Stream { stream }).clone();
        gauge.inc();
        StreamGuard(gauge)
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing into a String does not fail");
        text
    }
}

/// An open stream.
pub(crate) struct StreamGuard(Gauge);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
