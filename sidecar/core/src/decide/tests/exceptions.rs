//! Rules that look beyond the text, tiers, and what policies and rules require.

use super::*;

fn tiered(names: [Option<&str>; 3], tiers: Vec<TierConfig>) -> PolicyConfig {
    let mut policy = PolicyConfig { tiers, ..policy() };
    for (candidate, tier) in policy.candidates.iter_mut().zip(names) {
        candidate.tier = tier.map(str::to_owned);
    }
    policy
}

fn tier(name: &str, min_complexity: Option<f64>, min_tokens: Option<u64>) -> TierConfig {
    TierConfig { name: name.to_owned(), min_complexity, min_tokens }
}

fn three_tiers() -> PolicyConfig {
    let tiers = vec![
        tier("simple", None, None),
        tier("medium", Some(0.35), Some(200)),
        tier("complex", Some(0.7), Some(2000)),
    ];
    tiered([Some("complex"), Some("medium"), Some("simple")], tiers)
}

fn complexity(complexity: f64) -> Scores<'static> {
    Scores { complexity: Some(complexity), method: ScoreMethod::PromptClassifier, ..Scores::NONE }
}

fn use_tier(name: &str) -> Action {
    Action::UseTier { tier: name.to_owned() }
}

#[test]
fn tiers_choose_by_complexity_else_by_length_and_the_others_stand_by() {
    for (scores, tokens, expected) in [
        (complexity(0.1), 5000, "small > medium > large: picked"),
        (complexity(0.35), 10, "medium > small > large: picked"),
        (complexity(0.9), 10, "large > small > medium: picked"),
        (Scores::NONE, 199, "small > medium > large: picked"),
        (Scores::NONE, 200, "medium > small > large: picked"),
        (Scores::NONE, 2000, "large > small > medium: picked"),
    ] {
        check_told(three_tiers(), &Call { scores, tokens, ..Call::default() }, expected);
    }
}

#[test]
fn a_tier_whose_models_are_down_hands_over_to_the_next() {
    let open = HealthRow::CircuitOpen { errors: 5, until: Millis(9000) };
    let (up, down) = (HealthRow::Healthy, open);
    for (health, expected) in [([up, down, up], "large > small: picked"), ([down, down, up], "small: picked")]
    {
        check_told(three_tiers(), &Call { scores: complexity(0.5), health, ..Call::default() }, expected);
    }
}

#[test]
fn a_scorer_that_tells_models_apart_needs_no_tiers() {
    let scores = Scores { complexity: Some(0.9), method: ScoreMethod::Embedding, ..Scores::NONE };
    check_told(three_tiers(), &Call { scores, ..Call::default() }, "small > medium > large: picked");
}

#[test]
fn a_length_that_stands_in_for_the_complexity_is_told() {
    let snapshot = World::new(three_tiers()).snapshot();
    let d = run(&snapshot, &Call::default());
    assert_eq!(d.method, Method::Scored(Optimizer::MaxScore, ScoreMethod::TokenLength));
    assert!(d.complexity_missing);
    let explainer = Explainer { snapshot: &snapshot, policy: &snapshot.policies[0] };
    assert_eq!(
        explainer.reasoning(&d),
        "small came out best of 3 by MaxScore in tier simple by the conversation's length; how complex the text is, nobody \
         said, so that nothing that asks for it applied. Chance of a good answer 0.60 by its prior, $0.00008 expected."
    );
}

#[test]
fn a_rule_may_ask_how_complex_the_text_is_and_waits_for_the_score() {
    let range = |min, max| Match { complexity: Some(ComplexityRange { min, max }), ..Match::default() };
    let large = || Action::UseModel { model: "large".to_owned() };
    let reject = || Action::Reject { message: "too hard".to_owned() };
    let refused = "Rule \"r\" of policy shop/default refuses this request: too hard.";
    for (matched, action, scores, expected) in [
        (range(Some(0.5), None), large(), complexity(0.5), "large: rule:r"),
        (range(Some(0.5), None), large(), complexity(0.49), "small > medium > large: picked"),
        (range(None, Some(0.2)), large(), complexity(0.2), "large: rule:r"),
        (range(Some(0.5), None), large(), Scores::NONE, "small > medium > large: picked"),
        (range(Some(0.5), None), reject(), complexity(0.9), refused),
        (range(Some(0.5), None), reject(), Scores::NONE, "small > medium > large: picked"),
    ] {
        let rules = vec![rule("r", vec![matched], action)];
        check_told(PolicyConfig { rules, ..policy() }, &Call { scores, ..Call::default() }, expected);
    }
    // Also a call that names its model waits, where a rule could refuse it.
    let rules = vec![rule("r", vec![range(Some(0.5), None)], reject())];
    let named = Call { model: "large", scores: complexity(0.9), ..Call::default() };
    check_told(PolicyConfig { rules, ..policy() }, &named, refused);
}

