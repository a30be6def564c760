#![allow(clippy::unwrap_used)]
//! Decisions as tables: a small world, one thing varied, the whole outcome compared.

mod balancing;
mod budgets;
mod exceptions;
mod lengths;
mod observe;
mod overrides;
mod pairs;
mod totality;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::money::{Nano, PricePerMillion, Prices};
use pointsman_config::objects::Objects;
use pointsman_config::policy::*;
use pointsman_config::provider::*;

use super::*;
use crate::explain::Explainer;
use crate::facts::{Caller, Facts, Nobody, Prompt};
use crate::lengths::Expected;
use crate::overrides::Overrides;
use crate::snapshot::{CandMask, check};

/// (name, price in and out in USD per million, quality, ms to the first token)
const MODELS: [(&str, &str, f64, f64); 3] =
    [("large", "10", 0.80, 900.0), ("medium", "2", 0.72, 500.0), ("small", "0.2", 0.60, 200.0)];

struct World {
    objects: Objects,
}

fn model(name: &str, price: &str, quality: f64, first_token_ms: f64) -> ModelConfig {
    let price = PricePerMillion::parse_usd(price).unwrap();
    ModelConfig {
        name: name.to_owned(),
        provider_model: name.to_owned(),
        prices: Some(Prices { input: price, output: price, cached_input: None }),
        context_window: Some(if name == "large" { 100_000 } else { 8_000 }),
        max_output_tokens: Some(4_000),
        capabilities: Capabilities {
            vision: name == "large",
            tools: true,
            structured_output: true,
            reasoning: false,
        },
        prior: Prior {
            quality,
            first_token_ms,
            tokens_per_second: 100.0,
            output_tokens: 300.0,
            sampling_weight: 1,
        },
        weight: 1,
        preferred: false,
    }
}

pub(crate) fn policy() -> PolicyConfig {
    PolicyConfig {
        virtual_models: vec!["auto".to_owned()],
        mode: Mode::Route,
        candidates: MODELS
            .iter()
            .map(|m| CandidateConfig {
                model: m.0.to_owned(),
                providers: vec![Name::new("shop", "p")],
                tier: None,
                weight: None,
            })
            .collect(),
        tiers: Vec::new(),
        requires: Requirement::default(),
        default_model: None,
        baseline: None,
        caller_overrides: Vec::new(),
        requested_model: RequestedModel::Use,
        model_aliases: vec![ModelAlias { name: "gpt".to_owned(), model: "medium".to_owned() }],
        rules: Vec::new(),
        objective: Objective::Balanced,
        strategy: Strategy::default(),
        balancing: Balancing::default(),
        resilience: Resilience { attempts: 3, first_token_ms: None },
        annotate: Annotate::Headers,
        scorer: ScorerConfig::default(),
        session: None,
        recording: Recording::Metadata,
    }
}

fn provider() -> ProviderConfig {
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
        models: MODELS.iter().map(|m| model(m.0, m.1, m.2, m.3)).collect(),
        data_policy: DataPolicy::default(),
        labels: BTreeMap::default(),
    }
}

impl World {
    fn new(policy: PolicyConfig) -> Self {
        let mut world = Self { objects: Objects::default() };
        world.put(Kind::Provider, "p", Compiled::Provider(provider()));
        world.put(Kind::Policy, "default", Compiled::Policy(policy));
        world
    }

    fn put(&mut self, kind: Kind, name: &str, compiled: Compiled) {
        let key = Key { kind, name: Name::new("shop", name) };
        assert_eq!(check(&key, &compiled), []);
        self.objects.apply(Entry { key, uid: name.to_owned(), generation: 1, state: State::Valid(compiled) });
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::build(&self.objects)
    }
}

