//! What is left out comes from the catalogue.

use std::time::Duration;

use pointsman_config::budget::Rights;
use pointsman_config::money::{PricePerMillion, Prices};
use pointsman_config::policy::{Action, Balancing, ComplexityRange, Label, Optimizer, Pii, Sampling};
use pointsman_config::provider::{
    DataPolicy, HttpEndpoint, OutputCapField, Retention, SimulatedUpstream, Training, Upstream,
};

use super::*;

#[test]
fn a_hosted_provider_gets_endpoint_models_prices_and_windows() {
    let manifests = "kind: LLMProvider\nmetadata: {name: openai}\nspec: {type: OpenAI, auth: {apiKey: {secretRef: {name: openai}}}}\n---\nkind: Secret\nmetadata: {name: openai}\nstringData: {apiKey: k}\n";
    let compiled = compile(&world(manifests));
    let outcome = compiled.providers.values().next().unwrap();
    let config = provider_config(&outcome.entry);
    let Upstream::Http(place) = &config.upstream else { panic!("{config:?}") };
    let expected = HttpEndpoint {
        tls: true,
        host: "api.openai.com".to_owned(),
        port: 443,
        base_path: "/v1".to_owned(),
        allow_private: false,
    };
    assert_eq!(*place, expected);
    assert_eq!(config.output_cap_field, OutputCapField::MaxCompletionTokens);
    assert_eq!(config.credential.as_ref().unwrap().reference, "shop/openai/apiKey");
    let listed = pointsman_models::Catalogue::shipped().model("OpenAI", "gpt-4o-mini").unwrap();
    let mini = config.models.iter().find(|model| model.name == "gpt-4o-mini").unwrap();
    assert_eq!((mini.prices, mini.context_window), (Some(listed.prices), Some(listed.context_window)));
    assert_eq!(outcome.facts.endpoint, "https://api.openai.com");
}

#[test]
fn the_spec_wins_over_the_catalogue_field_by_field() {
    let manifests = "kind: LLMProvider\nmetadata: {name: sim}\nspec:\n  type: DeepSeek\n  auth: {type: None}\n  timeouts: {firstToken: 5s}\n  headers: [{name: X-Team, value: shop}]\n  models:\n  - {name: mine, providerModel: deepseek-v4-pro, pricing: {input: \"0.5\", output: \"1\", cachedInput: \"0.1\"}, prior: {quality: \"0.9\", firstToken: 250ms}}\n";
    let compiled = compile(&world(manifests));
    let config = provider_config(&compiled.providers.values().next().unwrap().entry);
    let listed = pointsman_models::Catalogue::shipped().model("DeepSeek", "deepseek-v4-pro").unwrap();
    let [model] = &config.models[..] else { panic!("{config:?}") };
    assert_eq!((model.name.as_str(), model.provider_model.as_str()), ("mine", "deepseek-v4-pro"));
    let price = |text| PricePerMillion::parse_usd(text).unwrap();
    assert_eq!(
        model.prices,
        Some(Prices { input: price("0.5"), output: price("1"), cached_input: Some(price("0.1")) })
    );
    assert_eq!(
        (model.context_window, model.capabilities),
        (Some(listed.context_window), listed.beyond_chat())
    );
    assert_eq!(
        (model.prior.quality, model.prior.first_token_ms, model.prior.output_tokens),
        (0.9, 250.0, 300.0)
    );
    assert_eq!(
        (config.timeouts.first_token, config.timeouts.connect),
        (Duration::from_secs(5), Duration::from_secs(2))
    );
    assert_eq!((config.headers[0].name.as_str(), config.headers[0].value.as_str()), ("x-team", "shop"));
    assert_eq!(config.credential, None);
}