#[test]
fn an_entry_that_fits_without_the_complexity_does_not_wait() {
    let hard = Match { complexity: Some(ComplexityRange { min: Some(0.9), max: None }), ..Match::default() };
    let by_model = Match { model: Some("auto".to_owned()), ..Match::default() };
    let rules = vec![rule("r", vec![hard, by_model], Action::UseModel { model: "large".to_owned() })];
    let snapshot = World::new(PolicyConfig { rules, ..policy() }).snapshot();
    let d = run(&snapshot, &Call::default());
    assert_eq!((told(&snapshot, &d).as_str(), d.complexity_missing), ("large: rule:r", false));
}

#[test]
fn a_rule_may_look_at_headers_metadata_user_tools_and_images() {
    let named = |name: &str, value: Option<&str>| NamedValue {
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    let header = |name: &str, value| Match { headers: vec![named(name, value)], ..Match::default() };
    let metadata = |name: &str, value| Match { metadata: vec![named(name, value)], ..Match::default() };
    let tools = Capabilities { tools: true, ..Capabilities::default() };
    let vision = Capabilities { vision: true, ..Capabilities::default() };
    let call = || Call {
        headers: &[("x-team", "shop")],
        metadata: &[("step", "plan")],
        user: Some("alice"),
        ..Call::default()
    };
    for (matched, call, fits) in [
        (header("x-team", Some("shop")), call(), true),
        (header("x-team", None), call(), true),
        (header("x-team", Some("ops")), call(), false),
        (header("x-other", None), call(), false),
        (metadata("step", Some("plan")), call(), true),
        (metadata("step", Some("act")), call(), false),
        (metadata("x-team", None), call(), false),
        (Match { user: Some("alice".to_owned()), ..Match::default() }, call(), true),
        (Match { user: Some("bob".to_owned()), ..Match::default() }, call(), false),
        (Match { has_tools: Some(true), ..Match::default() }, Call { needs: tools, ..call() }, true),
        (Match { has_tools: Some(true), ..Match::default() }, call(), false),
        (Match { has_tools: Some(false), ..Match::default() }, call(), true),
        (Match { has_images: Some(true), ..Match::default() }, Call { needs: vision, ..call() }, true),
        (Match { has_images: Some(true), ..Match::default() }, call(), false),
        (
            Match { pii: vec![Pii::Email], ..Match::default() },
            Call { prompt: "to a@shop.example.com", ..call() },
            true,
        ),
        (
            Match { pii: vec![Pii::Iban], ..Match::default() },
            Call { prompt: "to a@shop.example.com", ..call() },
            false,
        ),
        // Fields of one entry are ANDed.
        (Match { user: Some("alice".to_owned()), ..header("x-team", Some("ops")) }, call(), false),
    ] {
        let said = format!("{matched:?}");
        let rules = vec![rule("r", vec![matched], Action::UseModel { model: "large".to_owned() })];
        let snapshot = World::new(PolicyConfig { rules, ..policy() }).snapshot();
        let told = told(&snapshot, &run(&snapshot, &call));
        assert_eq!(told == "large: rule:r", fits, "{said}: {told}");
    }
}

#[test]
fn a_rule_may_choose_among_one_tier_only() {
    let policy = |name| PolicyConfig { rules: vec![rule("r", vec![], use_tier(name))], ..three_tiers() };
    check_told(policy("medium"), &Call::default(), "medium: rule:r");
    let none = "No candidate of policy shop/default can take this request: large, medium, small: rule \"r\".";
    check_told(policy("other"), &Call::default(), none);
}

#[test]
fn what_a_provider_does_not_show_keeps_its_models_out() {
    let eu = DataPolicy {
        region: Some("EU".to_owned()),
        retention: Some(Retention::Limited),
        training: Some(Training::Never),
    };
    let requires = |region: &str, retention, training| Requirement {
        data_policy: DataPolicy { region: Some(region.to_owned()), retention, training },
        ..Requirement::default()
    };
    let label = |value: &str| Requirement {
        labels: vec![Label { key: "tier".to_owned(), value: value.to_owned() }],
        ..Requirement::default()
    };
    let vision = Requirement {
        capabilities: Capabilities { vision: true, ..Capabilities::default() },
        ..Requirement::default()
    };
    let all = "small > medium > large: picked";
    let none = |why: &str| format!("No candidate of policy shop/default can take this request: {why}.");
    let everybody = |why: &str| none(&format!("large, medium, small: its provider {why}"));
    for (requires, shown, expected) in [
        (requires("EU", None, Some(Training::Never)), eu.clone(), all.to_owned()),
        (requires("EU", Some(Retention::Limited), None), eu.clone(), all.to_owned()),
        (requires("EU", Some(Retention::Unlimited), None), eu.clone(), all.to_owned()),
        (
            requires("EU", Some(Retention::None), None),
            eu.clone(),
            everybody("does not show a retention as short as required"),
        ),
        (requires("US", None, None), eu.clone(), everybody("does not show data policy region US")),
        (requires("EU", None, None), DataPolicy::default(), everybody("does not show data policy region EU")),
        (
            requires("EU", None, Some(Training::Never)),
            DataPolicy { training: None, ..eu.clone() },
            everybody("does not show that it never trains on data"),
        ),
        (label("private"), eu.clone(), all.to_owned()),
        (label("public"), eu.clone(), everybody("lacks label tier=public")),
        (vision, eu, "large: picked".to_owned()),
    ] {
        let mut shows = provider();
        shows.data_policy = shown;
        shows.labels = BTreeMap::from([("tier".to_owned(), "private".to_owned())]);
        let mut world = World::new(PolicyConfig { requires: requires.clone(), ..policy() });
        world.put(Kind::Provider, "p", Compiled::Provider(shows.clone()));
        let snapshot = world.snapshot();
        assert_eq!(told(&snapshot, &run(&snapshot, &Call::default())), expected);
        // Nobody gets around it by naming a model.
        let named = run(&snapshot, &Call { model: "small", ..Call::default() });
        assert_eq!(named.picked().is_some(), expected == all);
        // A rule requires the same way, and is named.
        let rules = vec![rule("r", vec![], Action::Require { requirement: requires })];
        let mut world = World::new(PolicyConfig { rules, ..policy() });
        world.put(Kind::Provider, "p", Compiled::Provider(shows));
        let snapshot = world.snapshot();
        let by_rule = told(&snapshot, &run(&snapshot, &Call::default()));
        assert_eq!(by_rule.contains("picked"), expected.contains("picked"), "{by_rule}");
        assert_eq!(by_rule.contains("(rule \"r\")"), !expected.contains("picked"), "{by_rule}");
    }
}

#[test]
fn the_reasoning_names_the_task_and_where_the_chance_comes_from() {
    let task: std::sync::Arc<str> = "Code Generation".into();
    let known =
        [0.9, 0.5, 0.4].map(|value| CandidateScore { value, source: ScoreSource::Scorer, length: 1.0 });
    let mut estimated = known;
    estimated[0].source = ScoreSource::Estimate;
    let quality = || PolicyConfig { objective: Objective::Quality, ..policy() };
    for (candidates, from) in
        [(known, ""), (estimated, " by an estimate, because the scorer does not know the model")]
    {
        let snapshot = World::new(quality()).snapshot();
        let scores = Scores {
            candidates: &candidates,
            task: Some(&task),
            method: ScoreMethod::Embedding,
            ..Scores::NONE
        };
        let d = run(&snapshot, &Call { scores, ..Call::default() });
        let explainer = Explainer { snapshot: &snapshot, policy: &snapshot.policies[0] };
        let expected = format!(
            "large came out best of 3 by MaxScore for Code Generation. Chance of a good answer 0.90{from}, $0.004 expected."
        );
        assert_eq!(explainer.reasoning(&d), expected);
        assert_eq!(d.task.as_deref(), Some("Code Generation"));
    }
}
