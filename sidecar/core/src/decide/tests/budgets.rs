//! What budgets leave of a choice.

use pointsman_config::amount::Amount;
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, LimitConfig, OnExhausted, Rights};
use pointsman_config::window::Window;

use super::*;

fn budget(amount: &str, on_exhausted: OnExhausted) -> BudgetConfig {
    BudgetConfig {
        owner: None,
        selector: BudgetSelector::default(),
        limits: vec![LimitConfig {
            name: "day".to_owned(),
            amount: Amount::parse(amount).unwrap(),
            window: Window::Day,
            time_zone: "UTC".to_owned(),
        }],
        enforcement: Enforcement::Strict,
        on_exhausted,
        rights: Rights::Local,
    }
}

#[test]
fn budgets_degrade_reject_or_only_say_so() {
    let quality = || PolicyConfig { objective: Objective::Quality, ..policy() };
    // The worst case of a call: 400 + 500 tokens; 0.009, 0.0018, 0.00018 USD.
    for (on_exhausted, room, expected) in [
        (OnExhausted::Degrade, 9_000_000, "large > medium > small: picked"),
        (OnExhausted::Degrade, 8_999_999, "medium > small: budget"),
        (OnExhausted::Degrade, 200_000, "small: budget"),
        (OnExhausted::Degrade, 0, "Budget shop/b is used up."),
        (OnExhausted::Reject, 8_999_999, "Budget shop/b is used up."),
        (OnExhausted::Notify, 0, "large > medium > small: picked"),
    ] {
        let mut world = World::new(quality());
        world.put(Kind::Budget, "b", Compiled::Budget(budget("1 USD", on_exhausted)));
        let snapshot = world.snapshot();
        let call = Call { room: Some(room), ..Call::default() };
        assert_eq!(told(&snapshot, &run(&snapshot, &call)), expected, "{on_exhausted:?} {room}");
    }
}

#[test]
fn a_dear_candidate_leaves_room_for_the_cheapest_to_answer_the_calls_in_flight() {
    let quality = PolicyConfig { objective: Objective::Quality, ..policy() };
    let mut world = World::new(quality);
    world.put(Kind::Budget, "b", Compiled::Budget(budget("1 USD", OnExhausted::Degrade)));
    let snapshot = world.snapshot();
    // Ten calls of the small model may need 0.0018 USD, as much as one of the medium one.
    for (room, expected) in [
        (10_800_000, "large > medium > small: picked"),
        (10_799_999, "medium > small: budget"),
        (3_600_000, "medium > small: budget"),
        (3_599_999, "small: budget"),
        (180_000, "small: budget"),
        (179_999, "Budget shop/b is used up."),
    ] {
        let call = Call { room: Some(room), in_flight: 10, ..Call::default() };
        assert_eq!(told(&snapshot, &run(&snapshot, &call)), expected, "{room}");
    }
}

#[test]
fn only_a_candidate_that_the_bounds_allow_is_missed_for_want_of_money() {
    // The large model is too dear for the policy; the medium one has no room.
    let strategy = Strategy { max_cost_per_call: Nano::parse_usd("0.001").ok(), ..Strategy::default() };
    for (room, expected) in [(200_000, "small: budget"), (9_000_000, "medium > small: picked")] {
        let mut world = World::new(with_strategy(Objective::Quality, strategy.clone()));
        world.put(Kind::Budget, "b", Compiled::Budget(budget("1 USD", OnExhausted::Degrade)));
        let snapshot = world.snapshot();
        let call = Call { room: Some(room), ..Call::default() };
        assert_eq!(told(&snapshot, &run(&snapshot, &call)), expected);
    }
    // The small model has no room, and it would not have been picked.
    let strategy = Strategy { max_cost_per_call: Nano::parse_usd("0.001").ok(), ..Strategy::default() };
    let mut world = World::new(with_strategy(Objective::Quality, strategy));
    let only_small = BudgetSelector { models: vec!["small".to_owned()], ..BudgetSelector::default() };
    let full = BudgetConfig { selector: only_small, ..budget("1 USD", OnExhausted::Degrade) };
    world.put(Kind::Budget, "b", Compiled::Budget(full));
    let snapshot = world.snapshot();
    let d = run(&snapshot, &Call { room: Some(0), ..Call::default() });
    assert_eq!(told(&snapshot, &d), "medium: picked");
}

#[test]
fn a_model_without_a_price_never_answers_under_a_budget_in_money() {
    for on_exhausted in [OnExhausted::Degrade, OnExhausted::Reject, OnExhausted::Notify] {
        let mut unpriced = provider();
        unpriced.models[1].prices = None;
        let mut world = World::new(PolicyConfig { objective: Objective::Quality, ..policy() });
        world.put(Kind::Provider, "p", Compiled::Provider(unpriced));
        world.put(Kind::Budget, "b", Compiled::Budget(budget("1 USD", on_exhausted)));
        let snapshot = world.snapshot();
        let d = run(&snapshot, &Call { room: Some(u64::MAX), ..Call::default() });
        let expected = match on_exhausted {
            OnExhausted::Degrade | OnExhausted::Reject => "large > small: picked",
            OnExhausted::Notify => "large > medium > small: picked",
        };
        assert_eq!(told(&snapshot, &d), expected, "{on_exhausted:?}");
    }
}

