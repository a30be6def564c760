//! How long one decision takes: 20 candidates, every optimizer, admission included and apart.
//!
//! ```sh
//! cargo bench -p pointsman-core --bench decide
//! ```
//! Each figure is the best of many batches: what the code costs, without what else the machine does. The goal is 2
//! microseconds for `decide`.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::money::{Nano, PricePerMillion, Prices};
use pointsman_config::objects::Objects;
use pointsman_config::policy::*;
use pointsman_config::provider::*;
use pointsman_core::decide::{
    Admit, CandidateScore, Scale, ScoreMethod, ScoreSource, Scores, View, admit, decide,
};
use pointsman_core::facts::{Facts, Nobody, Prompt};
use pointsman_core::health::HealthRow;
use pointsman_core::lengths::Expected;
use pointsman_core::measured::Measured;
use pointsman_core::overrides::Overrides;
use pointsman_core::snapshot::Snapshot;
use pointsman_core::time::Millis;

const CANDIDATES: usize = 20;
const CALLS_PER_BATCH: u32 = 500;
const BATCHES: u32 = 200;

const OPTIMIZERS: [Optimizer; 10] = [
    Optimizer::MaxScore,
    Optimizer::Strict,
    Optimizer::SimpleLp,
    Optimizer::OptimalLp,
    Optimizer::SpeedWeighted,
    Optimizer::ShadowPrice,
    Optimizer::Pareto,
    Optimizer::Cheapest,
    Optimizer::Fastest,
    Optimizer::MostAvailable,
];

fn main() {
    // `--count CALLS` only decides, so often for each case: what it takes beyond another count is countable.
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let [calls, optimizer, providers] = [1, 2, 3].map(|i| arguments[at + i].as_str());
        let optimizer = OPTIMIZERS.into_iter().find(|known| known.name() == optimizer).expect("an optimizer");
        let snapshot = world(optimizer, providers.parse().expect("a number"));
        best(&snapshot, true, 1, calls.parse().expect("a number"));
        return;
    }
    let cases = [1, 2].into_iter().flat_map(|providers| OPTIMIZERS.map(|optimizer| (optimizer, providers)));
    let timed = cases.map(|(optimizer, providers)| {
        let snapshot = world(optimizer, providers);
        let [both, admitting] =
            [true, false].map(|deciding| best(&snapshot, deciding, BATCHES, CALLS_PER_BATCH));
        (optimizer.name(), providers, both, both - admitting)
    });
    if arguments.iter().any(|argument| argument == "--json") {
        let all = timed.map(|(optimizer, providers, _, alone)| {
            serde_json::json!({"optimizer": optimizer, "providers": providers, "decide_nanoseconds": alone})
        });
        return println!("{}", serde_json::Value::Array(all.collect()));
    }
    println!("{CANDIDATES} candidates, nanoseconds: admit and decide together, and decide alone");
    for (name, providers, both, alone) in timed {
        println!("{providers} provider(s) a model  {name:<14} {both:>6.0} {alone:>6.0}");
    }
}