#[test]
fn a_service_is_called_by_plain_http_in_its_own_namespace() {
    let manifests = "kind: LLMProvider\nmetadata: {name: vllm}\nspec:\n  type: VLLM\n  endpoint: {type: Service, service: {name: vllm, port: 8000}}\n  models: [{name: q, pricing: {input: \"0\", output: \"0\"}}]\n";
    let compiled = compile(&world(manifests));
    let outcome = compiled.providers.values().next().unwrap();
    let Upstream::Http(place) = &provider_config(&outcome.entry).upstream else { panic!() };
    let expected = HttpEndpoint {
        tls: false,
        host: "vllm.shop.svc".to_owned(),
        port: 8000,
        base_path: "/v1".to_owned(),
        allow_private: true,
    };
    assert_eq!(*place, expected);
    assert_eq!(outcome.facts.endpoint, "http://vllm.shop.svc:8000");
}

#[test]
fn a_simulated_provider_behaves_as_its_spec_says() {
    let more = "  simulated: {outcomes: {file: outcomes.jsonl}, clockFactor: \"20\", failures: {rate: \"0.1\", status: 429}}\n";
    let compiled = compile(&world(&provider("sim", "shop", &["m"], more)));
    let config = provider_config(&compiled.providers.values().next().unwrap().entry);
    let expected = SimulatedUpstream {
        outcomes_file: Some("outcomes.jsonl".to_owned()),
        clock_factor: 20.0,
        failure_rate: 0.1,
        failure_status: 429,
    };
    assert_eq!(config.upstream, Upstream::Simulated(expected));
}

#[test]
fn rules_and_strategy_arrive_as_values() {
    let more = "  objective: Cost\n  mode: Disabled\n  requestedModel: Override\n  annotate: Body\n  recording: {level: None}\n  strategy: {optimizer: Strict, maxCostPerCall: \"0.02\", maxPrice: \"5\", spendTarget: {type: PerThousandCalls, perThousandCalls: {amount: 0.25 USD}}, maxOutputTokens: 4096, onInfeasible: Error, weights: {quality: 1, cost: 2, speed: 3}}\n  resilience: {attempts: 2, firstToken: 10s}\n  rules:\n  - {name: long, matches: [{inputTokens: {min: 8000}}, {model: m, text: {regex: \"\\\\d+\", over: All}}], action: {type: UseModel, useModel: {model: m}}}\n  - {name: no, action: {type: Reject, reject: {message: stop}}}\n  - {name: s, action: {type: UseProvider, useProvider: {name: sim}}}\n  - {name: o, action: {type: OverrideStrategy, overrideStrategy: {objective: Speed}}}\n  - {name: x, action: {type: Exclude, exclude: {models: [m]}}}\n";
    let compiled =
        compile(&world(&(provider("sim", "shop", &["m"], "") + &policy("p", "shop", &["m"], more))));
    let outcome = compiled.policies.values().next().unwrap();
    assert_eq!(outcome.problems, []);
    let shown = serde_json::to_value(policy_config(&outcome.entry)).unwrap();
    let expected = serde_json::json!({
        "virtualModels": ["auto"], "mode": "Disabled", "requestedModel": "Override", "objective": "Cost",
        "candidates": [{"model": "m", "providers": [{"namespace": "shop", "name": "sim"}]}],
        "strategy": {"optimizer": "Strict", "weights": {"quality": 1, "cost": 2, "speed": 3},
            "spendPerThousandCalls": 250_000_000, "maxCostPerCall": 20_000_000, "maxPrice": 5_000_000_000_u64,
            "maxOutputTokens": 4096, "onInfeasible": "Error", "sampling": "Enabled"},
        "balancing": "Pareto", "scorer": {"kind": "Embedding"},
        "resilience": {"attempts": 2, "firstTokenMs": 10_000}, "annotate": "Body", "recording": "None",
        "rules": [
            {"name": "long", "matches": [{"inputTokens": {"min": 8000}}, {"model": "m", "text": {"regex": "\\d+", "over": "All"}}],
             "action": {"type": "UseModel", "model": "m"}},
            {"name": "no", "matches": [], "action": {"type": "Reject", "message": "stop"}},
            {"name": "s", "matches": [], "action": {"type": "UseProvider", "provider": {"namespace": "shop", "name": "sim"}}},
            {"name": "o", "matches": [], "action": {"type": "OverrideStrategy", "objective": "Speed", "optimizer": null}},
            {"name": "x", "matches": [], "action": {"type": "Exclude", "models": ["m"]}},
        ],
    });
    assert_eq!(shown, expected);
}

