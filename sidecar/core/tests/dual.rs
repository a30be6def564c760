//! Is the price of the bisection that of the linear program?

use good_lp::{Expression, ProblemVariables, Solution, SolverModel, constraint, default_solver, variable};
use pointsman_core::dual::{Offer, cheapest, solve};
use pointsman_core::shadow::LOWEST;
use proptest::prelude::*;

const CALLS: usize = 200;
const MODELS: usize = 20;

/// The largest mean quality within the budget, mixtures allowed.
fn program(calls: &[Vec<Offer>], per_call: f64) -> f64 {
    let mut variables = ProblemVariables::new();
    let shares: Vec<Vec<_>> =
        calls.iter().map(|call| call.iter().map(|_| variables.add(variable().min(0.0))).collect()).collect();
    let mut quality = Expression::default();
    let mut cost = Expression::default();
    for (call, shares) in calls.iter().zip(&shares) {
        for (offer, share) in call.iter().zip(shares) {
            quality += offer.quality * *share;
            cost += offer.cost * *share;
        }
    }
    let mut model = variables.maximise(quality.clone()).using(default_solver);
    model = model.with(constraint!(cost <= per_call * calls.len() as f64));
    for shares in &shares {
        let sum: Expression = shares.iter().sum();
        model = model.with(constraint!(sum == 1.0));
    }
    model.solve().expect("a budget above the cheapest is feasible").eval(quality) / calls.len() as f64
}

fn offers() -> impl Strategy<Value = Vec<Vec<Offer>>> {
    let offer = (0.0..1.0f64, 1u32..2_000)
        .prop_map(|(quality, cost)| Offer { quality, cost: f64::from(cost) * 1e-5 });
    prop::collection::vec(prop::collection::vec(offer, MODELS), CALLS)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn the_bound_of_the_price_is_the_optimum_of_the_program(calls in offers(), room in 0.02..0.9f64) {
        let least = cheapest(&calls).expect("calls");
        let dearest = calls.iter().flatten().map(|o| o.cost).fold(0.0, f64::max);
        let per_call = least + room * room * (dearest - least);
        let solved = solve(&calls, per_call).expect("a budget above the cheapest has a price");
        let optimum = program(&calls, per_call);
        // Where the budget is not reached the lowest price is charged for what is left of it.
        let near = 1e-9 + LOWEST * per_call;
        prop_assert!((solved.bound - optimum).abs() < near, "{solved:?}, the program says {optimum}");
    }
}
