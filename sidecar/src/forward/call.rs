//! One call from its decision to its end: what was tried, what it was charged.
//!
//! hyper drops the future of a request when its caller leaves, so nothing after an await is sure to run. Whatever must
//! happen at the end happens in [`Call::end`], and `Drop` calls it where nobody else has.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use pointsman_config::policy::{Annotate, Recording};
use pointsman_config::usage::Usage;
use pointsman_core::account::{Charge, Reservation, Settlement, settle};
use pointsman_core::decide::{Decision, PickReason};
use pointsman_core::failover::{Attempt, Failure, Trail};
use pointsman_core::health::Signal;
use pointsman_core::lengths::Seen;
use pointsman_core::savings::{self, Answered, Comparison};
use pointsman_core::snapshot::Policy;
use pointsman_wire::openai::error::ProviderError;
use pointsman_wire::openai::request::ChatRequest;
use smallvec::SmallVec;

use super::decide::{Decided, correct, steer};
use crate::data::Data;
use crate::plane::{CandidatePart, LimitPart, Plane, PolicyPart};
use crate::records::Record;
use crate::request_id::RequestId;
use crate::scoring::Scored;
use crate::usage::{Day, Tally};

const X_ANNOTATE: HeaderName = HeaderName::from_static("x-pointsman-annotate");

/// A call that was admitted.
pub(crate) struct Call {
    pub(super) data: Rc<Data>,
    pub(super) plane: Arc<Plane>,
    pub(super) id: RequestId,
    pub(super) policy: usize,
    pub(super) decision: Arc<Decision>,
    scored: Option<Scored>,
    /// The id that the provider gave its answer.
    pub(super) completion: Option<Box<str>>,
    pub(super) trail: Trail,
    pub(super) tried: SmallVec<[Tried; 2]>,
    pub(super) last_error: Option<ProviderError>,
    pub(super) charged: Charge,
    pub(super) asked: Asked,
    /// Time spent waiting for providers.
    pub(super) waited: Duration,
    /// When the decision stood.
    pub(super) decided: Instant,
    flight: Option<Flight>,
    began: Instant,
    day: Day,
    ended: bool,
}

/// What the caller asked for, as far as it matters after the decision.
pub(super) struct Asked {
    pub(super) model: Arc<str>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) annotate: bool,
    pub(super) choices: u32,
    pub(super) input_tokens: u64,
}

