//! An answer that streams: held back until it commits, then passed on as it comes, and settled however it ends.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use pointsman_config::money::{Nano, Prices};
use pointsman_config::usage::Usage;
use pointsman_core::account::Settlement;
use pointsman_core::failover::Failure;
use pointsman_core::health::Signal;
use pointsman_wire::openai::stream::{DONE, Ending, StreamWatch, Wanted, error_event, usage_chunk};

use super::attempt::{Answer, Limits, class};
use super::call::{Call, End, TriedEnd};
use super::head;
use crate::body::Outgoing;
use crate::deadline::Deadline;
use crate::pool::Lease;

/// Held before the commit point, and only where somebody stands by.
const HELD_AT_MOST: usize = 16 * 1024;
/// How long a provider that has said everything may take to say that this was all.
const GRACE: Duration = Duration::from_secs(2);

/// A stream that has committed, or has nobody to fall back to.
pub(super) struct Opening {
    candidate: usize,
    status: StatusCode,
    headers: HeaderMap,
    flow: Flow,
}

/// A stream and its watcher.
struct Flow {
    candidate: usize,
    body: Incoming,
    lease: Option<Lease>,
    watch: StreamWatch,
    pending: VecDeque<Bytes>,
    since: Instant,
    limits: Limits,
    /// What the answer costs by the provider's prices, where the caller wants to see it in the stream.
    prices: Option<Prices>,
    before: Nano,
    told_health: bool,
}

/// The body of a streamed answer.
pub(crate) struct ChatStream {
    call: Box<Call>,
    flow: Flow,
    deadline: Deadline,
    over: bool,
}

/// Why a stream broke off.
enum Cut {
    Ended,
    Silent,
}

/// Reads until the answer commits to this candidate. Without a fallback it is committed at once.
pub(super) async fn hold(call: &mut Call, answer: Answer, deadline: &Deadline) -> Result<Opening, Failure> {
    let Answer { candidate, status, headers, body, lease, since, arrived: _, limits } = answer;
    if !is_event_stream(&headers) || is_encoded(&headers) {
        return Err(Failure::BadAnswer);
    }
    let prices = call.plane.snapshot.targets[call.target(candidate)].model.prices;
    let wanted = Wanted { usage: call.asked.include_usage, choices: call.asked.choices };
    let mut flow = Flow {
        candidate,
        body,
        lease: Some(lease),
        watch: StreamWatch::new(wanted),
        pending: VecDeque::new(),
        since,
        limits,
        prices: prices.filter(|_| call.asked.annotate),
        before: call.charged.cost,
        told_health: false,
    };
    let started = Instant::now();
    let held = if has_fallback(call) { flow.until_commit(call, deadline).await } else { Ok(()) };
    call.waited += started.elapsed();
    held?;
    if flow.watch.seen().output {
        call.first_content(since.elapsed());
    }
    deadline.set(flow.deadline(Instant::now()));
    Ok(Opening { candidate, status, headers, flow })
}

/// The response whose body is the stream. From here on no other candidate answers.
pub(super) fn open(call: Box<Call>, opening: Opening, deadline: Deadline) -> Response<Outgoing> {
    let Opening { candidate, status, headers, flow } = opening;
    let estimate = head::Cost::Estimate(call.decision.considered[candidate].expected_cost);
    let mut headers = head::answer(&call, candidate, status.as_u16(), headers, estimate, Instant::now());
    headers.remove(CONTENT_LENGTH);
    let stream = ChatStream { call, flow, deadline, over: false };
    let mut response = Response::new(Outgoing::Stream(Box::new(stream)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether anybody could still answer instead.
fn has_fallback(call: &Call) -> bool {
    call.trail.0.len() + 1 < call.decision.attempts as usize && call.decision.has_fallback()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
}

/// We asked for no encoding; a stream that comes in one cannot be watched.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity")
}

impl Flow {
    async fn until_commit(&mut self, call: &mut Call, deadline: &Deadline) -> Result<(), Failure> {
        deadline.set(self.limits.first);
        let mut held = 0;
        while !self.watch.seen().output && held <= HELD_AT_MOST {
            let piece = match deadline.guard(self.body.frame()).await {
                Err(_) => return Err(Failure::Timeout),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(_))) => return Err(Failure::Reset),
                // The stream is whole without any content, or it broke off.
                Ok(None) if self.watch.seen().finished || self.watch.seen().done => return Ok(()),
                Ok(None) => return Err(Failure::Reset),
            };
            held += piece.len();
            self.feed(&piece);
            if let Some(error) = self.watch.seen().error.clone() {
                let failure =
                    Failure::Status { status: 502, class: class(error.class), retry_after_ms: None };
                call.last_error = Some(error);
                return Err(failure);
            }
            if self.watch.seen().too_long {
                return Err(Failure::BadAnswer);
            }
        }
        Ok(())
    }

    fn feed(&mut self, piece: &Bytes) {
        let (prices, before) = (self.prices, self.before);
        let price = |usage: &Usage| prices.map(|prices| prices.cost(usage).saturating_add(before));
        self.pending.extend(self.watch.feed(piece, price));
    }

    /// Until when the next piece is waited for.
    fn deadline(&self, now: Instant) -> Instant {
        let seen = self.watch.seen();
        if seen.finished || seen.done {
            return now + GRACE;
        }
        if seen.output { self.limits.next(now) } else { self.limits.first }
    }

    fn settlement(&self, call: &Call) -> Settlement {
        match self.watch.seen().usage.known() {
            Some(usage) => Settlement::Usage(usage),
            None => call.counted(self.watch.output_tokens_estimate()),
        }
    }
}

