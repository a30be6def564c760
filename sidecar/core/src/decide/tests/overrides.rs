//! What callers decide for one call.

use super::*;

fn check(policy: PolicyConfig, caller: Overrides, expected: &str) {
    check_told(policy, &Call { caller, ..Call::default() }, expected);
}

#[test]
fn the_objective_of_the_caller_brings_its_own_optimizer_and_weights() {
    let quality = Overrides { objective: Some(Objective::Quality), ..Overrides::default() };
    let cost = Overrides { objective: Some(Objective::Cost), ..Overrides::default() };
    check(policy(), quality, "large > medium > small: picked");
    check(policy(), cost, "small > medium > large: picked");
    // A rule of the platform stands above it.
    let rule = Rule {
        name: "r".to_owned(),
        matches: Vec::new(),
        action: Action::OverrideStrategy { objective: Some(Objective::Quality), optimizer: None },
    };
    check(PolicyConfig { rules: vec![rule], ..policy() }, cost, "large > medium > small: picked");
}

#[test]
fn the_bound_of_the_caller_only_lowers_the_policys() {
    let most = |usd: &str| Overrides { max_cost: Nano::parse_usd(usd).ok(), ..Overrides::default() };
    let quality = || with_strategy(Objective::Quality, Strategy::default());
    // 100 tokens in and 300 out: 0.004, 0.0008 and 0.00008 USD.
    check(quality(), most("0.001"), "medium > small: picked");
    check(quality(), most("1"), "large > medium > small: picked");
    let bounded = Strategy { max_cost_per_call: Nano::parse_usd("0.0001").ok(), ..Strategy::default() };
    check(with_strategy(Objective::Quality, bounded), most("0.001"), "small: picked");
}

#[test]
fn the_candidates_of_the_caller_are_all_that_is_left() {
    let two = Overrides { candidates: Some(CandMask(0b110)), ..Overrides::default() };
    check(with_strategy(Objective::Quality, Strategy::default()), two, "medium > small: picked");
}

#[test]
fn a_suffix_is_a_name_only_where_callers_may_set_the_objective() {
    let closed = World::new(policy()).snapshot();
    assert_eq!(closed.route("auto:cheap"), None);
    let config = PolicyConfig { caller_overrides: vec![CallerOverride::Objective], ..policy() };
    let open = World::new(config).snapshot();
    let objective = |model: &str| open.route(model).map(|route| (route.asked, route.objective));
    assert_eq!(objective("auto:cheap"), Some((Asked::Virtual, Some(Objective::Cost))));
    assert_eq!(objective("auto:fast"), Some((Asked::Virtual, Some(Objective::Speed))));
    assert_eq!(objective("auto:best"), Some((Asked::Virtual, Some(Objective::Quality))));
    assert_eq!(objective("auto"), Some((Asked::Virtual, None)));
    assert_eq!(objective("large:cheap"), None);
}
