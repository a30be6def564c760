//! The twelve pairs of mode and optimizer of the prompt-to-leaderboard backend, each with numbers worked out by hand.
//!
//! Three models, 100 tokens in and 300 out: qualities .80, .72, .60; costs 0.004, 0.0008, 0.00008 USD; times 3.9, 3.5,
//! 3.2 s. Saved cost: 0, .8, .98; saved time: 0, .1025641, .1794872 of the most. Win rates against each other, equally
//! often met: .6119895, .5076278, .3803828. The bound of the linear programs is 0.0016 USD, twice what `medium` costs:
//! between `medium` and `large`, a quarter of the way.

use super::*;

const BOUND: &str = "0.0016";

/// What came out: who was picked, with which probability, and the scores of large, medium and small.
fn choose(
    objective: Objective,
    optimizer: Optimizer,
    bound: Option<&str>,
    draw: f64,
) -> (String, f64, [f64; 3]) {
    let strategy = Strategy {
        optimizer: Some(optimizer),
        max_cost_per_call: bound.map(|bound| Nano::parse_usd(bound).unwrap()),
        ..Strategy::default()
    };
    let snapshot = World::new(with_strategy(objective, strategy)).snapshot();
    let d = run(&snapshot, &Call { draws: [draw, 0.5], ..Call::default() });
    let name = snapshot.targets[d.picked().expect("a pick").target].key.model.clone();
    (name, d.propensity, [0, 1, 2].map(|i| d.considered[i].score))
}

#[track_caller]
fn check(found: (String, f64, [f64; 3]), (name, propensity, scores): (&str, f64, [f64; 3])) {
    assert_eq!(found.0, name);
    assert!((found.1 - propensity).abs() < 1e-9, "drawn with {}", found.1);
    for (found, expected) in found.2.iter().zip(scores) {
        // Candidates that are too dear are not scored.
        let same = found == &expected || (found - expected).abs() < 1e-6;
        assert!(same, "{found} instead of {expected}");
    }
}

const UNSCORED: f64 = f64::NEG_INFINITY;

#[test]
fn performance_with_max_score_takes_the_highest_weighted_score() {
    let found = choose(Objective::Quality, Optimizer::MaxScore, None, 0.0);
    check(found, ("large", 1.0, [0.76, 0.706564, 0.598987]));
}

#[test]
fn performance_with_simple_lp_mixes_by_quality_within_the_bound() {
    let scores = [0.80, 0.72, 0.60];
    check(choose(Objective::Quality, Optimizer::SimpleLp, Some(BOUND), 0.2499), ("large", 0.25, scores));
    check(choose(Objective::Quality, Optimizer::SimpleLp, Some(BOUND), 0.2501), ("medium", 0.75, scores));
}

#[test]
fn performance_with_optimal_lp_mixes_by_win_rate_within_the_bound() {
    let rates = [0.6119895, 0.5076278, 0.3803828];
    check(choose(Objective::Quality, Optimizer::OptimalLp, Some(BOUND), 0.2499), ("large", 0.25, rates));
    check(choose(Objective::Quality, Optimizer::OptimalLp, Some(BOUND), 0.2501), ("medium", 0.75, rates));
}

#[test]
fn cost_with_strict_takes_the_best_quality_within_the_bound_and_the_cheapest_where_none_is() {
    let found = choose(Objective::Cost, Optimizer::Strict, Some(BOUND), 0.0);
    check(found, ("medium", 1.0, [UNSCORED, 0.72, 0.60]));
    let found = choose(Objective::Cost, Optimizer::Strict, Some("0.00007"), 0.0);
    check(found, ("small", 1.0, [-0.004, -0.0008, -0.00008]));
}

#[test]
fn cost_with_simple_lp_has_the_cost_in_the_objective() {
    let found = choose(Objective::Cost, Optimizer::SimpleLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.08, 0.757128, 0.901974]));
}

#[test]
fn cost_with_optimal_lp_has_the_cost_beside_the_win_rate() {
    let found = choose(Objective::Cost, Optimizer::OptimalLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.061199, 0.735891, 0.880012]));
}

#[test]
fn speed_with_speed_weighted_adds_the_score_between_worst_and_best_and_the_speed() {
    let found = choose(Objective::Speed, Optimizer::SpeedWeighted, None, 0.5);
    check(found, ("small", 1.0, [0.0, 0.434868, 0.671795]));
}

#[test]
fn speed_with_simple_lp_has_the_speed_in_the_objective() {
    let found = choose(Objective::Speed, Optimizer::SimpleLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.08, 0.199179, 0.261564]));
}

#[test]
fn speed_with_optimal_lp_weighs_the_win_rate_against_the_time() {
    let found = choose(Objective::Speed, Optimizer::OptimalLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.061199, 0.177942, 0.239603]));
}

#[test]
fn balanced_with_simple_lp_has_all_three_weights_in_the_objective() {
    let found = choose(Objective::Balanced, Optimizer::SimpleLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.4, 0.585641, 0.589872]));
}

#[test]
fn balanced_with_optimal_lp_weighs_the_win_rate_against_cost_and_time() {
    let found = choose(Objective::Balanced, Optimizer::OptimalLp, Some(BOUND), 0.5);
    check(found, ("small", 1.0, [0.305995, 0.479455, 0.480063]));
}

#[test]
fn fallback_with_max_score_goes_by_the_priors_when_nothing_scored_the_text() {
    let strategy = Strategy { optimizer: Some(Optimizer::MaxScore), ..Strategy::default() };
    let snapshot = World::new(with_strategy(Objective::Quality, strategy)).snapshot();
    let d = run(&snapshot, &Call::default());
    assert_eq!(d.method, Method::Scored(Optimizer::MaxScore, ScoreMethod::Prior));
    assert!(d.considered.iter().all(|row| row.source == ScoreSource::Prior));
    assert_eq!(told(&snapshot, &d), "large > medium > small: picked");
}

