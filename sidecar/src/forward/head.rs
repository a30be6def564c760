//! The headers of an answer.

use std::time::Instant;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};
use pointsman_config::money::Nano;
use pointsman_core::decide::PickReason;
use pointsman_core::explain::Explainer;
use smallvec::SmallVec;

use super::call::{Call, TriedEnd};
use super::exhausted::budget_state;
use super::line::Line;
use super::request::connection_names;
use crate::listen::render::X_REQUEST_ID;
use crate::telemetry::names::failure;

const X_MODEL: HeaderName = HeaderName::from_static("x-pointsman-model");
const X_PROVIDER: HeaderName = HeaderName::from_static("x-pointsman-provider");
const X_POLICY: HeaderName = HeaderName::from_static("x-pointsman-policy");
const X_REASON: HeaderName = HeaderName::from_static("x-pointsman-reason");
const X_COST: HeaderName = HeaderName::from_static("x-pointsman-cost");
const X_COST_ESTIMATE: HeaderName = HeaderName::from_static("x-pointsman-cost-estimate");
const X_OVERHEAD: HeaderName = HeaderName::from_static("x-pointsman-overhead-ms");
pub(super) const X_BUDGET: HeaderName = HeaderName::from_static("x-pointsman-budget");
pub(super) const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-pointsman-attempts");

/// How many headers [`answer`] adds.
const OURS_AT_MOST: usize = 8;

/// What the cost header can say.
pub(super) enum Cost {
    Exact(Nano),
    Estimate(Option<Nano>),
}

/// Turns the provider's headers into those of our answer: `candidate` has answered, with `status`. Its length is still
/// that of its own body.
pub(super) fn answer(
    call: &Call,
    candidate: usize,
    status: u16,
    provider: HeaderMap,
    cost: Cost,
    now: Instant,
) -> HeaderMap {
    let mut headers = provider;
    drop_hop(&mut headers);
    headers.reserve(OURS_AT_MOST);
    let target = &call.plane.targets[call.target(candidate)];
    headers.insert(X_REQUEST_ID, call.id.header());
    headers.insert(X_MODEL, target.model.clone());
    headers.insert(X_PROVIDER, target.provider.clone());
    headers.insert(X_POLICY, call.beside_policy().label.clone());
    headers.insert(X_REASON, reason(call, candidate));
    match cost {
        Cost::Exact(cost) => drop(headers.insert(X_COST, Line::default().usd(cost).header())),
        Cost::Estimate(Some(cost)) => {
            headers.insert(X_COST_ESTIMATE, Line::default().usd(cost).header());
        }
        Cost::Estimate(None) => {}
    }
    headers.insert(X_OVERHEAD, Line::default().millis(call.overhead(now)).header());
    if let Some(budget) = budget_state(call, candidate) {
        headers.insert(X_BUDGET, budget);
    }
    if !call.trail.0.is_empty() {
        headers.insert(X_ATTEMPTS, attempts(call, Some((candidate, status))));
    }
    headers
}

/// `anthropic/claude-sonnet=429, openai/gpt-5-mini=200`.
pub(super) fn attempts(call: &Call, answered: Option<(usize, u16)>) -> HeaderValue {
    let name = |line: &mut Line, candidate: usize| {
        let key = &call.plane.snapshot.targets[call.target(candidate)].key;
        line.text(&key.provider.name).text("/").text(&key.model).text("=");
    };
    let mut line = Line::default();
    let mut comma = "";
    for tried in &call.tried {
        if let TriedEnd::Failed(why) = tried.end {
            name(line.text(comma), tried.candidate);
            line.text(&failure(&why));
            comma = ", ";
        }
    }
    if let Some((candidate, status)) = answered {
        name(line.text(comma), candidate);
        line.number(status.into());
    }
    line.header()
}

fn reason(call: &Call, candidate: usize) -> HeaderValue {
    let Some((first, reason)) = call.decision.first() else {
        return HeaderValue::from_static("default");
    };
    if first != candidate {
        return HeaderValue::from_static("fallback");
    }
    match reason {
        PickReason::Picked => HeaderValue::from_static("picked"),
        PickReason::Requested => HeaderValue::from_static("requested"),
        PickReason::Session => HeaderValue::from_static("session"),
        PickReason::Budget => HeaderValue::from_static("budget"),
        PickReason::Default => HeaderValue::from_static("default"),
        PickReason::Rule(_) => {
            let explainer = Explainer { snapshot: &call.plane.snapshot, policy: call.policy() };
            HeaderValue::from_str(&explainer.pick_reason(reason)).unwrap_or(HeaderValue::from_static("rule"))
        }
    }
}

/// Removes what belongs to the provider's connection, its cookies, and what only we may say.
fn drop_hop(headers: &mut HeaderMap) {
    let mut dropped: SmallVec<[HeaderName; 4]> = SmallVec::new();
    for name in headers.keys().filter(|name| is_dropped(name)) {
        dropped.push(name.clone());
    }
    if dropped.contains(&CONNECTION) {
        let named = connection_names(headers);
        named.iter().for_each(|name| drop(headers.remove(name.as_str())));
    }
    for name in dropped {
        headers.remove(name);
    }
}

/// By the first letter, because every header of every answer is asked.
fn is_dropped(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes()[0] {
        b'a' => name == "alt-svc",
        b'c' => name == "connection",
        b'k' => name == "keep-alive",
        b'p' => matches!(name, "proxy-authenticate" | "proxy-connection"),
        b's' => matches!(name, "set-cookie" | "set-cookie2"),
        b't' => matches!(name, "transfer-encoding" | "te" | "trailer"),
        b'u' => name == "upgrade",
        b'x' => name.starts_with("x-pointsman-"),
        _ => false,
    }
}