#[test]
fn rules_over_candidates_that_nobody_serves_fall_away_and_refusals_stay() {
    let more = "  defaultModel: gone\n  modelAliases: [{name: old, model: gone}, {name: new, model: m}]\n  rules:\n  - {name: use, action: {type: UseModel, useModel: {model: gone}}}\n  - {name: drop, action: {type: Exclude, exclude: {models: [gone]}}}\n  - {name: no, action: {type: Reject, reject: {message: stop}}}\n";
    let compiled =
        compile(&world(&(provider("sim", "shop", &["m"], "") + &policy("p", "shop", &["m", "gone"], more))));
    let config = policy_config(&compiled.policies.values().next().unwrap().entry);
    assert_eq!(config.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["no"]);
    assert_eq!(config.default_model, None);
    assert_eq!(config.model_aliases.iter().map(|alias| alias.name.as_str()).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_budget_arrives_with_its_rights() {
    let manifests = "kind: Budget\nmetadata: {name: b}\nspec:\n  owner: team\n  selector: {policies: [{name: p}]}\n  limits: [{name: d, amount: 0.5 USD, window: Day, timeZone: Europe/Berlin}]\n  enforcement: Strict\n  onExhausted: Reject\n";
    for rights in [Rights::Local, Rights::CountingOnly] {
        let mut world = world(manifests);
        world.rights = rights;
        let compiled = compile(&world);
        let State::Valid(budget) = &compiled.budgets.values().next().unwrap().entry.state else { panic!() };
        let expected = serde_json::json!({"Budget": {
            "owner": "team", "selector": {"models": [], "policies": [{"namespace": "shop", "name": "p"}], "providers": []},
            "limits": [{"name": "d", "amount": {"value": 500_000_000, "unit": "USD"}, "window": "Day", "timeZone": "Europe/Berlin"}],
            "enforcement": "Strict", "onExhausted": "Reject", "rights": rights,
        }});
        assert_eq!(serde_json::to_value(budget).unwrap(), expected);
    }
}

#[test]
fn a_model_that_cannot_chat_is_nobodys_candidate() {
    let manifests = "kind: LLMProvider\nmetadata: {name: sim}\nspec:\n  type: Simulated\n  models:\n  - {name: embed, capabilities: [Vision], pricing: {input: \"1\", output: \"1\"}}\n  - {name: think, capabilities: [Chat, Reasoning], pricing: {input: \"1\", output: \"1\"}}\n  - {name: plain, pricing: {input: \"1\", output: \"1\"}}\n";
    let compiled = compile(&world(manifests));
    let config = provider_config(&compiled.providers.values().next().unwrap().entry);
    let models: Vec<_> = config.models.iter().map(|m| (m.name.as_str(), m.capabilities.reasoning)).collect();
    assert_eq!(models, [("plain", false), ("think", true)]);
}

#[test]
fn what_decides_reaches_the_contract_as_it_stands_in_the_spec() {
    let manifests = r#"
kind: LLMProvider
metadata: {name: sim, labels: {tier: private}}
spec:
  type: Simulated
  dataPolicy: {region: EU, retention: Limited, training: Never}
  models:
  - {name: a, pricing: {input: "1", output: "2"}, capabilities: [Chat, Reasoning], weight: 3, preferred: true, prior: {samplingWeight: 6}}
  - {name: b, pricing: {input: "1", output: "2"}}
---
kind: RoutingPolicy
metadata: {name: p}
spec:
  candidates: [{model: a, tier: large, weight: 5}, {model: b, tier: small}]
  tiers: [{name: small}, {name: large, minComplexity: "0.45", minTokens: 2000}]
  requires: {dataPolicy: {region: EU}, labels: [{key: tier, value: private}], capabilities: [Reasoning]}
  balancing: LeastLatency
  strategy: {optimizer: OptimalLP, maxCostPerCall: "0.02", sampling: Disabled}
  rules:
  - name: hard
    matches: [{complexity: {min: "0.5"}, headers: [{name: X-Team, value: shop}], metadata: [{name: run}], user: alice, hasTools: true, hasImages: false, pii: [Email, IBAN]}]
    action: {type: UseTier, useTier: {name: large}}
  - name: strict
    action: {type: Require, require: {dataPolicy: {training: Never}}}
"#;
    let compiled = compile(&world(manifests));
    let provider = provider_config(&compiled.providers.values().next().unwrap().entry);
    let eu = DataPolicy {
        region: Some("EU".to_owned()),
        retention: Some(Retention::Limited),
        training: Some(Training::Never),
    };
    assert_eq!((&provider.data_policy, provider.labels["tier"].as_str()), (&eu, "private"));
    let figures = |i: usize| {
        let model = &provider.models[i];
        (model.weight, model.preferred, model.prior.sampling_weight, model.capabilities.reasoning)
    };
    assert_eq!([figures(0), figures(1)], [(3, true, 6, true), (1, false, 1, false)]);
    let policy = policy_config(&compiled.policies.values().next().unwrap().entry);
    let tiers: Vec<_> =
        policy.tiers.iter().map(|t| (t.name.as_str(), t.min_complexity, t.min_tokens)).collect();
    assert_eq!(tiers, [("small", None, None), ("large", Some(0.45), Some(2000))]);
    let candidates: Vec<_> = policy.candidates.iter().map(|c| (c.tier.as_deref(), c.weight)).collect();
    assert_eq!(candidates, [(Some("large"), Some(5)), (Some("small"), None)]);
    assert_eq!(policy.requires.labels, [Label { key: "tier".to_owned(), value: "private".to_owned() }]);
    assert!(
        policy.requires.capabilities.reasoning && policy.requires.data_policy.region.as_deref() == Some("EU")
    );
    assert_eq!(policy.balancing, Balancing::LeastLatency);
    assert_eq!(
        (policy.strategy.optimizer, policy.strategy.sampling),
        (Some(Optimizer::OptimalLp), Sampling::Disabled)
    );
    let hard = &policy.rules[0];
    assert_eq!(hard.action, Action::UseTier { tier: "large".to_owned() });
    let m = &hard.matches[0];
    assert_eq!(m.complexity, Some(ComplexityRange { min: Some(0.5), max: None }));
    assert_eq!((m.headers[0].name.as_str(), m.headers[0].value.as_deref()), ("x-team", Some("shop")));
    assert_eq!((m.metadata[0].name.as_str(), &m.metadata[0].value), ("run", &None));
    assert_eq!((m.user.as_deref(), m.has_tools, m.has_images), (Some("alice"), Some(true), Some(false)));
    assert_eq!(m.pii, [Pii::Email, Pii::Iban]);
    let Action::Require { requirement } = &policy.rules[1].action else { panic!("{policy:?}") };
    assert_eq!(requirement.data_policy.training, Some(Training::Never));
}

#[test]
fn the_baseline_is_what_the_spec_says_or_what_callers_named_most() {
    let of = |spec: &str| {
        let own = policy("p", "shop", &["a", "b"], spec);
        let compiled = compile(&world(&format!(
            "{}{own}status: {{mostNamed: b}}\n",
            provider("sim", "shop", &["a", "b"], "")
        )));
        let outcome = compiled.policies.into_values().next().unwrap();
        (policy_config(&outcome.entry).baseline.clone(), outcome.facts.baseline)
    };
    let some = |model: &str| Some(model.to_owned());
    for (spec, obeyed, told) in [
        ("", some("b"), some("b")),
        ("  baseline: a\n", some("a"), some("a")),
        // The sidecar takes the default model by itself.
        ("  defaultModel: a\n", None, some("a")),
        // Each call is compared with what it asked for.
        ("  mode: Observe\n", None, None),
        ("  mode: Disabled\n", None, None),
    ] {
        assert_eq!(of(spec), (obeyed, told), "{spec}");
    }
}
