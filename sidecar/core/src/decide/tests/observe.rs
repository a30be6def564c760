//! A policy that observes: what is picked and what is served stand apart.

use super::*;
use crate::account::Charge;
use crate::savings::{Answered, compare};

fn observing() -> PolicyConfig {
    PolicyConfig { mode: Mode::Observe, objective: Objective::Cost, ..policy() }
}

/// `picked; served first (reason)`.
fn apart(snapshot: &Snapshot, d: &Decision) -> String {
    let explainer = Explainer { snapshot, policy: &snapshot.policies[0] };
    let name = |i: usize| explainer.name(d.considered[i].target).to_owned();
    let pick = d.picked_at().map_or("nothing".to_owned(), name);
    match d.first() {
        Some((first, reason)) => {
            assert_eq!(d.plan.first(), Some(&first));
            format!("{pick}; {} ({})", name(first), explainer.pick_reason(reason))
        }
        None => format!("{pick}; refused"),
    }
}

#[test]
fn the_applications_own_choice_is_served_and_the_pick_is_kept_beside_it() {
    let with = |default: Option<&str>, baseline: Option<&str>| PolicyConfig {
        default_model: default.map(str::to_owned),
        baseline: baseline.map(str::to_owned),
        ..observing()
    };
    for (policy, asked, expected) in [
        (with(None, None), "auto", "small; large (default)"),
        (with(None, Some("medium")), "auto", "small; medium (default)"),
        (with(Some("small"), Some("medium")), "auto", "small; small (default)"),
        (with(None, None), "medium", "small; medium (requested)"),
        (with(None, None), "gpt", "small; medium (requested)"),
    ] {
        let snapshot = World::new(policy).snapshot();
        let d = run(&snapshot, &Call { model: asked, ..Call::default() });
        assert_eq!(apart(&snapshot, &d), expected, "{asked}");
    }
}

#[test]
fn a_model_that_is_no_candidate_is_served_and_never_picked() {
    let candidates = policy().candidates.into_iter().filter(|c| c.model != "large").collect();
    let snapshot = World::new(PolicyConfig { candidates, ..observing() }).snapshot();
    let d = run(&snapshot, &Call { model: "large", ..Call::default() });
    assert_eq!(apart(&snapshot, &d), "small; large (requested)");
}

#[test]
fn rules_steer_the_pick_and_not_what_is_served() {
    let rule = |action| vec![Rule { name: "r".to_owned(), matches: Vec::new(), action }];
    let used = rule(Action::UseModel { model: "medium".to_owned() });
    let snapshot = World::new(PolicyConfig { rules: used, ..observing() }).snapshot();
    let d = run(&snapshot, &Call::default());
    assert_eq!(apart(&snapshot, &d), "medium; large (default)");
    let rejected = rule(Action::Reject { message: "no".to_owned() });
    let snapshot = World::new(PolicyConfig { rules: rejected, ..observing() }).snapshot();
    assert_eq!(apart(&snapshot, &run(&snapshot, &Call::default())), "nothing; refused");
}

#[test]
fn what_cannot_be_chosen_for_is_served_all_the_same() {
    let none =
        Call { caller: Overrides { max_cost: Some(Nano(1)), ..Overrides::default() }, ..Call::default() };
    let strategy = Strategy { on_infeasible: OnInfeasible::Error, ..Strategy::default() };
    let snapshot = World::new(PolicyConfig { strategy, ..observing() }).snapshot();
    assert_eq!(apart(&snapshot, &run(&snapshot, &none)), "nothing; large (default)");
}

#[test]
fn savings_are_what_was_charged_against_the_same_call_at_the_baseline() {
    let usd = |text: &str| Nano::parse_usd(text).unwrap();
    let charged = |cost: &str| Charge { cost: usd(cost), ..Charge::default() };
    let named = |mode, baseline: Option<&str>| PolicyConfig {
        mode,
        objective: Objective::Cost,
        baseline: baseline.map(str::to_owned),
        ..policy()
    };
    // 300 output tokens are expected of each; the call used 200 of input: at 10, 2 and 0.2 USD per million.
    for (policy, served, cost, expected) in [
        (named(Mode::Route, Some("large")), 2, "0.0002", Some(("0.0002", "0.005", 0.60, 0.80))),
        (named(Mode::Route, Some("small")), 2, "0.0002", Some(("0.0002", "0.0002", 0.60, 0.60))),
        // Standing in for the pick, the dear one was served: dearer than the baseline.
        (named(Mode::Route, Some("medium")), 0, "0.004", Some(("0.004", "0.001", 0.80, 0.72))),
        (named(Mode::Route, None), 2, "0.0002", None),
        (named(Mode::Observe, None), 0, "0.006", Some(("0.0001", "0.006", 0.60, 0.80))),
        (named(Mode::Observe, Some("medium")), 1, "0.002", Some(("0.0001", "0.002", 0.60, 0.72))),
    ] {
        let snapshot = World::new(policy).snapshot();
        let d = run(&snapshot, &Call::default());
        let answered = Answered { served, input: 200, answers: 1, charged: &charged(cost) };
        let prior = |target: usize| Expected::from(&snapshot.targets[target].model.prior);
        let found = compare(&d, &snapshot, snapshot.policies[0].baseline, &answered, &prior);
        let found = found.map(|c| (c.chosen, c.baseline, c.chosen_quality, c.baseline_quality));
        let expected = expected.map(|(chosen, baseline, cq, bq)| (usd(chosen), usd(baseline), cq, bq));
        assert_eq!(found, expected);
    }
}

#[test]
fn a_call_that_names_its_model_is_compared_only_where_a_choice_was_observed() {
    let charged = Charge::default();
    let prior = |snapshot: &Snapshot, target: usize| Expected::from(&snapshot.targets[target].model.prior);
    for (mode, compared) in [(Mode::Route, false), (Mode::Observe, true), (Mode::Disabled, false)] {
        let config = PolicyConfig { mode, baseline: Some("medium".to_owned()), ..policy() };
        let snapshot = World::new(config).snapshot();
        let d = run(&snapshot, &Call { model: "large", ..Call::default() });
        let answered = Answered { served: 0, input: 1, answers: 1, charged: &charged };
        let expected = |target: usize| prior(&snapshot, target);
        let found = compare(&d, &snapshot, snapshot.policies[0].baseline, &answered, &expected);
        assert_eq!(found.is_some(), compared, "{mode:?}");
    }
}