struct Call<'a> {
    model: &'a str,
    prompt: &'a str,
    tokens: u64,
    bounded: bool,
    max_output: Option<u64>,
    needs: Capabilities,
    health: [HealthRow; 3],
    room: Option<u64>,
    in_flight: u64,
    lambda: f64,
    caller: Overrides,
    scores: Scores<'a>,
    draws: [f64; 2],
    measured: [Measured; 4],
    turn: u64,
    headers: &'a [(&'a str, &'a str)],
    metadata: &'a [(&'a str, &'a str)],
    user: Option<&'a str>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            model: "auto",
            prompt: "hello",
            tokens: 100,
            bounded: true,
            max_output: Some(500),
            needs: Capabilities::default(),
            health: [HealthRow::Healthy; 3],
            room: None,
            in_flight: 0,
            lambda: 0.0,
            caller: Overrides::default(),
            scores: Scores::NONE,
            draws: [0.5; 2],
            measured: [Measured::default(); 4],
            turn: 0,
            headers: &[],
            metadata: &[],
            user: None,
        }
    }
}

impl Caller for Call<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    fn metadata(&self, name: &str) -> Option<Cow<'_, str>> {
        self.metadata.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    fn user(&self) -> Option<Cow<'_, str>> {
        self.user.map(Cow::Borrowed)
    }
}

fn run(snapshot: &Snapshot, call: &Call<'_>) -> Decision {
    let route = snapshot.route(call.model).expect("the model is offered");
    let policy = &snapshot.policies[route.policy];
    let health = |target: usize| call.health.get(target).copied().unwrap_or(HealthRow::Healthy);
    let room = |_: usize| call.room;
    let view = View {
        snapshot,
        policy,
        asked: route.asked,
        caller: call.caller,
        health: &health,
        expected: &|target| Expected::from(&snapshot.targets[target].model.prior),
        room: &room,
        in_flight: call.in_flight,
        lambda: call.lambda,
        now: Millis(1000),
        draws: call.draws,
        measured: &|target| call.measured[target],
        turn: &|_| call.turn,
        length: &|| call.tokens,
    };
    let prompt = Prompt(call.prompt);
    let facts = Facts {
        model: call.model,
        input_tokens: call.tokens,
        input_tokens_bound: call.tokens * 4,
        input_is_bounded: call.bounded,
        max_output_tokens: call.max_output,
        answers: 1,
        needs: call.needs,
        text: &prompt,
        caller: call,
    };
    let chosen = match admit(&facts, &view) {
        Admit::Decided(decision) => decision,
        Admit::Score(admitted) => decide(&view, admitted, &call.scores),
    };
    observe(&facts, &view, chosen)
}

/// `large > medium: picked`, or the refusal in words.
fn told(snapshot: &Snapshot, d: &Decision) -> String {
    let explainer = Explainer { snapshot, policy: &snapshot.policies[0] };
    match &d.outcome {
        Outcome::Picked(_, reason) => {
            let plan: Vec<&str> = d.plan.iter().map(|i| explainer.name(d.considered[*i].target)).collect();
            format!("{}: {}", plan.join(" > "), explainer.pick_reason(reason))
        }
        Outcome::Refused(refusal) => explainer.refusal(d, refusal),
    }
}

fn check_told(policy: PolicyConfig, call: &Call<'_>, expected: &str) {
    let snapshot = World::new(policy).snapshot();
    assert_eq!(told(&snapshot, &run(&snapshot, call)), expected);
}

fn with_strategy(objective: Objective, strategy: Strategy) -> PolicyConfig {
    PolicyConfig { objective, strategy, ..policy() }
}

fn rule(name: &str, matches: Vec<Match>, action: Action) -> Rule {
    Rule { name: name.to_owned(), matches, action }
}

