//! The headers of an answer.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use pointsman_config::money::Nano;
use pointsman_core::decide::{Outcome, PickReason};
use pointsman_core::explain::Explainer;
use smallvec::SmallVec;

use super::call::{Call, TriedEnd};
use super::exhausted::budget_state;
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
const X_BUDGET: HeaderName = HeaderName::from_static("x-pointsman-budget");
pub(super) const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-pointsman-attempts");

/// What the cost header can say.
pub(super) enum Cost {
    Exact(Nano),
    Estimate(Option<Nano>),
}

/// Turns the provider's headers into those of our answer: `candidate` has answered, with `status`.
pub(super) fn answer(
    call: &Call,
    candidate: usize,
    status: u16,
    provider: HeaderMap,
    cost: Cost,
) -> HeaderMap {
    let mut headers = provider;
    drop_hop(&mut headers);
    let target = &call.plane.targets[call.target(candidate)];
    headers.insert(X_REQUEST_ID, call.id.header());
    headers.insert(X_MODEL, target.model.clone());
    headers.insert(X_PROVIDER, target.provider.clone());
    headers.insert(X_POLICY, call.beside_policy().label.clone());
    headers.insert(X_REASON, reason(call, candidate));
    match cost {
        Cost::Exact(cost) => insert(&mut headers, X_COST, &cost.to_string()),
        Cost::Estimate(Some(cost)) => insert(&mut headers, X_COST_ESTIMATE, &cost.to_string()),
        Cost::Estimate(None) => {}
    }
    insert(&mut headers, X_OVERHEAD, &format!("{:.1}", call.overhead().as_secs_f64() * 1000.0));
    if let Some(budget) = budget_state(call, candidate) {
        insert(&mut headers, X_BUDGET, &budget);
    }
    if !call.trail.0.is_empty() {
        insert(&mut headers, X_ATTEMPTS, &attempts(call, Some((candidate, status))));
    }
    headers
}

/// `anthropic/claude-sonnet=429, openai/gpt-5-mini=200`.
pub(super) fn attempts(call: &Call, answered: Option<(usize, u16)>) -> String {
    let name = |candidate: usize| {
        let key = &call.plane.snapshot.targets[call.target(candidate)].key;
        format!("{}/{}", key.provider.name, key.model)
    };
    let mut parts: Vec<String> = Vec::new();
    for tried in &call.tried {
        if let TriedEnd::Failed(why) = tried.end {
            parts.push(format!("{}={}", name(tried.candidate), failure(&why)));
        }
    }
    if let Some((candidate, status)) = answered {
        parts.push(format!("{}={status}", name(candidate)));
    }
    parts.join(", ")
}

fn reason(call: &Call, candidate: usize) -> HeaderValue {
    let Outcome::Picked(picked, reason) = &call.decision.outcome else {
        return HeaderValue::from_static("default");
    };
    if *picked != candidate {
        return HeaderValue::from_static("fallback");
    }
    match reason {
        PickReason::Picked => HeaderValue::from_static("picked"),
        PickReason::Requested => HeaderValue::from_static("requested"),
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
    let named = if headers.contains_key(CONNECTION) { connection_names(headers) } else { SmallVec::new() };
    let dropped: SmallVec<[HeaderName; 8]> = headers
        .keys()
        .filter(|name| is_dropped(name) || named.iter().any(|other| other == name.as_str()))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn is_dropped(name: &HeaderName) -> bool {
    const DROPPED: [HeaderName; 8] =
        [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, SET_COOKIE, PROXY_AUTHENTICATE, TE, TRAILER, UPGRADE];
    if *name == CONTENT_TYPE {
        return false;
    }
    DROPPED.contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "set-cookie2" | "x-request-id" | "alt-svc"
        )
        || name.as_str().starts_with("x-pointsman-")
}

pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Names of objects are DNS labels; names of models may be any text.
    let printable = value.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' });
    if let Ok(value) = HeaderValue::try_from(printable.collect::<String>()) {
        headers.insert(name, value);
    }
}
