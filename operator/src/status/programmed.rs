//! Programmed: whether those who need an object have it.
//!
//! Once it holds for a generation it keeps holding: a sidecar that joins later, or an operator that has just started and
//! does not know its sidecars yet, must not turn a healthy object red.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_config::entry::{Entry, State};
use pointsman_crds::{ConditionType, Reason};

use super::conditions::held;
use super::coverage::Holders;
use crate::compile::Verdict;

/// Judges one object. `idle` is what is said while no sidecar wants it.
pub(super) fn programmed(
    entry: &Entry,
    holders: Option<&Holders>,
    idle: (Reason, &str),
    previous: &[Condition],
) -> Verdict {
    if let State::Invalid { message } = &entry.state {
        let message = format!("Not handed out; sidecars keep their last good version. {message}");
        return verdict(false, Reason::NotProgrammed, message);
    }
    let generation = entry.generation;
    let (synced, wanted) = holders.map_or((0, 0), |holders| (holders.synced, holders.wanted));
    let message = format!("{synced} of {wanted} sidecars run generation {generation}.");
    match (synced, wanted) {
        (_, 0) => verdict(true, idle.0, idle.1.to_owned()),
        (synced, wanted) if synced >= wanted => verdict(true, Reason::Programmed, message),
        _ if held(previous, ConditionType::Programmed, generation) => {
            verdict(true, Reason::Programmed, message)
        }
        _ => verdict(false, Reason::SidecarsBehind, message),
    }
}

fn verdict(status: bool, reason: Reason, message: String) -> Verdict {
    Verdict::new(ConditionType::Programmed, status, reason, message)
}
