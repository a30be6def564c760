//! Conditions: verdicts with a generation and the time of their last change of status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use pointsman_crds::{ConditionType, Reason};

use crate::compile::Verdict;

/// Dates the verdicts. The time of a condition moves only when its status does.
pub(super) fn dated(
    verdicts: Vec<Verdict>,
    previous: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let date = |verdict: Verdict| {
        let status = if verdict.status { "True" } else { "False" };
        let before = previous.iter().find(|condition| condition.type_ == verdict.type_.as_str());
        let unchanged = before.filter(|condition| condition.status == status);
        Condition {
            last_transition_time: unchanged
                .map_or(Time(whole_seconds(now)), |condition| condition.last_transition_time.clone()),
            message: verdict.message,
            observed_generation: Some(generation),
            reason: verdict.reason.as_str().to_owned(),
            status: status.to_owned(),
            type_: verdict.type_.as_str().to_owned(),
        }
    };
    verdicts.into_iter().map(date).collect()
}

/// Times are stored in whole seconds; a finer one would never equal what is read back.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Ready: the first of the three that does not hold, or that everything is as it should be.
pub(super) fn ready(three: [&Verdict; 3], fine: impl Into<String>) -> Verdict {
    match three.into_iter().find(|verdict| !verdict.status) {
        Some(missing) => Verdict::new(ConditionType::Ready, false, missing.reason, missing.message.clone()),
        None => Verdict::new(ConditionType::Ready, true, Reason::Ready, fine),
    }
}

/// A condition of this type that held for this generation.
pub(super) fn held(previous: &[Condition], type_: ConditionType, generation: i64) -> bool {
    previous.iter().any(|condition| {
        condition.type_ == type_.as_str()
            && condition.status == "True"
            && condition.observed_generation == Some(generation)
    })
}

/// Nacked: what sidecars refused.
pub(super) fn nacked(refusals: &[String]) -> Verdict {
    const SHOWN: usize = 3;
    if refusals.is_empty() {
        return Verdict::new(ConditionType::Nacked, false, Reason::NoneRefused, "No sidecar refused.");
    }
    let more = match refusals.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = refusals[..refusals.len().min(SHOWN)].join("; ");
    Verdict::new(ConditionType::Nacked, true, Reason::Refused, format!("{shown}{more}"))
}
