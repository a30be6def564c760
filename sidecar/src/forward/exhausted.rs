//! Refusals of policies and budgets, and what a caller is told of a budget.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use pointsman_config::amount::Unit;
use pointsman_config::budget::OnExhausted;
use pointsman_core::decide::{Reason, Refusal, Verdict};
use pointsman_core::explain::Explainer;

use super::call::Call;
use super::head::X_BUDGET;
use super::line::Line;
use crate::listen::error::{CallError, Fault};
use crate::listen::render::whole_seconds;
use crate::plane::LimitPart;

/// A window that ends so soon is worth waiting for.
const SHORT: Duration = Duration::from_secs(60);

/// A call that was refused before anything was tried.
pub(super) fn refused(call: &Call, refusal: &Refusal) -> CallError {
    let explainer = Explainer { snapshot: &call.plane.snapshot, policy: call.policy() };
    let text = || explainer.refusal(&call.decision, refusal);
    match refusal {
        Refusal::Rule { .. } => {
            CallError::new(Fault::Policy, StatusCode::FORBIDDEN, "permission_error", "rejected_by_policy")
                .saying(text())
                .about("messages")
        }
        Refusal::NoCandidate => {
            CallError::new(Fault::Client, StatusCode::BAD_REQUEST, "invalid_request_error", "no_candidate")
                .saying(text())
                .about("messages")
        }
        Refusal::NotAvailable { retry_at } => {
            let wait = retry_at.map(|at| at.until(call.data.shared.clock.now()));
            let code = "no_candidate_available";
            CallError::new(Fault::Upstream, StatusCode::SERVICE_UNAVAILABLE, "server_error", code)
                .saying(text())
                .after(wait)
                .no_retry()
        }
        Refusal::Budget { limit } => of(call, *limit),
    }
}

/// A limit has no room for the call.
pub(super) fn of(call: &Call, limit: usize) -> CallError {
    let now = call.data.shared.clock.wall();
    let part = &call.plane.limits[limit];
    let wait = part.ends.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
    let unit = call.plane.snapshot.limits[limit].config.amount.unit;
    match (unit, wait.filter(|wait| *wait <= SHORT)) {
        (Unit::Requests, Some(wait)) => short(call, limit, wait, "requests"),
        (Unit::Tokens, Some(wait)) => short(call, limit, wait, "tokens"),
        (Unit::Usd, Some(_)) | (_, None) => used_up(call, limit, wait),
    }
}

/// A window of a minute: the SDKs wait by themselves.
fn short(call: &Call, limit: usize, wait: Duration, what: &'static str) -> CallError {
    let known = &call.plane.snapshot.limits[limit];
    let (amount, seconds) = (known.config.amount.value, whole_seconds(wait));
    let window = known.config.window.to_string().to_lowercase();
    let budget = &known.key.budget;
    let mut error = CallError::new(
        Fault::Policy,
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    .saying(format!("Budget {budget} allows {amount} {what} per {window}. Again in {seconds} s."))
    .after(Some(wait));
    let left = call.plane.limits[limit].live.room().unwrap_or_default();
    let rows: [(&str, String); 3] =
        [("limit", amount.to_string()), ("remaining", left.to_string()), ("reset", format!("{seconds}s"))];
    for (name, value) in rows {
        let name = HeaderName::try_from(format!("x-ratelimit-{name}-{what}")).expect("lower-case letters");
        error.headers.push((name, HeaderValue::try_from(value).expect("digits")));
    }
    error
}

/// Without a wait that is worth telling, the SDKs must not try again by themselves.
fn used_up(call: &Call, limit: usize, wait: Option<Duration>) -> CallError {
    let known = &call.plane.snapshot.limits[limit];
    let part = &call.plane.limits[limit];
    let budget = &call.plane.snapshot.budgets[known.budget].config;
    let until =
        part.resets.as_deref().map(|resets| format!(" until {}", minutes(resets))).unwrap_or_default();
    let tail = match budget.on_exhausted {
        OnExhausted::Degrade => " and no free candidate is left",
        OnExhausted::Reject | OnExhausted::Notify => "",
    };
    let owner = budget.owner.as_deref().map(|owner| format!(" Owner: {owner}.")).unwrap_or_default();
    let mut error = CallError::new(
        Fault::Policy,
        StatusCode::TOO_MANY_REQUESTS,
        "insufficient_quota",
        "budget_exhausted",
    )
    .saying(format!("Budget {} is used up{until}{tail}.{owner}", known.key.budget));
    error.headers.push((X_BUDGET, state("exhausted", 100, part)));
    match wait.filter(|wait| *wait <= SHORT) {
        Some(wait) => error.after(Some(wait)),
        None => error.no_retry(),
    }
}

/// `shop/search; state=degrading; used=97; resets=…` of the tightest budget that counts the candidate.
pub(super) fn budget_state(call: &Call, candidate: usize) -> Option<HeaderValue> {
    let part = call.limits(candidate).max_by_key(|part| used(part))?;
    let kept_out = |verdict: &Verdict| matches!(verdict, Verdict::LeftOut(Reason::NoRoom(_)));
    let degrading = call.decision.considered.iter().any(|row| kept_out(&row.verdict));
    let state_name = match () {
        () if !part.live.terms.binding => "counting",
        () if degrading => "degrading",
        () => "ok",
    };
    Some(part.told.once(state_name, used(part), || state(state_name, used(part), part)))
}

fn state(state: &str, used: u64, part: &LimitPart) -> HeaderValue {
    let mut line = Line::default();
    line.text(&part.budget).text("; state=").text(state).text("; used=").number(used);
    match &part.resets {
        Some(at) => line.text("; resets=").text(at).header(),
        None => line.header(),
    }
}

/// In whole percent of the limit, spent and reserved together.
fn used(part: &LimitPart) -> u64 {
    let used = part.live.spent().saturating_add(part.live.reserved());
    let amount = part.live.amount().max(1);
    // Above 184 million USD the percents of the percents do not matter.
    used.checked_mul(100).map_or_else(|| used / (amount / 100).max(1), |hundredfold| hundredfold / amount)
}

/// `2026-11-22T00:00:00+01:00` to the minute.
fn minutes(at: &str) -> String {
    match (at.get(..16), at.get(19..)) {
        (Some(start), Some(zone)) => format!("{start}{zone}"),
        _ => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_tell_the_reset_to_the_minute() {
        assert_eq!(minutes("2026-11-22T00:00:00+01:00"), "2026-11-22T00:00+01:00");
    }
}