impl ChatStream {
    /// The next bytes for the caller; none at the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(piece) = self.flow.pending.pop_front() {
                return Poll::Ready(Some(piece));
            }
            if self.over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.flow.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.take(&frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(_))) => self.finish(Cut::Ended),
                Poll::Ready(None) => {
                    if let Some(lease) = self.flow.lease.take() {
                        lease.release(Instant::now());
                    }
                    self.finish(Cut::Ended);
                }
                Poll::Pending => {
                    if self.deadline.poll_elapsed(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.finish(Cut::Silent);
                }
            }
        }
    }

    fn take(&mut self, piece: &Bytes) {
        let had_output = self.flow.watch.seen().output;
        self.flow.feed(piece);
        let now = Instant::now();
        self.deadline.set(self.flow.deadline(now));
        let seen = self.flow.watch.seen();
        if seen.output && !self.flow.told_health {
            self.on_first_content(now, had_output);
        }
        let seen = self.flow.watch.seen();
        if seen.error.is_some() || seen.too_long {
            self.finish(Cut::Ended);
        }
    }

    fn on_first_content(&mut self, now: Instant, held: bool) {
        self.flow.told_health = true;
        self.call.signal(self.flow.candidate, Signal::Success, now);
        if !held {
            self.call.first_content(now - self.flow.since);
        }
    }

    /// Nothing more will come.
    fn finish(&mut self, cut: Cut) {
        let (prices, before) = (self.flow.prices, self.flow.before);
        let price = |usage: &Usage| prices.map(|prices| prices.cost(usage).saturating_add(before));
        let (last, ending) = self.flow.watch.finish(price);
        self.flow.pending.extend(last);
        match ending {
            Ending::Complete => self.complete(),
            Ending::Cut => self.cut(&cut),
        }
        self.over = true;
        self.flow.lease = None;
    }

    fn complete(&mut self) {
        let (settlement, now) = (self.flow.settlement(&self.call), Instant::now());
        self.call.land(settlement, TriedEnd::Answered(200), Signal::Success, now);
        let seen = self.flow.watch.seen();
        self.call.completion = seen.head.as_ref().map(|head| head.id.as_str().into());
        if !seen.done {
            if self.call.asked.include_usage && seen.usage.known().is_none() {
                let cost = self.flow.prices.map(|_| self.call.charged.cost);
                let head = seen.head.clone().unwrap_or_default();
                self.flow.pending.push_back(usage_chunk(&head, &self.call.charged.usage, cost));
            }
            self.flow.pending.push_back(DONE);
        }
        self.call.end(End::Answered, now);
    }

    fn cut(&mut self, cut: &Cut) {
        let (settlement, now) = (self.flow.settlement(&self.call), Instant::now());
        self.call.land(settlement, TriedEnd::Cut, Signal::Error, now);
        self.flow.pending.push_back(self.cut_event(cut));
        self.call.data.shared.telemetry.error("upstream_stream_cut");
        self.call.end(End::Cut, now);
    }

    fn cut_event(&self, cut: &Cut) -> Bytes {
        let provider = &self.call.plane.snapshot.targets[self.call.target(self.flow.candidate)].key.provider;
        let tokens = self.flow.watch.output_tokens_estimate();
        let how = match (&self.flow.watch.seen().error, cut) {
            (Some(error), _) if !error.message.is_empty() => {
                format!("ended the stream after {tokens} tokens with an error (\"{}\")", error.message)
            }
            (_, Cut::Silent) => format!("fell silent after {tokens} tokens"),
            (_, Cut::Ended) => format!("ended the stream after {tokens} tokens"),
        };
        let message =
            format!("Provider {provider} {how}. What arrived is incomplete. Request {}.", self.call.id);
        error_event(&message, "server_error", "upstream_stream_cut")
    }
}

impl Drop for ChatStream {
    /// The caller left. What the provider has said so far is charged; the connection closes with its lease.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (settlement, now) = (self.flow.settlement(&self.call), Instant::now());
        if self.flow.watch.is_whole() {
            self.call.land(settlement, TriedEnd::Answered(200), Signal::Success, now);
            return self.call.end(End::Answered, now);
        }
        self.call.land(settlement, TriedEnd::ClientGone, Signal::Neutral, now);
        self.call.end(End::ClientGone, now);
    }
}
