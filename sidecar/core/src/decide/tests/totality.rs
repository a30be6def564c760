//! Whatever comes in, what comes out is a live candidate or a refusal, with a reason for everybody else.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Wish;

use super::*;

const OBJECTIVES: [Objective; 4] =
    [Objective::Balanced, Objective::Quality, Objective::Cost, Objective::Speed];
const OPTIMIZERS: [Optimizer; 10] = [
    Optimizer::MaxScore,
    Optimizer::Strict,
    Optimizer::SimpleLp,
    Optimizer::OptimalLp,
    Optimizer::SpeedWeighted,
    Optimizer::Pareto,
    Optimizer::MostAvailable,
    Optimizer::Cheapest,
    Optimizer::Fastest,
    Optimizer::ShadowPrice,
];

fn number() -> impl Wish<Value = f64> {
    prop_oneof![
        4 => 0.0..1.0f64,
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 2.0, 1e300]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_numbers_give_a_finite_choice_that_repeats(
        values in prop::array::uniform3(number()),
        (objective, optimizer) in (0..4usize, 0..10usize),
        bound in prop::option::of(1u64..6_000_000),
        on_infeasible in prop::sample::select(vec![OnInfeasible::Cheapest, OnInfeasible::Error]),
        draws in prop::array::uniform2(0.0..1.0f64),
        lambda in number(),
        bradley_terry in any::<bool>(),
        unpriced in any::<bool>(),
    ) {
        let strategy = Strategy {
            optimizer: Some(OPTIMIZERS[optimizer]),
            max_cost_per_call: bound.map(Nano),
            on_infeasible,
            ..Strategy::default()
        };
        let mut world = World::new(with_strategy(OBJECTIVES[objective], strategy));
        if unpriced {
            let mut provider = provider();
            provider.models[1].prices = None;
            world.put(Kind::Provider, "p", Compiled::Provider(provider));
        }
        let snapshot = world.snapshot();
        let scored = values.map(|value| CandidateScore { value, source: ScoreSource::Scorer, length: 1.0 });
        let scale = match bradley_terry {
            true => Scale::BradleyTerry { offset: values[0], slope: values[1] },
            false => Scale::Probability,
        };
        let scores = || Scores { candidates: &scored, scale, complexity: Some(values[2]), ..Scores::NONE };
        let call = || Call { scores: scores(), draws, lambda, ..Call::default() };
        let d = run(&snapshot, &call());
        prop_assert_eq!(format!("{d:?}"), format!("{:?}", run(&snapshot, &call())));
        prop_assert!(d.considered.iter().all(|row| (0.0..=1.0).contains(&row.quality)));
        prop_assert!(d.propensity > 0.0 && d.propensity <= 1.0, "{}", d.propensity);
        match &d.outcome {
            Outcome::Picked(pick, _) => {
                prop_assert_eq!(d.plan.first(), Some(pick));
                prop_assert!(d.considered[*pick].score.is_finite());
                for (i, row) in d.considered.iter().enumerate() {
                    let planned = d.plan.contains(&i);
                    prop_assert_eq!(planned, !matches!(row.verdict, Verdict::LeftOut(_)));
                    prop_assert!(row.verdict != Verdict::Undecided);
                }
            }
            Outcome::Refused(refusal) => {
                // Nobody meets the bound, or the price of quality is no number.
                prop_assert_eq!(refusal, &Refusal::NoCandidate);
                prop_assert!(d.considered.iter().all(|row| matches!(row.verdict, Verdict::LeftOut(_))));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// A model that another beats on this very call, in quality and cost and time, is never picked: not under any weights, at
    /// no price of quality, and by no program. Only MostAvailable looks at something else.
    #[test]
    fn nobody_picks_a_model_that_another_beats_in_everything(
        rows in prop::array::uniform3((1u32..2000, 0.05..0.95f64, 50.0..2000.0f64)),
        (objective, optimizer) in (0..4usize, 0..10usize),
        bound in prop::option::of(1u64..6_000_000),
        draws in prop::array::uniform2(0.0..1.0f64),
        lambda in 0.0..2000.0f64,
    ) {
        let optimizer = OPTIMIZERS[optimizer];
        if optimizer == Optimizer::MostAvailable {
            return Ok(());
        }
        let mut several = provider();
        for (at, (cents, quality, time)) in rows.into_iter().enumerate() {
            several.models[at] = model(MODELS[at].0, &format!("{:.2}", f64::from(cents) / 100.0), quality, time);
        }
        let strategy = Strategy {
            optimizer: Some(optimizer),
            max_cost_per_call: bound.map(Nano),
            on_infeasible: OnInfeasible::Cheapest,
            ..Strategy::default()
        };
        let mut world = World::new(with_strategy(OBJECTIVES[objective], strategy));
        world.put(Kind::Provider, "p", Compiled::Provider(several));
        let snapshot = world.snapshot();
        let d = run(&snapshot, &Call { draws, lambda, ..Call::default() });
        let picked = d.picked().expect("somebody can answer");
        let beats = |other: &Considered| {
            other.quality > picked.quality
                && other.expected_cost < picked.expected_cost
                && other.expected_ms < picked.expected_ms
        };
        prop_assert!(!d.considered.iter().any(beats), "{:?} {optimizer:?}: {:?}", OBJECTIVES[objective], d.considered);
    }
}

#[test]
fn every_objective_works_with_every_optimizer_bounded_or_not() {
    for objective in OBJECTIVES {
        for optimizer in OPTIMIZERS {
            for bound in [None, Some(Nano(1_600_000))] {
                let strategy =
                    Strategy { optimizer: Some(optimizer), max_cost_per_call: bound, ..Strategy::default() };
                let snapshot = World::new(with_strategy(objective, strategy)).snapshot();
                let d = run(&snapshot, &Call { lambda: 50.0, ..Call::default() });
                let picked = d.picked().expect("somebody can answer");
                assert_eq!(d.method, Method::Scored(optimizer, ScoreMethod::Prior));
                let mixes = matches!(optimizer, Optimizer::SimpleLp | Optimizer::OptimalLp);
                let within = bound.is_none_or(|bound| picked.expected_cost.is_some_and(|cost| cost <= bound));
                assert!(mixes || within, "{objective:?} {optimizer:?}");
            }
        }
    }
}

#[test]
fn pareto_leaves_the_choice_to_those_that_nobody_beats_and_says_who_is_beaten() {
    // `medium` becomes dearer, slower and worse than `large`.
    let mut worse = provider();
    worse.models[1] = model("medium", "11", 0.5, 950.0);
    let strategy = Strategy { optimizer: Some(Optimizer::Pareto), ..Strategy::default() };
    let mut world = World::new(with_strategy(Objective::Quality, strategy));
    world.put(Kind::Provider, "p", Compiled::Provider(worse));
    let snapshot = world.snapshot();
    let d = run(&snapshot, &Call::default());
    assert_eq!(told(&snapshot, &d), "large > small > medium: picked");
    assert_eq!(d.considered.iter().map(|row| row.dominated).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn most_available_takes_what_has_answered_and_gives_the_unseen_a_chance() {
    let seen = |success: f64| Measured { outcomes: 9.0, success, ..Measured::default() };
    let none = Measured::default();
    let strategy = || Strategy { optimizer: Some(Optimizer::MostAvailable), ..Strategy::default() };
    for (measured, expected) in [
        ([seen(0.5), seen(1.0), seen(0.9), none], "medium > small > large: picked"),
        ([seen(1.0), seen(0.9), none, none], "small > large > medium: picked"),
        ([Measured::default(); 4], "small > medium > large: picked"),
    ] {
        check_told(
            with_strategy(Objective::Quality, strategy()),
            &Call { measured, ..Call::default() },
            expected,
        );
    }
}