#[test]
fn every_objective_and_optimizer_orders_the_candidates_as_its_formula_says() {
    let optimizer = |o| Strategy { optimizer: Some(o), ..Strategy::default() };
    let price = |p: &str| PricePerMillion::parse_usd(p).unwrap();
    for (objective, strategy, expected) in [
        (Objective::Quality, Strategy::default(), "large > medium > small: picked"),
        (Objective::Balanced, Strategy::default(), "small > medium > large: picked"),
        (Objective::Cost, Strategy::default(), "small > medium > large: picked"),
        (Objective::Speed, Strategy::default(), "small > medium > large: picked"),
        (Objective::Quality, optimizer(Optimizer::Cheapest), "small > medium > large: picked"),
        (Objective::Quality, optimizer(Optimizer::Fastest), "small > medium > large: picked"),
        (Objective::Cost, optimizer(Optimizer::MaxScore), "small > medium > large: picked"),
        (
            Objective::Cost,
            Strategy { max_cost_per_call: Some(Nano::parse_usd("0.001").unwrap()), ..Strategy::default() },
            "medium > small: picked",
        ),
        (
            Objective::Quality,
            Strategy { max_price: Some(price("2")), ..optimizer(Optimizer::Strict) },
            "medium > small: picked",
        ),
        (
            Objective::Cost,
            Strategy { max_cost_per_call: Some(Nano(1)), ..Strategy::default() },
            "small > medium > large: picked",
        ),
        (
            Objective::Cost,
            Strategy {
                max_cost_per_call: Some(Nano(1)),
                on_infeasible: OnInfeasible::Error,
                ..Strategy::default()
            },
            "No candidate of policy shop/default can take this request: \
             large, medium, small: costs more than the policy allows a call.",
        ),
    ] {
        check_told(with_strategy(objective, strategy), &Call::default(), expected);
    }
}

#[test]
fn the_shadow_price_trades_quality_for_money() {
    // 400 tokens: 0.004, 0.0008 and 0.00008 USD; hull slopes 25 and 166.7 quality per USD.
    let strategy = Strategy { spend_per_thousand_calls: Some(Nano(1)), ..Strategy::default() };
    for (lambda, first) in
        [(0.0, "large"), (24.0, "large"), (26.0, "medium"), (166.0, "medium"), (167.0, "small")]
    {
        let snapshot = World::new(with_strategy(Objective::Balanced, strategy.clone())).snapshot();
        let decision = run(&snapshot, &Call { lambda, ..Call::default() });
        let picked = &snapshot.targets[decision.picked().unwrap().target].key.model;
        assert_eq!((picked.as_str(), decision.lambda), (first, lambda));
        assert_eq!(decision.method, Method::Scored(Optimizer::ShadowPrice, ScoreMethod::Prior));
    }
}

#[test]
fn the_weighted_score_is_the_published_formula() {
    let snapshot = World::new(policy()).snapshot();
    let d = run(&snapshot, &Call::default());
    let (cost_max, ms_max) = (0.004, 3900.0);
    for (row, (quality, cost, ms)) in
        d.considered.iter().zip([(0.80, 0.004, 3900.0), (0.72, 0.0008, 3500.0), (0.60, 0.00008, 3200.0)])
    {
        let expected = 0.5 * quality + 0.25 * (cost_max - cost) / cost_max + 0.25 * (ms_max - ms) / ms_max;
        assert!((row.score - expected).abs() < 1e-12, "{} {expected}", row.score);
    }
}

#[test]
fn names_aliases_and_modes_decide_without_a_choice() {
    let named = |model| Call { model, ..Call::default() };
    let disabled = PolicyConfig { mode: Mode::Disabled, ..policy() };
    let default_small = PolicyConfig { default_model: Some("small".to_owned()), ..disabled.clone() };
    let override_ = PolicyConfig { requested_model: RequestedModel::Override, ..policy() };
    for (policy, call, expected) in [
        (policy(), named("large"), "large: requested"),
        (policy(), named("gpt"), "medium: requested"),
        (override_, named("anything"), "small > medium > large: picked"),
        (disabled.clone(), named("auto"), "large > small > medium: default"),
        (default_small, named("auto"), "small > medium > large: default"),
        (disabled, named("medium"), "medium: requested"),
    ] {
        check_told(policy, &call, expected);
    }
}

