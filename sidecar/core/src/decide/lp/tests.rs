//! The closed form against a solver, and by hand.

use good_lp::{Expression, ProblemVariables, ResolutionError, Solution, SolverModel, microlp, variable};

use super::*;

const fn point(score: f64, cost: f64) -> Point {
    Point { score, cost }
}

/// The same program, written out and solved by the simplex method.
fn by_solver(points: &[Point]) -> Option<f64> {
    let mut variables = ProblemVariables::new();
    let p: Vec<_> = points.iter().map(|_| variables.add(variable().min(0.0).max(1.0))).collect();
    let total =
        |of: fn(&Point) -> f64| -> Expression { p.iter().zip(points).map(|(&p, point)| of(point) * p).sum() };
    let objective = total(|point| point.score);
    let solved = variables
        .maximise(objective.clone())
        .using(microlp)
        .with(total(|point| point.cost).leq(1.0))
        .with(total(|_| 1.0).eq(1.0))
        .solve();
    match solved {
        Ok(solution) => Some(solution.eval(objective)),
        Err(ResolutionError::Infeasible) => None,
        Err(other) => panic!("{other}: {points:?}"),
    }
}

fn value(points: &[Point], mix: Mix) -> f64 {
    points[mix.high].score * mix.share + points[mix.low].score * (1.0 - mix.share)
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }
}

/// 1 to 12 models; a fifth of the worlds have ties of score or cost, a seventh have the bound exactly at one model's cost.
fn instance(dice: &mut Dice) -> Vec<Point> {
    let count = 1 + dice.below(12) as usize;
    let ties = dice.below(5) == 0;
    let draw = |dice: &mut Dice| match ties {
        true => dice.below(4) as f64 / 4.0,
        false => dice.fraction(),
    };
    let mut points: Vec<Point> =
        (0..count).map(|_| point(draw(dice) * 3.0 - 1.0, draw(dice) + 0.001)).collect();
    let bound = match dice.below(7) {
        0 => points[dice.below(count as u64) as usize].cost,
        _ => dice.fraction() * 1.2,
    };
    points.iter_mut().for_each(|point| point.cost /= bound);
    points
}

#[test]
fn the_closed_form_is_the_solvers_optimum_on_100_000_random_worlds() {
    let mut dice = Dice(2026);
    let (mut infeasible, mut mixed, mut exact) = (0, 0, 0);
    for round in 0..100_000 {
        let points = instance(&mut dice);
        let (ours, solvers) = (solve(&points), by_solver(&points));
        let Some(mix) = ours else {
            // The solver lets a bound pass that is missed by less than its own tolerance.
            let cheapest = points.iter().map(|p| p.cost).fold(f64::INFINITY, f64::min);
            assert!(solvers.is_none() || cheapest < 1.0 + 1e-7, "round {round}: {points:?}");
            infeasible += 1;
            continue;
        };
        let (value, solvers) = (value(&points, mix), solvers.expect("what we solve can be solved"));
        assert!((value - solvers).abs() < 1e-6, "round {round}: {value} {solvers} {points:?}");
        let cost = points[mix.high].cost * mix.share + points[mix.low].cost * (1.0 - mix.share);
        assert!(cost <= 1.0 + 1e-12, "round {round}: {cost}");
        mixed += usize::from(mix.low != mix.high);
        exact += usize::from(points.iter().any(|p| p.cost == 1.0));
    }
    assert!(infeasible > 1_000 && mixed > 10_000 && exact > 5_000, "{infeasible} {mixed} {exact}");
}

#[test]
fn a_bound_between_two_models_mixes_them_and_one_at_a_models_cost_takes_it() {
    // Twice the bound and half of it: two thirds of the calls go to the cheap one.
    let points = [point(0.9, 2.0), point(0.6, 0.5)];
    let mix = solve(&points).expect("feasible");
    assert_eq!((mix.low, mix.high), (1, 0));
    assert!((mix.share - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(mix.draw(0.33), (0, mix.share));
    assert_eq!(mix.draw(0.34), (1, 1.0 - mix.share));
    assert_eq!(solve(&[point(0.9, 1.0), point(0.6, 0.5)]), Some(Mix::only(0)));
    assert_eq!(solve(&[point(0.9, 2.0), point(0.6, 1.0)]), Some(Mix::only(1)));
}

#[test]
fn a_better_and_cheaper_model_stands_alone_and_a_missed_bound_is_said() {
    assert_eq!(solve(&[point(0.9, 0.4), point(0.6, 0.5)]), Some(Mix::only(0)));
    // Negative scores are no sign of an impossible bound.
    assert_eq!(solve(&[point(-2.0, 0.4), point(-1.0, 0.5)]), Some(Mix::only(1)));
    assert_eq!(solve(&[point(0.9, 1.1), point(0.6, 1.01)]), None);
    assert_eq!(solve(&[]), None);
}

#[test]
fn shares_of_draws_are_the_shares_of_the_mix() {
    let mix = Mix { low: 0, high: 1, share: 0.25 };
    let mut dice = Dice(7);
    let high = (0..40_000).filter(|_| mix.draw(dice.fraction()).0 == 1).count();
    assert!((high as f64 / 40_000.0 - 0.25).abs() < 0.01, "{high}");
}
