//! Does spending meet its target on real outcomes, wherever the price starts and however many calls are in flight?
//!
//! Every call here is a recorded one: its input, and for each model whether its answer was right and how long it was.
//! What the chooser knows is what a sidecar knows: the kind of prompt, prices, and answer lengths as it learns them.

mod replay;

use replay::{Outcomes, Run};

/// Shares of what always using the dearest model would cost.
const SHARES: [f64; 4] = [0.1, 0.2, 0.3, 0.5];

#[track_caller]
fn check(outcomes: &Outcomes, run: &Run, most: f64) {
    let mut checked = 0;
    for share in SHARES {
        let target = outcomes.share_of_dearest(share);
        if target < outcomes.cheapest_possible() * 1.2 {
            continue;
        }
        let played = run.play(outcomes, target);
        let ratio = played.spent / (target * played.calls as f64);
        assert!(
            (ratio - 1.0).abs() <= most,
            "{}: {share} of the dearest, {run:?}: {ratio:.3} of the target",
            outcomes.name
        );
        checked += 1;
    }
    assert!(checked >= 2, "{}: {checked} of the targets can be met by any choice", outcomes.name);
}

#[test]
fn after_800_calls_spending_is_within_5_percent_of_its_target() {
    for outcomes in Outcomes::committed() {
        check(&outcomes, &Run::default(), 0.05);
        check(&outcomes, &Run { knows_the_task: false, ..Run::default() }, 0.05);
    }
}

#[test]
fn a_start_that_is_50_times_wrong_is_made_good_within_800_calls() {
    for outcomes in Outcomes::committed() {
        for wrong in [50.0, 0.02] {
            check(&outcomes, &Run { wrong_by: wrong, ..Run::default() }, 0.10);
            check(&outcomes, &Run { wrong_by: wrong, knows_the_task: false, ..Run::default() }, 0.10);
        }
    }
}

#[test]
fn with_500_calls_in_flight_at_once_spending_still_meets_its_target() {
    for outcomes in Outcomes::committed() {
        for wrong in [1.0, 50.0, 0.02] {
            let run = Run { wrong_by: wrong, in_flight: 500, passes: 4, ..Run::default() };
            check(&outcomes, &run, 0.10);
        }
    }
}

#[test]
fn priors_that_are_three_times_wrong_are_unlearned() {
    for outcomes in Outcomes::committed() {
        for wrong in [3.0, 1.0 / 3.0] {
            check(&outcomes, &Run { priors_wrong_by: wrong, ..Run::default() }, 0.10);
        }
    }
}

#[test]
fn steering_costs_next_to_no_quality() {
    for outcomes in Outcomes::committed() {
        for share in SHARES {
            let target = outcomes.share_of_dearest(share);
            if target < outcomes.cheapest_possible() * 1.2 {
                continue;
            }
            let steered = Run::default().play(&outcomes, target);
            // The best single price for just what was spent, found with all outcomes in hand.
            let spent = steered.spent / steered.calls as f64;
            let best =
                Run { fixed: Some(outcomes.best_price(spent)), ..Run::default() }.play(&outcomes, spent);
            let lost = (best.right - steered.right) / steered.calls as f64;
            assert!(lost < 0.02, "{} at {share}: {lost:.4} of quality lost", outcomes.name);
        }
    }
}

/// Outcomes that may not be shipped are replayed where somebody has them: `draw.py` makes the file.
#[test]
fn outcomes_from_elsewhere_meet_their_targets_too() {
    let Some(path) = std::env::var_os("POINTSMAN_OUTCOMES") else {
        return replay::skip(
            "POINTSMAN_OUTCOMES names no file of outcomes made by sidecar/core/tests/outcomes/draw.py",
        );
    };
    let text = std::fs::read_to_string(&path).expect("POINTSMAN_OUTCOMES names a file that can be read");
    let outcomes = Outcomes::parse("elsewhere", &text);
    check(&outcomes, &Run::default(), 0.05);
    for wrong_by in [50.0, 0.02] {
        check(&outcomes, &Run { wrong_by, ..Run::default() }, 0.10);
    }
}