#[test]
fn a_default_that_is_down_at_one_provider_answers_from_another() {
    let both = vec![Name::new("shop", "p"), Name::new("shop", "q")];
    let candidates = |p: PolicyConfig| {
        p.candidates.into_iter().map(|c| CandidateConfig { providers: both.clone(), ..c }).collect()
    };
    let open = HealthRow::CircuitOpen { errors: 5, until: Millis(9000) };
    for (default_model, expected) in
        [(Some("medium"), "medium/q"), (None, "large/q"), (Some("served nowhere"), "large/q")]
    {
        let mut world = World::new(PolicyConfig {
            mode: Mode::Disabled,
            default_model: default_model.map(str::to_owned),
            candidates: candidates(policy()),
            ..policy()
        });
        world.put(Kind::Provider, "q", Compiled::Provider(provider()));
        let snapshot = world.snapshot();
        let call = Call { health: [open, open, HealthRow::Healthy], ..Call::default() };
        let decision = run(&snapshot, &call);
        let key = &snapshot.targets[decision.picked().unwrap().target].key;
        assert_eq!(format!("{}/{}", key.model, key.provider.name), expected);
    }
}

#[test]
fn a_name_that_nobody_offers_is_not_routed() {
    let snapshot = World::new(policy()).snapshot();
    assert_eq!(snapshot.route("gpt-6"), None);
    assert_eq!(snapshot.offered(), ["auto", "large", "medium", "small"]);
}

#[test]
fn a_disabled_policy_serves_whatever_its_providers_have_when_asked_by_name() {
    let only_small = vec![CandidateConfig {
        model: "small".to_owned(),
        providers: vec![Name::new("shop", "p")],
        tier: None,
        weight: None,
    }];
    let disabled = PolicyConfig { mode: Mode::Disabled, candidates: only_small.clone(), ..policy() };
    check_told(disabled.clone(), &Call { model: "large", ..Call::default() }, "large: requested");
    check_told(disabled, &Call::default(), "small: default");
    let routing = PolicyConfig { candidates: only_small, ..policy() };
    assert_eq!(World::new(routing).snapshot().route("large"), None);
}

#[test]
fn rules_reject_first_then_add_up_then_end_the_search() {
    let text = |regex: &str| Match {
        text: Some(TextMatch { regex: regex.to_owned(), over: TextScope::LastUserMessage }),
        ..Match::default()
    };
    let tokens =
        |min| Match { input_tokens: Some(TokenRange { min: Some(min), max: None }), ..Match::default() };
    let use_model = |m: &str| Action::UseModel { model: m.to_owned() };
    let exclude = |m: &str| Action::Exclude { models: vec![m.to_owned()] };
    let reject = || Action::Reject { message: "no cards.".to_owned() };
    let quality = || Action::OverrideStrategy { objective: Some(Objective::Quality), optimizer: None };
    let call = Call { prompt: "my card is 1234", ..Call::default() };
    for (rules, expected) in [
        (vec![rule("code", vec![text("card")], use_model("large"))], "large: rule:code"),
        (vec![rule("code", vec![text("^card")], use_model("large"))], "small > medium > large: picked"),
        (vec![rule("long", vec![tokens(100)], use_model("medium"))], "medium: rule:long"),
        (vec![rule("long", vec![tokens(101)], use_model("medium"))], "small > medium > large: picked"),
        (vec![rule("either", vec![tokens(101), text("card")], use_model("medium"))], "medium: rule:either"),
        (
            vec![
                rule("first", vec![], exclude("small")),
                rule("best", vec![], quality()),
                rule("also", vec![], exclude("medium")),
            ],
            "large: picked",
        ),
        (
            vec![rule("use", vec![], use_model("large")), rule("late", vec![], exclude("large"))],
            "large: rule:use",
        ),
        (
            vec![rule("use", vec![], use_model("large")), rule("cards", vec![text(r"\d{4}")], reject())],
            "Rule \"cards\" of policy shop/default refuses this request: no cards.",
        ),
        (
            vec![rule(
                "none",
                vec![],
                Action::Exclude { models: MODELS.iter().map(|m| m.0.to_owned()).collect() },
            )],
            "No candidate of policy shop/default can take this request: large, medium, small: rule \"none\".",
        ),
    ] {
        check_told(PolicyConfig { rules, ..policy() }, &call, expected);
    }
}