/// Nanoseconds of one call in the fastest batch.
fn best(snapshot: &Snapshot, deciding: bool, batches: u32, per_batch: u32) -> f64 {
    let thetas: Vec<CandidateScore> = (0..CANDIDATES)
        .map(|i| CandidateScore { value: (i as f64 * 0.37).sin(), source: ScoreSource::Scorer, length: 1.0 })
        .collect();
    let scale = Scale::BradleyTerry { offset: 0.0, slope: 1.0 };
    let scores = Scores { candidates: &thetas, scale, method: ScoreMethod::P2l, ..Scores::NONE };
    let route = snapshot.route("auto").expect("the policy answers for it");
    let expected = |target: usize| Expected::from(&snapshot.targets[target].model.prior);
    let view = View {
        snapshot,
        policy: &snapshot.policies[route.policy],
        asked: route.asked,
        caller: Overrides::default(),
        health: &|_| HealthRow::Healthy,
        expected: &expected,
        measured: &|_| Measured::default(),
        turn: &|_| 7,
        length: &|| 100,
        room: &|_| None,
        in_flight: 0,
        lambda: 100.0,
        now: Millis(1000),
        draws: [0.3, 0.6],
    };
    let prompt = Prompt("Which has the lowest melting point, NaCl or CCl4?");
    let facts = Facts {
        model: "auto",
        input_tokens: 100,
        input_tokens_bound: 400,
        input_is_bounded: true,
        max_output_tokens: Some(500),
        answers: 1,
        needs: Capabilities::default(),
        text: &prompt,
        caller: &Nobody,
    };
    let calls = |count: u32| {
        let started = Instant::now();
        for _ in 0..count {
            match admit(black_box(&facts), black_box(&view)) {
                Admit::Score(admitted) if deciding => {
                    black_box(decide(&view, admitted, &scores));
                }
                other => {
                    black_box(other);
                }
            }
        }
        started.elapsed().as_nanos() as f64 / f64::from(count)
    };
    (0..batches).map(|_| calls(per_batch)).fold(f64::INFINITY, f64::min)
}

fn world(optimizer: Optimizer, providers: usize) -> Snapshot {
    let mut objects = Objects::default();
    let mut put = |kind, name: &str, compiled| {
        let key = Key { kind, name: Name::new("bench", name) };
        objects.apply(Entry { key, uid: name.to_owned(), generation: 1, state: State::Valid(compiled) });
    };
    let models = CANDIDATES / providers;
    let names: Vec<Name> = (0..providers).map(|i| Name::new("bench", format!("p{i}"))).collect();
    for name in &names {
        put(Kind::Provider, &name.name, Compiled::Provider(provider(models)));
    }
    let candidates = (0..models).map(|i| CandidateConfig {
        model: format!("m{i}"),
        providers: names.clone(),
        tier: None,
        weight: None,
    });
    put(Kind::Policy, "default", Compiled::Policy(policy(optimizer, candidates.collect())));
    Snapshot::build(&objects)
}

fn policy(optimizer: Optimizer, candidates: Vec<CandidateConfig>) -> PolicyConfig {
    let spec = serde_json::json!({
        "virtualModels": ["auto"], "mode": "Route", "candidates": [], "requestedModel": "Use",
        "objective": "Quality", "resilience": {"attempts": 3}, "annotate": "Headers", "recording": "Metadata",
        "balancing": "LeastLatency",
    });
    let policy: PolicyConfig = serde_json::from_value(spec).expect("a policy of the contract");
    let bounded = matches!(optimizer, Optimizer::Strict | Optimizer::SimpleLp | Optimizer::OptimalLp);
    let strategy = Strategy {
        optimizer: Some(optimizer),
        max_cost_per_call: bounded.then_some(Nano(1_000_000)),
        ..Strategy::default()
    };
    PolicyConfig { candidates, strategy, ..policy }
}

fn provider(models: usize) -> ProviderConfig {
    let price = |i: usize| PricePerMillion(200_000_000 * (i as u64 + 1));
    let model = |i: usize| ModelConfig {
        name: format!("m{i}"),
        provider_model: format!("m{i}"),
        prices: Some(Prices { input: price(i), output: price(i), cached_input: None }),
        context_window: Some(100_000),
        max_output_tokens: Some(4_000),
        capabilities: Capabilities::default(),
        prior: Prior { quality: 0.4 + i as f64 * 0.02, ..Prior::default() },
        weight: 1,
        preferred: false,
    };
    ProviderConfig {
        provider_type: "OpenAICompatible".to_owned(),
        output_cap_field: OutputCapField::MaxTokens,
        upstream: Upstream::Http(HttpEndpoint {
            tls: false,
            host: "localhost".to_owned(),
            port: 80,
            base_path: "/v1".to_owned(),
            allow_private: true,
        }),
        credential: None,
        headers: Vec::new(),
        timeouts: Timeouts::default(),
        circuit_breaker: CircuitBreaker::default(),
        models: (0..models).map(model).collect(),
        data_policy: DataPolicy::default(),
        labels: BTreeMap::default(),
    }
}