#[test]
fn one_of_n_takes_what_strict_takes_and_draws_nothing() {
    for optimizer in [Optimizer::SimpleLp, Optimizer::OptimalLp] {
        let strategy = Strategy {
            optimizer: Some(optimizer),
            max_cost_per_call: Nano::parse_usd(BOUND).ok(),
            sampling: Sampling::Disabled,
            ..Strategy::default()
        };
        let snapshot = World::new(with_strategy(Objective::Quality, strategy)).snapshot();
        for draw in [0.0, 0.999] {
            let d = run(&snapshot, &Call { draws: [draw, 0.5], ..Call::default() });
            assert_eq!((told(&snapshot, &d).as_str(), d.propensity), ("medium > small: picked", 1.0));
        }
    }
}

#[test]
fn without_a_bound_the_programs_and_strict_are_the_argmax_of_the_weighted_score() {
    for objective in [Objective::Quality, Objective::Cost, Objective::Speed, Objective::Balanced] {
        let best = choose(objective, Optimizer::MaxScore, None, 0.5);
        for optimizer in [Optimizer::SimpleLp, Optimizer::OptimalLp, Optimizer::Strict] {
            check(choose(objective, optimizer, None, 0.5), (&best.0, 1.0, best.2));
        }
    }
}

#[test]
fn a_bound_that_nobody_meets_is_said_or_answered_by_the_cheapest() {
    for optimizer in [Optimizer::SimpleLp, Optimizer::OptimalLp, Optimizer::Strict, Optimizer::MaxScore] {
        for (on_infeasible, expected) in [
            (OnInfeasible::Cheapest, "small > medium > large: picked"),
            (
                OnInfeasible::Error,
                "No candidate of policy shop/default can take this request: \
                 large, medium, small: costs more than the policy allows a call.",
            ),
        ] {
            let strategy = Strategy {
                optimizer: Some(optimizer),
                max_cost_per_call: Some(Nano(1)),
                on_infeasible,
                ..Strategy::default()
            };
            check_told(with_strategy(Objective::Quality, strategy), &Call::default(), expected);
        }
    }
}

#[test]
fn a_price_ceiling_mixes_by_price_and_both_bounds_hold_at_once() {
    let choose = |max_price: &str, max_cost: Option<&str>| {
        let strategy = Strategy {
            optimizer: Some(Optimizer::SimpleLp),
            max_price: PricePerMillion::parse_usd(max_price).ok(),
            max_cost_per_call: max_cost.map(|cost| Nano::parse_usd(cost).unwrap()),
            ..Strategy::default()
        };
        let snapshot = World::new(with_strategy(Objective::Quality, strategy)).snapshot();
        run(&snapshot, &Call { draws: [0.0, 0.5], ..Call::default() }).propensity
    };
    // Prices 10 and 2: a ceiling of 6 lies half-way; the cost bound, a quarter of the way, is the tighter one.
    assert!((choose("6", None) - 0.5).abs() < 1e-9);
    assert!((choose("6", Some(BOUND)) - 0.25).abs() < 1e-9);
}

#[test]
fn coefficients_meet_opponents_by_their_sampling_weights() {
    // theta 1.7, 1.4, 1.0 met 6 : 5 : 4 times: .4 x .5 + .3333 x sigmoid(.3) + .2667 x sigmoid(.7), and so on.
    let strategy = Strategy {
        optimizer: Some(Optimizer::OptimalLp),
        max_cost_per_call: Nano::parse_usd("1").ok(),
        ..Strategy::default()
    };
    let mut policy = with_strategy(Objective::Quality, strategy);
    for (candidate, weight) in policy.candidates.iter_mut().zip([6, 5, 4]) {
        candidate.weight = Some(weight);
    }
    let snapshot = World::new(policy).snapshot();
    let thetas =
        [1.7, 1.4, 1.0].map(|value| CandidateScore { value, source: ScoreSource::Scorer, length: 1.0 });
    let scale = Scale::BradleyTerry { offset: -1.0, slope: 2.0 };
    let scores = Scores { candidates: &thetas, scale, method: ScoreMethod::P2l, ..Scores::NONE };
    let d = run(&snapshot, &Call { scores, ..Call::default() });
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let rate = |own: f64| {
        [(1.7, 6.0), (1.4, 5.0), (1.0, 4.0)].iter().map(|(t, w)| w / 15.0 * sigmoid(own - t)).sum::<f64>()
    };
    assert!((rate(1.7) - 0.569664).abs() < 1e-6);
    for (row, theta) in d.considered.iter().zip([1.7, 1.4, 1.0]) {
        assert!((row.score - rate(theta)).abs() < 1e-12, "{} {}", row.score, rate(theta));
        assert!((row.quality - sigmoid(2.0 * theta - 1.0)).abs() < 1e-12);
    }
    // A grounded probability meets opponents by its odds: the same strengths, the same rates.
    let grounded = [1.7, 1.4, 1.0].map(|t| CandidateScore {
        value: sigmoid(t),
        source: ScoreSource::Scorer,
        length: 1.0,
    });
    let scores = Scores { candidates: &grounded, method: ScoreMethod::Embedding, ..Scores::NONE };
    let d = run(&snapshot, &Call { scores, ..Call::default() });
    for (row, theta) in d.considered.iter().zip([1.7, 1.4, 1.0]) {
        assert!((row.score - rate(theta)).abs() < 1e-9, "{} {}", row.score, rate(theta));
    }
}
