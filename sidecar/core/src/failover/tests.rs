#![allow(clippy::unwrap_used)]
use pointsman_config::policy::{Objective, PolicyConfig};

use super::*;
use crate::decide::tests_support::{decision, world};

const LARGE: usize = 0;
const MEDIUM: usize = 1;

fn status(status: u16, class: StatusClass, retry_after_ms: Option<u64>) -> Failure {
    Failure::Status { status, class, retry_after_ms }
}

/// Plays failures of whatever is tried next and returns what was tried, with the waits.
fn play(failures: &[Failure], only_one: bool) -> Vec<(usize, u64)> {
    let policy = PolicyConfig { objective: Objective::Quality, ..crate::decide::tests_support::policy() };
    let snapshot = world(policy);
    let mut d = decision(&snapshot);
    if only_one {
        d.plan.truncate(1);
    }
    d.attempts = 5;
    let mut trail = Trail::default();
    let mut now = Millis(0);
    let mut tried = Vec::new();
    for failure in failures {
        match next(&d, &trail, &snapshot, &|_| HealthRow::Healthy, now, 0.0) {
            Next::Send { candidate, not_before } => {
                tried.push((candidate, not_before.until(now).as_millis() as u64));
                now = not_before;
                trail.0.push(Attempt { candidate, failure: *failure });
            }
            Next::Stop => return tried,
        }
    }
    if let Next::Send { candidate, not_before } =
        next(&d, &trail, &snapshot, &|_| HealthRow::Healthy, now, 0.0)
    {
        tried.push((candidate, not_before.until(now).as_millis() as u64));
    }
    tried
}

#[test]
fn each_failure_leads_where_the_table_says() {
    use StatusClass::*;
    for (failure, with_fallback, alone) in [
        // All three are models of one provider.
        (Failure::Connect, vec![(LARGE, 0)], vec![(LARGE, 0)]),
        (Failure::Timeout, vec![(LARGE, 0), (MEDIUM, 0)], vec![(LARGE, 0)]),
        (Failure::BadAnswer, vec![(LARGE, 0), (MEDIUM, 0)], vec![(LARGE, 0)]),
        (Failure::NotSent, vec![(LARGE, 0), (LARGE, 0)], vec![(LARGE, 0), (LARGE, 0)]),
        (Failure::Reset, vec![(LARGE, 0), (LARGE, 100)], vec![(LARGE, 0), (LARGE, 100)]),
        (status(500, Server, None), vec![(LARGE, 0), (LARGE, 100)], vec![(LARGE, 0), (LARGE, 100)]),
        (status(503, Overloaded, None), vec![(LARGE, 0), (MEDIUM, 0)], vec![(LARGE, 0), (LARGE, 100)]),
        (
            status(429, RateLimited, Some(2000)),
            vec![(LARGE, 0), (MEDIUM, 0)],
            vec![(LARGE, 0), (LARGE, 2000)],
        ),
        (status(429, RateLimited, Some(20_000)), vec![(LARGE, 0), (MEDIUM, 0)], vec![(LARGE, 0)]),
        (status(401, Credential, None), vec![(LARGE, 0), (MEDIUM, 0)], vec![(LARGE, 0)]),
        (status(400, InvalidRequest, None), vec![(LARGE, 0)], vec![(LARGE, 0)]),
        (status(400, ContentPolicy, None), vec![(LARGE, 0)], vec![(LARGE, 0)]),
        // The large model has the largest window already.
        (status(400, ContextLength, None), vec![(LARGE, 0)], vec![(LARGE, 0)]),
    ] {
        assert_eq!(play(&[failure], false), with_fallback, "{failure:?}");
        assert_eq!(play(&[failure], true), alone, "{failure:?} alone");
    }
}

#[test]
fn five_hundreds_are_retried_once_and_then_routed_around() {
    let failure = status(500, StatusClass::Server, None);
    assert_eq!(play(&[failure; 4], false), [(0, 0), (0, 100), (1, 0), (1, 100), (2, 0)]);
}

#[test]
fn with_nowhere_to_go_the_back_off_doubles() {
    let failure = status(503, StatusClass::Overloaded, None);
    assert_eq!(play(&[failure; 5], true), [(0, 0), (0, 100), (0, 200), (0, 400), (0, 800)]);
}

#[test]
fn a_context_that_is_too_long_goes_to_a_larger_window_only() {
    let snapshot = world(crate::decide::tests_support::policy());
    let mut d = decision(&snapshot);
    d.plan = smallvec::smallvec![2, 1, 0];
    let failure = status(400, StatusClass::ContextLength, None);
    let trail = Trail(smallvec::smallvec![Attempt { candidate: 2, failure }]);
    let step = next(&d, &trail, &snapshot, &|_| HealthRow::Healthy, Millis(0), 0.0);
    assert_eq!(step, Next::Send { candidate: LARGE, not_before: Millis(0) });
}

#[test]
fn a_fallback_that_has_become_unhealthy_is_skipped() {
    let snapshot =
        world(PolicyConfig { objective: Objective::Quality, ..crate::decide::tests_support::policy() });
    let d = decision(&snapshot);
    let trail = Trail(smallvec::smallvec![Attempt { candidate: 0, failure: Failure::Timeout }]);
    let open = HealthRow::CircuitOpen { errors: 5, until: Millis(10) };
    let health = |target: usize| if target == 1 { open } else { HealthRow::Healthy };
    assert_eq!(
        next(&d, &trail, &snapshot, &health, Millis(0), 0.0),
        Next::Send { candidate: 2, not_before: Millis(0) }
    );
    assert_eq!(next(&d, &trail, &snapshot, &|_| open, Millis(0), 0.0), Next::Stop);
}

#[test]
fn who_could_not_be_connected_to_is_skipped_with_all_its_models() {
    let mut snapshot =
        world(PolicyConfig { objective: Objective::Quality, ..crate::decide::tests_support::policy() });
    let d = decision(&snapshot);
    // The large and the medium model are at one provider, the small one is elsewhere.
    snapshot.targets[2].provider = 1;
    let mut trail = Trail(smallvec::smallvec![Attempt { candidate: LARGE, failure: Failure::Connect }]);
    let step = |trail: &Trail| next(&d, trail, &snapshot, &|_| HealthRow::Healthy, Millis(0), 0.0);
    assert_eq!(step(&trail), Next::Send { candidate: 2, not_before: Millis(0) });
    trail.0.push(Attempt { candidate: 2, failure: Failure::Connect });
    assert_eq!(step(&trail), Next::Stop);
}