/// The attempt that is out now.
struct Flight {
    candidate: usize,
    reservation: Reservation,
    /// Set when it is on its way: a connection is taken or made for it.
    sent: Option<Instant>,
    /// Whether there is a connection, so that bytes may have left.
    connected: Cell<bool>,
    /// From there to the first content, of streams.
    first: Option<Duration>,
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    /// Position in the decision's `considered`.
    pub(crate) candidate: usize,
    pub(crate) end: TriedEnd,
    pub(crate) took: Duration,
    pub(crate) charge: Charge,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TriedEnd {
    Answered(u16),
    Failed(Failure),
    /// After the commit point.
    Cut,
    ClientGone,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Answered,
    /// The stream broke off after the commit point.
    Cut,
    Failed(&'static str),
    ClientGone,
}

impl Call {
    pub(super) fn begin(
        data: &Rc<Data>,
        plane: Arc<Plane>,
        id: RequestId,
        chat: &ChatRequest,
        headers: &HeaderMap,
        decided: Decided,
        began: Instant,
    ) -> Self {
        let Decided { policy, model, decision, scored, addressed } = decided;
        data.shared.in_flight.fetch_add(1, Relaxed);
        let now = Instant::now();
        data.shared.telemetry.decisions.observe((now - began).as_secs_f64());
        let config = &plane.snapshot.policies[policy].config;
        let wants_cost = addressed && headers.get(X_ANNOTATE).is_some_and(|value| value == "body");
        if let Some(&first) = decision.plan.first() {
            plane.take_turn(policy, first);
        }
        steer(&plane.policies[policy].live, &decision);
        let asked = Asked {
            model,
            stream: chat.stream(),
            include_usage: chat.include_usage(),
            annotate: config.annotate == Annotate::Body || wants_cost,
            choices: chat.choices(),
            input_tokens: chat.input_tokens_estimate(),
        };
        Self {
            day: data.shared.today(),
            data: data.clone(),
            plane,
            id,
            policy,
            decision: Arc::new(decision),
            scored,
            completion: None,
            trail: Trail::default(),
            tried: SmallVec::new(),
            last_error: None,
            charged: Charge::default(),
            asked,
            waited: Duration::ZERO,
            decided: now,
            flight: None,
            began,
            ended: false,
        }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.plane.snapshot.policies[self.policy]
    }

    pub(super) fn beside_policy(&self) -> &PolicyPart {
        &self.plane.policies[self.policy]
    }

    /// The target of a candidate, by its position in the decision.
    pub(super) fn target(&self, candidate: usize) -> usize {
        self.decision.considered[candidate].target
    }

    /// The limits that count a candidate.
    pub(super) fn limits(&self, candidate: usize) -> impl Iterator<Item = &LimitPart> {
        let limits = &self.policy().candidates[candidate].limits;
        limits.iter().map(|&i| &self.plane.limits[i])
    }

    pub(super) fn beside_candidate(&self, candidate: usize) -> &CandidatePart {
        &self.beside_policy().candidates[candidate]
    }

    /// Our own time: everything but waiting for providers.
    pub(super) fn overhead(&self, now: Instant) -> Duration {
        (now - self.began).saturating_sub(self.waited)
    }

    /// An attempt holds its rights and is about to be sent.
    pub(super) fn take_off(&mut self, candidate: usize, reservation: Reservation) {
        self.flight =
            Some(Flight { candidate, reservation, sent: None, connected: Cell::new(false), first: None });
    }

    /// From here on bytes may leave.
    pub(super) fn connected(&self) {
        if let Some(flight) = &self.flight {
            flight.connected.set(true);
        }
    }

    /// From here on the target has one more on its hands.
    pub(super) fn sent(&mut self, now: Instant) {
        let Some(flight) = &mut self.flight else { return };
        flight.sent = Some(now);
        let (_, beside, provider) = self.plane.target(self.decision.considered[flight.candidate].target);
        beside.live.track().on_send();
        beside.live.health().on_send(self.data.shared.clock.millis(now), provider.timeouts.first_token);
    }

    /// The first content of a stream came.
    pub(super) fn first_content(&mut self, after: Duration) {
        let Some(flight) = &mut self.flight else { return };
        flight.first = Some(after);
        let target = self.decision.considered[flight.candidate].target;
        self.plane.targets[target].live.metrics.first_token(after);
    }

    /// The attempt ended before the commit point, and failed.
    pub(super) fn fail(&mut self, failure: Failure) {
        let Some(candidate) = self.flight.as_ref().map(|flight| flight.candidate) else { return };
        let settlement = match failure {
            Failure::NotSent | Failure::Connect => Settlement::NotSent,
            Failure::Status { .. } => Settlement::Refused,
            Failure::Reset | Failure::Timeout | Failure::BadAnswer => Settlement::Unknown,
        };
        self.land(settlement, TriedEnd::Failed(failure), failure.signal(), Instant::now());
        Tally::add(&self.tally(candidate).failures);
        self.trail.0.push(Attempt { candidate, failure });
    }

    /// The attempt is over: its rights are settled, once, and its target's health is told.
    pub(super) fn land(&mut self, settlement: Settlement, end: TriedEnd, signal: Signal, now: Instant) {
        let Some(Flight { candidate, reservation, sent, connected: _, first }) = self.flight.take() else {
            return;
        };
        let target = self.target(candidate);
        let model = &self.plane.snapshot.targets[target].model;
        let charge = settle(reservation, model.prices.as_ref(), settlement);
        self.tally(candidate).charge(&charge);
        let Charge { usage, cost, uncertain } = charge;
        self.charged.cost = self.charged.cost.saturating_add(cost);
        self.charged.uncertain = self.charged.uncertain.saturating_add(uncertain);
        self.charged.usage.input += usage.input;
        self.charged.usage.cached_input += usage.cached_input;
        self.charged.usage.output += usage.output;
        self.charged.usage.reasoning += usage.reasoning;
        let took = sent.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        if let (Settlement::Usage(usage), TriedEnd::Answered(_)) = (settlement, end) {
            let length = self.decision.considered[candidate].length;
            let seen = Seen { usage, answers: self.asked.choices, length, first, took };
            self.plane.targets[target].live.learned().observe(&seen, &model.prior);
        }
        if sent.is_some() {
            self.track(target, &charge.usage, signal, took, now);
        }
        self.tried.push(Tried { candidate, end, took, charge });
        self.signal(candidate, signal, now);
    }

    /// Keeps how a target answered an attempt that was sent.
    fn track(&self, target: usize, usage: &Usage, signal: Signal, took: Duration, now: Instant) {
        let now = self.data.shared.clock.millis(now);
        let mut track = self.plane.targets[target].live.track();
        match signal {
            Signal::Success => {
                let output = usage.output as f64 / f64::from(self.asked.choices.max(1));
                let expected = self.plane.snapshot.targets[target].model.prior.answer_ms(output);
                track.on_answer(took.as_secs_f64() * 1000.0, expected, now);
            }
            Signal::Error | Signal::RateLimited(_) | Signal::CredentialRejected => track.on_failure(now),
            Signal::Neutral => track.on_neutral(),
        }
    }

    /// Tells a target's health how an attempt went.
    pub(super) fn signal(&self, candidate: usize, signal: Signal, now: Instant) {
        let target = self.target(candidate);
        let (known, beside, _) = self.plane.target(target);
        let breaker = &self.plane.snapshot.providers[known.provider].config.circuit_breaker;
        beside.live.health().on_outcome(signal, self.data.shared.clock.millis(now), breaker);
    }

    /// What is used where the provider does not say: the estimated input and so many output tokens.
    pub(super) fn counted(&self, output: u64) -> Settlement {
        Settlement::Counted(Usage { input: self.asked.input_tokens, output, ..Usage::default() })
    }

    /// The call is over. The first end stands.
    pub(super) fn end(&mut self, end: End, now: Instant) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = now - self.began;
        match end {
            End::Answered | End::Cut => self.count_answer(took),
            End::Failed(_) => {
                self.beside_policy().live.refused.fetch_add(1, Relaxed);
            }
            End::ClientGone => {}
        }
        correct(&self.beside_policy().live, &self.decision, self.charged.cost);
        self.record(end, took);
        self.data.shared.in_flight.fetch_sub(1, Relaxed);
    }

    fn count_answer(&self, took: Duration) {
        let Some(served) = self.tried.last().map(|tried| tried.candidate) else { return };
        let tally = self.tally(served);
        Tally::add(&tally.requests);
        tally.latency(took);
        if let Some((first, reason)) = self.decision.first() {
            if !matches!(reason, PickReason::Requested | PickReason::Default) {
                Tally::add(&tally.routed);
            }
            if first != served {
                Tally::add(&tally.fallbacks);
            }
            let model = |candidate| &self.plane.snapshot.targets[self.target(candidate)].key.model;
            if *reason == PickReason::Requested && model(first) == model(served) {
                Tally::add(&tally.named);
            }
        }
        if let Some(comparison) = self.compared(served) {
            tally.compare(&comparison);
        }
        let Usage { input, output, .. } = self.charged.usage;
        self.plane.targets[self.target(served)].live.metrics.answered(input, output, took);
    }

    /// The call beside what it would have been at the baseline.
    fn compared(&self, served: usize) -> Option<Comparison> {
        let answered = Answered {
            served,
            input: self.tried.last()?.charge.usage.input,
            answers: self.asked.choices,
            charged: &self.charged,
        };
        let expected = |target| self.plane.expected(target);
        let baseline = self.policy().baseline;
        savings::compare(&self.decision, &self.plane.snapshot, baseline, &answered, &expected)
    }

    fn record(&mut self, end: End, took: Duration) {
        tracing::debug!(request_id = %self.id, policy = %self.policy().name, ?end, cost_nano = self.charged.cost.0, "call ended");
        if self.policy().config.recording == Recording::None {
            return;
        }
        let record = Record {
            id: self.id,
            at: self.data.shared.clock.wall(),
            snapshot: self.plane.snapshot.clone(),
            policy: self.policy,
            asked: self.asked.model.clone(),
            stream: self.asked.stream,
            input_tokens: self.asked.input_tokens,
            decision: self.decision.clone(),
            scored: self.scored.take(),
            completion: self.completion.take(),
            feedback: None,
            tried: std::mem::take(&mut self.tried),
            charged: self.charged,
            end,
            took,
            overhead: took.saturating_sub(self.waited),
        };
        self.data.desk.file(&record);
        self.data.records.borrow_mut().push(record);
    }

    fn tally(&self, candidate: usize) -> &Tally {
        self.beside_candidate(candidate).counters.on(self.day)
    }
}

impl Drop for Call {
    /// The caller left before the commit point: upstream is cancelled with the future that held it.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let now = Instant::now();
        if let Some(flight) = &self.flight {
            let settlement = if flight.connected.get() { Settlement::Abandoned } else { Settlement::NotSent };
            self.land(settlement, TriedEnd::ClientGone, Signal::Neutral, now);
        }
        self.end(End::ClientGone, now);
    }
}