#[test]
fn a_rule_may_name_a_model_a_range_a_provider_or_another_way_to_choose() {
    // The policy chooses by the cheapest; what a rule sets in its place brings its own way along.
    let cheapest = || PolicyConfig {
        strategy: Strategy { optimizer: Some(Optimizer::Cheapest), ..Strategy::default() },
        ..policy()
    };
    let instead = |objective, optimizer| Action::OverrideStrategy { objective, optimizer };
    let quality = || instead(Some(Objective::Quality), None);
    let model = |name: &str| Match { model: Some(name.to_owned()), ..Match::default() };
    let range = |min, max| Match { input_tokens: Some(TokenRange { min, max }), ..Match::default() };
    let provider = |name| Action::UseProvider { provider: Name::new("shop", name) };
    for (matched, action, expected) in [
        (model("auto"), quality(), "large > medium > small: picked"),
        (model("other"), quality(), "small > medium > large: picked"),
        (range(None, Some(100)), quality(), "large > medium > small: picked"),
        (range(None, Some(99)), quality(), "small > medium > large: picked"),
        (range(Some(100), Some(100)), quality(), "large > medium > small: picked"),
        (model("auto"), instead(None, Some(Optimizer::Strict)), "small > medium > large: picked"),
        (
            model("auto"),
            instead(Some(Objective::Quality), Some(Optimizer::Fastest)),
            "small > medium > large: picked",
        ),
        (model("auto"), provider("p"), "small > medium > large: rule:r"),
        (
            model("auto"),
            provider("q"),
            "No candidate of policy shop/default can take this request: large, medium, small: rule \"r\".",
        ),
    ] {
        let rules = vec![rule("r", vec![matched], action)];
        check_told(PolicyConfig { rules, ..cheapest() }, &Call::default(), expected);
    }
}

#[test]
fn a_named_call_obeys_only_reject_and_exclude() {
    let call = Call { model: "small", ..Call::default() };
    let rules = vec![rule("use", vec![], Action::UseModel { model: "large".to_owned() })];
    check_told(PolicyConfig { rules, ..policy() }, &call, "small: requested");
    let rules = vec![rule("not", vec![], Action::Exclude { models: vec!["small".to_owned()] })];
    let refused = "No candidate of policy shop/default can take this request: small: rule \"not\".";
    check_told(PolicyConfig { rules, ..policy() }, &call, refused);
}

