//! What can be measured from outside. Observes every stage, steers none.
//!
//! Handles are fetched once per target when a plane is built, so that a request looks nothing up. Labels come from
//! closed sets: names of objects, states, token types.

pub(crate) mod names;
mod render;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use render::state_name;

use pointsman_core::snapshot::TargetKey;
use pointsman_core::time::Millis;

use crate::plane::Plane;

/// The boundaries that OpenTelemetry gives for `gen_ai.client.operation.duration`.
const DURATIONS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Those of `gen_ai.server.time_to_first_token`.
const FIRST_TOKENS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Those of `gen_ai.client.token.usage`.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const SCORES: [f64; 8] = [2e-5, 5e-5, 1e-4, 1.5e-4, 2e-4, 5e-4, 1e-3, 1e-2];
const DECISIONS: [f64; 8] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3];

/// Which target.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct TargetLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabels {
    error_type: &'static str,
}

type Build = fn() -> Histogram;

/// Every metric of the process that is counted as things happen.
pub(crate) struct Telemetry {
    pub(crate) registry: Registry,
    tokens: Family<TokenLabels, Histogram, Build>,
    durations: Family<TargetLabels, Histogram, Build>,
    first_tokens: Family<TargetLabels, Histogram, Build>,
    errors: Family<ErrorLabels, Counter>,
    /// Time to decide.
    pub(crate) decisions: Histogram,
    /// Feedback that was taken.
    pub(crate) feedback: Counter,
    /// Scores of texts.
    pub(crate) scores: ScoreMetrics,
    /// Snapshots or entries that were refused.
    pub(crate) nacks: Counter,
    /// Seconds since the Unix epoch of the last applied configuration.
    pub(crate) config_applied: Gauge<f64, AtomicU64>,
    /// Whether each stream to the operator is up.
    pub(crate) link: [Gauge; 2],
}

/// The handles of scoring.
#[derive(Clone, Default)]
pub(crate) struct ScoreMetrics {
    /// Texts that a routing model was asked about.
    pub(crate) misses: Counter,
    /// Texts that had been scored before.
    pub(crate) hits: Counter,
    /// Short follow-ups that were judged like the text before them.
    pub(crate) reused: Counter,
    /// How long a routing model took.
    pub(crate) durations: ScoreDurations,
}

/// A histogram with boundaries for inline scoring.
#[derive(Clone)]
pub(crate) struct ScoreDurations(Histogram);

impl Default for ScoreDurations {
    fn default() -> Self {
        Self(Histogram::new(SCORES))
    }
}

impl ScoreDurations {
    pub(crate) fn observe(&self, seconds: f64) {
        self.0.observe(seconds);
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FoundLabels {
    found: &'static str,
}

impl ScoreMetrics {
    fn register(registry: &mut Registry) -> Self {
        let found = Family::<FoundLabels, Counter>::default();
        registry.register(names::SCORES, "Texts scored, by where the prediction was found", found.clone());
        let of = |label| found.get_or_create(&FoundLabels { found: label }).clone();
        let metrics = Self {
            misses: of("model"),
            hits: of("cache"),
            reused: of("session"),
            durations: ScoreDurations::default(),
        };
        let help = "Time that a routing model took for one text";
        registry.register_with_unit(names::SCORE, help, Unit::Seconds, metrics.durations.0.clone());
        metrics
    }
}

/// The handles of one target.
pub(crate) struct TargetMetrics {
    input: Histogram,
    output: Histogram,
    duration: Histogram,
    first_token: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LinkLabels {
    stream: &'static str,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let tokens = Family::new_with_constructor((|| Histogram::new(TOKENS)) as Build);
        let durations = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as Build);
        let first_tokens = Family::new_with_constructor((|| Histogram::new(FIRST_TOKENS)) as Build);
        let errors = Family::<ErrorLabels, Counter>::default();
        let decisions = Histogram::new(DECISIONS);
        let nacks = Counter::default();
        let config_applied = Gauge::default();
        let link = Family::<LinkLabels, Gauge>::default();
        let scores = ScoreMetrics::register(&mut registry);
        let feedback = Counter::default();
        registry.register(names::FEEDBACK, "Feedback that was taken", feedback.clone());
        registry.register(names::TOKEN_USAGE, "Tokens used per attempt", tokens.clone());
        registry.register_with_unit(
            names::OPERATION_DURATION,
            "Time of an answered call, in seconds",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register_with_unit(
            names::TIME_TO_FIRST_TOKEN,
            "Time from the request upstream to the first content, in seconds",
            Unit::Seconds,
            first_tokens.clone(),
        );
        registry.register(names::ERRORS, "Calls that ended in an error, by its code", errors.clone());
        registry.register_with_unit(names::DECISION, "Time to decide", Unit::Seconds, decisions.clone());
        registry.register(
            names::NACKS,
            "Configuration updates with an entry that was refused",
            nacks.clone(),
        );
        registry.register_with_unit(
            names::CONFIG_APPLIED,
            "When the configuration was last applied, since 1970",
            Unit::Seconds,
            config_applied.clone(),
        );
        registry.register(names::LINK, "Whether a stream to the operator is up", link.clone());
        let link = ["config", "ledger"].map(|stream| link.get_or_create(&LinkLabels { stream }).clone());
        Self {
            registry,
            tokens,
            durations,
            first_tokens,
            errors,
            decisions,
            feedback,
            scores,
            nacks,
            config_applied,
            link,
        }
    }

    /// The handles of a target, always the same ones.
    pub(crate) fn target(&self, key: &TargetKey) -> TargetMetrics {
        let labels = TargetLabels {
            gen_ai_operation_name: names::CHAT,
            gen_ai_provider_name: key.provider.to_string(),
            gen_ai_request_model: key.model.clone(),
        };
        let tokens = |gen_ai_token_type| {
            let TargetLabels { gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model } =
                labels.clone();
            let labels = TokenLabels {
                gen_ai_operation_name,
                gen_ai_provider_name,
                gen_ai_request_model,
                gen_ai_token_type,
            };
            self.tokens.get_or_create(&labels).clone()
        };
        TargetMetrics {
            input: tokens("input"),
            output: tokens("output"),
            duration: self.durations.get_or_create(&labels).clone(),
            first_token: self.first_tokens.get_or_create(&labels).clone(),
        }
    }

    /// Counts a call that ended in an error. Not on the path of answered calls.
    pub(crate) fn error(&self, code: &'static str) {
        self.errors.get_or_create(&ErrorLabels { error_type: code }).inc();
    }

    /// Everything as text, in the format that Prometheus and OpenMetrics read.
    pub(crate) fn text(&self, plane: &Option<Arc<Plane>>, now: Millis) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode_registry(&mut text, &self.registry)
            .expect("writing to a String does not fail");
        if let Some(plane) = plane {
            render::render(&mut text, plane, now);
        }
        text.push_str("# EOF\n");
        text
    }
}

impl TargetMetrics {
    pub(crate) fn answered(&self, input: u64, output: u64, took: Duration) {
        self.input.observe(input as f64);
        self.output.observe(output as f64);
        self.duration.observe(took.as_secs_f64());
    }

    pub(crate) fn first_token(&self, after: Duration) {
        self.first_token.observe(after.as_secs_f64());
    }
}
