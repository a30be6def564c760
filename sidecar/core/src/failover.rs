//! What to do after an attempt failed: the same target again, the next candidate, or stop. On virtual time.
//!
//! | failure | same target again | next candidate |
//! | --- | --- | --- |
//! | not sent | at once, not counted | |
//! | connect failed | never | at once, at another provider |
//! | timed out, an answer that cannot be understood | never | at once |
//! | connection reset, 500, 502 | once, after a back-off | then |
//! | 503, 529, 504, 408 | only where none is left, after a back-off | at once |
//! | 429 | only where none is left, after what it asked for, at most ten seconds | at once |
//! | 401, 402, 403 | never | at once |
//! | context too long | never | only a larger window |
//! | the caller's mistake, content refused | never | never |
//!
//! Back-off doubles from 100 ms with jitter of a half. After the commit point nothing of this applies.

use std::time::Duration;

use serde::Serialize;
use smallvec::SmallVec;

use crate::decide::Decision;
use crate::health::{HealthRow, Signal};
use crate::snapshot::Snapshot;
use crate::time::Millis;

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How an attempt failed before the commit point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// Nothing was sent: the pooled connection had closed.
    NotSent,
    /// No connection.
    Connect,
    /// The connection broke before the commit point.
    Reset,
    /// No first content, or no further byte, in time.
    Timeout,
    /// The answer could not be understood.
    BadAnswer,
    /// The provider answered with an error status.
    Status {
        /// The status.
        status: u16,
        /// What it means.
        class: StatusClass,
        /// How long it asked us to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// What an error status means for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusClass {
    /// The request does not fit the model's window.
    ContextLength,
    /// The provider refuses this content.
    ContentPolicy,
    /// Another mistake of the caller.
    InvalidRequest,
    /// Our key, our account.
    Credential,
    /// Too many requests.
    RateLimited,
    /// Overloaded, or down for a while.
    Overloaded,
    /// It failed.
    Server,
}

impl Failure {
    /// What the attempt says about its target's health.
    pub fn signal(&self) -> Signal {
        match *self {
            Self::NotSent => Signal::Neutral,
            Self::Connect | Self::Reset | Self::Timeout | Self::BadAnswer => Signal::Error,
            Self::Status { class, retry_after_ms, .. } => match class {
                StatusClass::ContextLength | StatusClass::ContentPolicy | StatusClass::InvalidRequest => {
                    Signal::Neutral
                }
                StatusClass::Credential => Signal::CredentialRejected,
                StatusClass::RateLimited => Signal::RateLimited(retry_after_ms.map(Duration::from_millis)),
                StatusClass::Overloaded | StatusClass::Server => Signal::Error,
            },
        }
    }
}

/// One failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Position in the decision's `considered`.
    pub candidate: usize,
    /// How it failed.
    pub failure: Failure,
}

/// The failed attempts of a call so far, first to last. Unsent ones are not in it.
#[derive(Clone, Debug, Default)]
pub struct Trail(pub SmallVec<[Attempt; 4]>);

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send to this candidate, not before this moment.
    Send {
        /// Position in the decision's `considered`.
        candidate: usize,
        /// The earliest moment.
        not_before: Millis,
    },
    /// Stop: the last failure is the answer; none when nothing was tried.
    Stop,
}

/// Decides the next attempt of a call.
///
/// `health` tells how targets stand now, by index in the snapshot; `jitter` is a draw from 0..1.
pub fn next(
    d: &Decision,
    trail: &Trail,
    snapshot: &Snapshot,
    health: &dyn Fn(usize) -> HealthRow,
    now: Millis,
    jitter: f64,
) -> Next {
    let Some(last) = trail.0.last() else {
        return d.plan.first().map_or(Next::Stop, |&candidate| Next::Send { candidate, not_before: now });
    };
    if trail.0.len() >= d.attempts as usize {
        return Next::Stop;
    }
    let provider = |i: usize| snapshot.targets[d.considered[i].target].provider;
    // Whoever could not be connected to is away with all its models.
    let is_away = |i: usize| {
        trail.0.iter().any(|a| a.failure == Failure::Connect && provider(a.candidate) == provider(i))
    };
    let usable = |i: &usize| {
        trail.0.iter().all(|a| a.candidate != *i)
            && !is_away(*i)
            && health(d.considered[*i].target) == HealthRow::Healthy
    };
    let fallback = || d.plan.iter().copied().find(usable);
    let again =
        || Next::Send { candidate: last.candidate, not_before: now.after(back_off(trail, last, jitter)) };
    let send = |candidate| Next::Send { candidate, not_before: now };
    let tries = trail.0.iter().filter(|a| a.candidate == last.candidate).count();
    match last.failure {
        Failure::NotSent => send(last.candidate),
        Failure::Connect | Failure::Timeout | Failure::BadAnswer => fallback().map_or(Next::Stop, send),
        Failure::Reset if tries == 1 => again(),
        Failure::Reset => fallback().map_or(Next::Stop, send),
        Failure::Status { class, retry_after_ms, .. } => match class {
            StatusClass::InvalidRequest | StatusClass::ContentPolicy => Next::Stop,
            StatusClass::ContextLength => {
                larger(d, snapshot, last.candidate, &usable).map_or(Next::Stop, send)
            }
            StatusClass::Credential => fallback().map_or(Next::Stop, send),
            StatusClass::Server if tries == 1 => again(),
            StatusClass::Server => fallback().map_or(Next::Stop, send),
            StatusClass::Overloaded => fallback().map_or_else(again, send),
            StatusClass::RateLimited => match fallback() {
                Some(candidate) => send(candidate),
                None if retry_after_ms.unwrap_or(0) > LONGEST_WAIT.as_millis() as u64 => Next::Stop,
                None => again(),
            },
        },
    }
}

/// A fallback whose window is larger than that of the candidate that refused.
fn larger(d: &Decision, snapshot: &Snapshot, than: usize, usable: &dyn Fn(&usize) -> bool) -> Option<usize> {
    let window = |i: usize| snapshot.targets[d.considered[i].target].model.context_window;
    let small = window(than)?;
    d.plan.iter().copied().filter(usable).find(|i| window(*i).is_some_and(|w| w > small))
}

/// Doubles from 100 ms with the number of tries, jittered by up to a half, never less than what was asked for.
fn back_off(trail: &Trail, last: &Attempt, jitter: f64) -> Duration {
    let tries = trail.0.iter().filter(|a| a.candidate == last.candidate).count() as u32;
    let base = FIRST_BACK_OFF * 2u32.saturating_pow(tries - 1);
    let jittered = base.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 2.0);
    let asked = match last.failure {
        Failure::Status { retry_after_ms: Some(ms), .. } => Duration::from_millis(ms),
        _ => Duration::ZERO,
    };
    jittered.max(asked).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests;