#[test]
fn what_cannot_or_may_not_answer_is_left_out_with_its_reason() {
    let open = HealthRow::CircuitOpen { errors: 5, until: Millis(9000) };
    let limited = HealthRow::RateLimited { until: Millis(42_000) };
    let vision = Capabilities { vision: true, ..Capabilities::default() };
    let reasoning = Capabilities { reasoning: true, ..Capabilities::default() };
    let ok = HealthRow::Healthy;
    for (call, expected) in [
        (
            Call { needs: reasoning, ..Call::default() },
            "No candidate of policy shop/default can take this request: large, medium, small: no reasoning.",
        ),
        (Call { needs: vision, ..Call::default() }, "large: picked"),
        (Call { tokens: 9_000, ..Call::default() }, "large: picked"),
        // No model gives more than 4000 tokens, whatever the caller would take.
        (Call { tokens: 95_000, max_output: Some(90_000), ..Call::default() }, "large: picked"),
        (
            Call { tokens: 97_000, max_output: Some(90_000), ..Call::default() },
            "No candidate of policy shop/default can take this request: \
             large: 101000 tokens do not fit its window of 100000; \
             medium, small: 101000 tokens do not fit its window of 8000.",
        ),
        (Call { health: [ok, ok, open], ..Call::default() }, "medium > large: picked"),
        (
            Call { health: [limited, open, open], ..Call::default() },
            "No candidate of policy shop/default is available now: large (p): rate limited for 41 s; \
             medium (p), small (p): circuit open after 5 errors, next probe in 8 s.",
        ),
        (
            Call { tokens: 200_000, ..Call::default() },
            "No candidate of policy shop/default can take this request: \
             large: 200500 tokens do not fit its window of 100000; \
             medium, small: 200500 tokens do not fit its window of 8000.",
        ),
        (
            Call { needs: vision, health: [open, ok, ok], ..Call::default() },
            "No candidate of policy shop/default is available now: \
             large (p): circuit open after 5 errors, next probe in 8 s; medium (p), small (p): no image input.",
        ),
    ] {
        check_told(policy(), &call, expected);
    }
}

#[test]
fn scores_that_are_not_probabilities_are_replaced_by_the_prior() {
    let snapshot = World::new(PolicyConfig { objective: Objective::Quality, ..policy() }).snapshot();
    let route = snapshot.route("auto").unwrap();
    let view = View {
        snapshot: &snapshot,
        policy: &snapshot.policies[0],
        asked: route.asked,
        caller: Overrides::default(),
        health: &|_| HealthRow::Healthy,
        expected: &|target| Expected::from(&snapshot.targets[target].model.prior),
        room: &|_| None,
        in_flight: 0,
        lambda: 0.0,
        now: Millis(0),
        draws: [0.5; 2],
        measured: &|_| Measured::default(),
        turn: &|_| 0,
        length: &|| 10,
    };
    let prompt = Prompt("x");
    let facts = Facts {
        model: "auto",
        input_tokens: 10,
        input_tokens_bound: 40,
        input_is_bounded: true,
        max_output_tokens: None,
        answers: 1,
        needs: Capabilities::default(),
        text: &prompt,
        caller: &Nobody,
    };
    for quality in [[f64::NAN, f64::INFINITY, -1.0], [f64::NEG_INFINITY, 1.1, f64::NAN]] {
        let Admit::Score(admitted) = admit(&facts, &view) else { panic!("a choice") };
        assert_eq!(admitted.live(), CandMask::first(3));
        let scored = quality.map(|value| CandidateScore { value, source: ScoreSource::Scorer, length: 1.0 });
        let d = decide(&view, admitted, &Scores { candidates: &scored, ..Scores::NONE });
        let seen: Vec<_> = d.considered.iter().map(|c| (c.quality, c.source)).collect();
        let prior = ScoreSource::Prior;
        assert_eq!(seen, [(0.80, prior), (0.72, prior), (0.60, prior)]);
    }
}

#[test]
fn a_rejected_credential_leaves_the_target_out_for_a_while() {
    let rejected = HealthRow::CredentialRejected { until: Millis(31_000) };
    let snapshot = World::new(policy()).snapshot();
    let d = run(&snapshot, &Call { health: [rejected; 3], ..Call::default() });
    let retry_at = Some(Millis(1000).after(Duration::from_secs(30)));
    assert_eq!(d.outcome, Outcome::Refused(Refusal::NotAvailable { retry_at }));
}

/// What the tests of other modules need of this world.
pub(crate) mod support {
    use super::*;

    pub(crate) use super::policy;

    pub(crate) fn world(policy: PolicyConfig) -> Snapshot {
        World::new(policy).snapshot()
    }

    pub(crate) fn decision(snapshot: &Snapshot) -> Decision {
        run(snapshot, &Call::default())
    }
}
