//! One model at four providers: whom each way of balancing takes, by hand, and which shares come out.

use super::*;

/// What differs between the providers a, b, c and d of the one model.
#[derive(Clone, Copy)]
struct Place {
    price: &'static str,
    weight: u32,
    preferred: bool,
    measured: Measured,
}

const PLAIN: Place = Place {
    price: "2",
    weight: 1,
    preferred: false,
    measured: Measured { outcomes: 0.0, success: 0.0, answers: 0.0, slowness: 0.0, peak: 0.0, in_flight: 0 },
};

fn seen(success: f64, slowness: f64) -> Measured {
    Measured { outcomes: 99.0, success, answers: 99.0, slowness, peak: slowness, in_flight: 0 }
}

struct Calls {
    snapshot: Snapshot,
    measured: Vec<Measured>,
}

impl Calls {
    fn over(way: Balancing, places: &[Place]) -> Self {
        let names = ["a", "b", "c", "d"];
        let providers: Vec<_> = names[..places.len()].iter().map(|name| Name::new("shop", *name)).collect();
        let candidate = CandidateConfig { model: "medium".to_owned(), providers, tier: None, weight: None };
        let mut world = World { objects: Objects::default() };
        for (name, place) in names.iter().zip(places) {
            let mut at = provider();
            let mut served = model("medium", place.price, 0.72, 500.0);
            (served.weight, served.preferred) = (place.weight, place.preferred);
            at.models = vec![served];
            world.put(Kind::Provider, name, Compiled::Provider(at));
        }
        let policy = PolicyConfig {
            balancing: way,
            candidates: vec![candidate],
            model_aliases: Vec::new(),
            ..policy()
        };
        world.put(Kind::Policy, "default", Compiled::Policy(policy));
        Self { snapshot: world.snapshot(), measured: places.iter().map(|place| place.measured).collect() }
    }

    fn decide(&self, draw: f64, turn: u64) -> Decision {
        let mut measured = [Measured::default(); 4];
        measured[..self.measured.len()].copy_from_slice(&self.measured);
        let call = Call { draws: [0.5, draw], turn, measured, ..Call::default() };
        run(&self.snapshot, &call)
    }

    /// The order in which the providers are tried, as in `b a c`.
    fn order(&self, draw: f64, turn: u64) -> String {
        let d = self.decide(draw, turn);
        let names =
            d.plan.iter().map(|i| self.snapshot.targets[d.considered[*i].target].key.provider.name.as_str());
        names.collect::<Vec<_>>().join(" ")
    }

    /// How often each provider is picked in 10,000 calls, in per cent.
    fn shares(&self) -> Vec<u64> {
        let mut counts = vec![0u64; self.measured.len()];
        for turn in 0..10_000 {
            let draw = (turn as f64 * 0.618_033_988_749_895).fract();
            let d = self.decide(draw, turn);
            counts[d.plan[0]] += 1;
        }
        counts.iter().map(|count| (count + 50) / 100).collect()
    }
}

#[test]
fn round_robin_takes_turns() {
    let calls = Calls::over(Balancing::RoundRobin, &[PLAIN; 3]);
    let orders: Vec<_> = (0..4).map(|turn| calls.order(0.9, turn)).collect();
    assert_eq!(orders, ["a b c", "b c a", "c a b", "a b c"]);
    assert_eq!(calls.shares(), [33, 33, 33]);
    assert_eq!(calls.decide(0.9, 1).propensity, 1.0);
}

#[test]
fn weighted_round_robin_spreads_turns_by_weight() {
    let weight = |weight| Place { weight, ..PLAIN };
    let calls = Calls::over(Balancing::WeightedRoundRobin, &[weight(5), weight(1), weight(1)]);
    let first: String = (0..14).map(|turn| calls.order(0.9, turn).remove(0)).collect();
    // In seven turns each comes as often as it weighs, and b and c do not come next to each other.
    assert_eq!(first[..7].matches('a').count(), 5);
    assert!(!first.contains("bc") && !first.contains("cb"), "{first}");
    assert_eq!(calls.shares(), [71, 14, 14]);
}