#[test]
fn a_budget_that_only_counts_refuses_nothing() {
    let mut world = World::new(policy());
    let counting = BudgetConfig { rights: Rights::CountingOnly, ..budget("1 USD", OnExhausted::Reject) };
    world.put(Kind::Budget, "b", Compiled::Budget(counting));
    let snapshot = world.snapshot();
    let d = run(&snapshot, &Call { room: Some(0), ..Call::default() });
    assert!(d.picked().is_some());
}

#[test]
fn a_strict_budget_refuses_what_nobody_can_bound() {
    let refused = "No candidate of policy shop/default can take this request: large, medium, small: \
                   a strict budget counts it and nothing bounds what the request costs: it draws on files or \
                   searches, or asks for a dearer service tier, audio or a prediction.";
    for (enforcement, expected) in
        [(Enforcement::Strict, refused), (Enforcement::Hybrid, "small > medium > large: picked")]
    {
        let cost = PolicyConfig { objective: Objective::Cost, ..policy() };
        let mut world = World::new(cost);
        let limit = BudgetConfig { enforcement, ..budget("1 USD", OnExhausted::Degrade) };
        world.put(Kind::Budget, "b", Compiled::Budget(limit));
        let snapshot = world.snapshot();
        let call = Call { bounded: false, room: Some(u64::MAX), ..Call::default() };
        assert_eq!(told(&snapshot, &run(&snapshot, &call)), expected);
    }
}

#[test]
fn the_output_cap_is_written_where_something_must_hold() {
    let cap = |policy: PolicyConfig, with_budget: bool, max_output: Option<u64>| {
        let mut world = World::new(policy);
        if with_budget {
            world.put(Kind::Budget, "b", Compiled::Budget(budget("1 USD", OnExhausted::Degrade)));
        }
        let snapshot = world.snapshot();
        let room = Some(u64::MAX);
        let step = run(&snapshot, &Call { max_output, room, ..Call::default() }).picked().unwrap().step;
        (step.output_bound, step.write_cap)
    };
    let capped = || PolicyConfig {
        strategy: Strategy { max_output_tokens: Some(1_000), ..Strategy::default() },
        ..policy()
    };
    assert_eq!(cap(policy(), false, None), (4_000, None));
    assert_eq!(cap(policy(), true, None), (4_000, Some(4_000)));
    assert_eq!(cap(policy(), true, Some(500)), (500, None));
    assert_eq!(cap(policy(), false, Some(9_000)), (4_000, Some(4_000)));
    assert_eq!(cap(capped(), false, None), (1_000, Some(1_000)));
    assert_eq!(cap(capped(), false, Some(2_000)), (2_000, None));
}

#[test]
fn a_balanced_policy_chooses_by_price_where_there_is_money_to_pace() {
    let per_thousand = Strategy { spend_per_thousand_calls: Some(Nano(1)), ..Strategy::default() };
    let window = SpendPerWindow { amount: Nano(1), window: Window::Day };
    let per_window = Strategy { spend_per_window: Some(window), ..Strategy::default() };
    let named = Strategy { optimizer: Some(Optimizer::Cheapest), ..Strategy::default() };
    let degrade = || budget("1 USD", OnExhausted::Degrade);
    let some = BudgetConfig {
        selector: BudgetSelector { models: vec!["large".to_owned()], ..BudgetSelector::default() },
        ..degrade()
    };
    let none = Strategy::default;
    for (strategy, limit, expected, paced) in [
        (none(), None, Optimizer::MaxScore, 0),
        (none(), Some(degrade()), Optimizer::ShadowPrice, 1),
        (none(), Some(budget("1 USD", OnExhausted::Reject)), Optimizer::MaxScore, 0),
        (none(), Some(budget("9 Requests", OnExhausted::Degrade)), Optimizer::MaxScore, 0),
        (none(), Some(BudgetConfig { enforcement: Enforcement::Soft, ..degrade() }), Optimizer::MaxScore, 0),
        (none(), Some(some), Optimizer::MaxScore, 0),
        (named, Some(degrade()), Optimizer::Cheapest, 1),
        (per_thousand.clone(), None, Optimizer::ShadowPrice, 0),
        (per_window, None, Optimizer::ShadowPrice, 0),
    ] {
        let mut world = World::new(PolicyConfig { strategy, ..policy() });
        if let Some(limit) = limit {
            world.put(Kind::Budget, "b", Compiled::Budget(limit));
        }
        let snapshot = world.snapshot();
        let policy = &snapshot.policies[0];
        assert_eq!((policy.optimizer(), policy.paced_by.len()), (expected, paced));
    }
    // Money without an end gives way to a target that the policy names.
    let mut total = degrade();
    total.limits[0].window = Window::Total;
    let mut world = World::new(PolicyConfig { strategy: per_thousand, ..policy() });
    world.put(Kind::Budget, "b", Compiled::Budget(total));
    assert!(world.snapshot().policies[0].paced_by.is_empty());
}