#[test]
fn least_latency_takes_the_better_of_two_by_peak_and_calls_under_way() {
    // An ordinary answer takes 3.5 s by the prior. Peaks 1, 2, 4 with 0, 1, 0 calls under way: 3.5, 14, 14 s.
    let mut places =
        [seen(1.0, 1.0), seen(1.0, 2.0), seen(1.0, 4.0)].map(|measured| Place { measured, ..PLAIN });
    places[1].measured.in_flight = 1;
    places[1].preferred = true;
    let calls = Calls::over(Balancing::LeastLatency, &places);
    // Pairs ab, ac, bc: a twice, b once (it wins the tie with c), c never.
    assert_eq!([0.0, 0.34, 0.67].map(|draw| calls.order(draw, 0)), ["a b c", "a b c", "b a c"]);
    assert_eq!(calls.shares(), [67, 33, 0]);
    let propensity = calls.decide(0.9, 0).propensity;
    assert!((propensity - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn performance_draws_by_the_square_of_successes_per_time() {
    // 99 outcomes and one believed: availability .995 and .505; slowness (99 + .5) / 100 and (198 + .5) / 100.
    let places = [seen(1.0, 1.0), seen(0.5, 1.0), seen(1.0, 2.0)].map(|measured| Place { measured, ..PLAIN });
    let calls = Calls::over(Balancing::Performance, &places);
    // Merits 1 : (.505)^2 : (.995 / 1.985)^2 = 1 : .255 : .2513, so 66.4, 16.9 and 16.7 %.
    assert_eq!(calls.shares(), [66, 17, 17]);
    let d = calls.decide(0.0, 0);
    assert!((d.propensity - 1.0 / (1.0 + 0.505f64.powi(2) + (0.995 / 1.985f64).powi(2))).abs() < 1e-9);
}

#[test]
fn cost_optimized_weighs_cost_against_the_time_to_a_success() {
    let place = |price, measured| Place { price, measured, ..PLAIN };
    // Costs 1 and .5 of the most: .7 x .5 = .35 for b. Times to a success: 1 and 2, so .3 x .5 = .15 for a.
    let calls =
        Calls::over(Balancing::CostOptimized, &[place("2", seen(1.0, 1.0)), place("1", seen(1.0, 2.0))]);
    assert_eq!((calls.order(0.9, 3), calls.shares()), ("b a".to_owned(), vec![0, 100]));
    // A saving of a tenth (.07) is not worth twice the time (.15).
    let calls =
        Calls::over(Balancing::CostOptimized, &[place("2", seen(1.0, 1.0)), place("1.8", seen(1.0, 2.0))]);
    assert_eq!(calls.order(0.9, 3), "a b");
}

#[test]
fn highest_availability_takes_the_most_reliable_and_ties_go_to_the_preferred() {
    let place = |measured, preferred, weight| Place { measured, preferred, weight, ..PLAIN };
    let way = Balancing::HighestAvailability;
    let calls = Calls::over(way, &[place(seen(0.9, 1.0), true, 9), place(seen(0.99, 9.0), false, 1)]);
    assert_eq!(calls.order(0.9, 3), "b a");
    let equal = seen(1.0, 1.0);
    let calls =
        Calls::over(way, &[place(equal, false, 1), place(equal, false, 3), place(equal, true, 1), PLAIN]);
    assert_eq!(calls.order(0.9, 3), "c b a d");
}

#[test]
fn pareto_takes_by_the_policys_weights_among_those_that_nobody_beats() {
    let place = |price, measured| Place { price, measured, ..PLAIN };
    // b is as good as a and cheaper; c is faster and dearer. Balanced: b .25 x .5, c .25 x .5 - 0.
    let calls = Calls::over(
        Balancing::Pareto,
        &[place("2", seen(1.0, 2.0)), place("1", seen(1.0, 2.0)), place("2", seen(1.0, 1.8))],
    );
    assert_eq!(calls.order(0.9, 3), "b c a");
}

#[test]
fn an_unseen_provider_is_tried_and_one_that_was_slow_is_tried_again_when_that_is_old() {
    let old = |outcomes: f64, slowness: f64| Measured {
        outcomes,
        success: 1.0,
        answers: outcomes,
        slowness,
        peak: 0.0,
        in_flight: 0,
    };
    let place = |measured| Place { measured, ..PLAIN };
    for way in [Balancing::Pareto, Balancing::CostOptimized] {
        let order = |b| Calls::over(way, &[place(old(9.0, 1.0)), place(b)]).order(0.9, 3);
        assert_eq!(order(Measured::default()), "b a", "{way:?}");
        // (3 + .5) / 2 = 1.75 against (9 + .5) / 10 = .95; later (.6 + .5) / 1.2 = .92.
        assert_eq!(order(old(1.0, 3.0)), "a b", "{way:?}");
        assert_eq!(order(old(0.2, 3.0)), "b a", "{way:?}");
    }
}

#[test]
fn a_model_has_the_mean_figures_of_its_providers_until_one_is_taken() {
    let calls =
        Calls::over(Balancing::RoundRobin, &[Place { price: "1", ..PLAIN }, Place { price: "3", ..PLAIN }]);
    let mut objects_policy = calls.snapshot.policies[0].config.clone();
    objects_policy.strategy = Strategy { optimizer: Some(Optimizer::Cheapest), ..Strategy::default() };
    let mut world = World { objects: Objects::default() };
    for (name, price) in [("a", "1"), ("b", "3")] {
        let mut at = provider();
        at.models = vec![model("medium", price, 0.72, 500.0)];
        world.put(Kind::Provider, name, Compiled::Provider(at));
    }
    world.put(Kind::Policy, "default", Compiled::Policy(objects_policy));
    let d = run(&world.snapshot(), &Call::default());
    // 400 tokens at 1 and at 3 USD per million: 0.0008 USD on average, whoever answers.
    assert!(d.considered.iter().all(|row| (row.score + 0.0008).abs() < 1e-12));
}

#[test]
fn who_is_named_is_balanced_too() {
    let calls = Calls::over(Balancing::RoundRobin, &[PLAIN; 2]);
    for (turn, expected) in [(0, "a"), (1, "b")] {
        let d = run(&calls.snapshot, &Call { model: "medium", turn, ..Call::default() });
        let key = &calls.snapshot.targets[d.picked().unwrap().target].key;
        assert_eq!(key.provider.name, expected);
    }
}
