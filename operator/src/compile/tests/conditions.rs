//! Each mistake that the schema cannot see, with its condition, its reason, and the field that it names.

use super::*;

/// Compiles a world and says `<kind> <condition>/<reason> <path>` for each problem, and which entries are invalid.
fn problems(manifests: &str, change: impl FnOnce(&mut World)) -> (Vec<String>, Vec<String>) {
    let mut world = world(manifests);
    change(&mut world);
    let compiled = compile(&world);
    let mut found = Vec::new();
    let mut note = |kind: &str, problems: &[Problem]| {
        found.extend(problems.iter().map(|p| format!("{kind} {:?}/{} {}", p.aspect(), p.reason, p.path)));
    };
    compiled.providers.values().for_each(|o| note("llmp", &o.problems));
    compiled.policies.values().for_each(|o| note("rpol", &o.problems));
    compiled.budgets.values().for_each(|o| note("bgt", &o.problems));
    compiled.tests.values().for_each(|o| note("abt", &o.problems));
    let invalid = compiled.entries().filter(|entry| matches!(entry.state, State::Invalid { .. }));
    let invalid = invalid.map(|entry| entry.key.name.to_string()).collect();
    (found, invalid)
}

#[track_caller]
fn check(manifests: &str, expected: &[&str], invalid: &[&str]) {
    assert_eq!(problems(manifests, |_| {}), (strings(expected), strings(invalid)), "{manifests}");
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

const OPENAI: &str = "kind: LLMProvider\nmetadata: {name: openai}\nspec: {type: OpenAI, auth: {apiKey: {secretRef: {name: openai}}}}\n";
const SECRET: &str = "---\nkind: Secret\nmetadata: {name: openai}\nstringData: {apiKey: k}\n";

#[test]
fn a_provider_of_four_lines_with_its_secret_is_fine() {
    check(&format!("{OPENAI}{SECRET}"), &[], &[]);
}

#[test]
fn a_secret_that_is_missing_lacks_the_key_or_may_not_be_read_is_said() {
    check(OPENAI, &["llmp ResolvedRefs/SecretMissing spec.auth.apiKey.secretRef.name"], &["shop/openai"]);
    check(
        &format!("{OPENAI}---\nkind: Secret\nmetadata: {{name: openai}}\nstringData: {{other: k}}\n"),
        &["llmp ResolvedRefs/SecretKeyMissing spec.auth.apiKey.secretRef.key"],
        &["shop/openai"],
    );
    let forbid = |world: &mut World| {
        let remedy = "kubectl create rolebinding".to_owned();
        world.secrets.insert(Name::new("shop", "openai"), SecretState::Forbidden { remedy });
    };
    let (found, invalid) = problems(OPENAI, forbid);
    assert_eq!(found, ["llmp ResolvedRefs/SecretForbidden spec.auth.apiKey.secretRef.name"]);
    assert_eq!(invalid, ["shop/openai"]);
}

#[test]
fn a_key_goes_only_to_the_types_own_host_or_where_its_secret_lets_it() {
    let custom = "kind: LLMProvider\nmetadata: {name: openai}\nspec:\n  type: OpenAI\n  auth: {apiKey: {secretRef: {name: openai}}}\n  endpoint: {type: URL, url: \"https://llm.acme.io/v1\"}\n";
    let not_allowed = "llmp ResolvedRefs/HostNotAllowed spec.endpoint";
    check(&format!("{custom}{SECRET}"), &[not_allowed], &["shop/openai"]);
    for (hosts, allowed) in [
        ("llm.acme.io", true),
        ("LLM.acme.io, other.example.com", true),
        ("llm.acme.io:443", true),
        ("acme.io", false),
        ("api.openai.com", false),
        ("llm.acme.io:8443", false),
        ("", false),
    ] {
        let annotated = format!(
            "---\nkind: Secret\nmetadata: {{name: openai, annotations: {{pointsman.dev/allowed-hosts: \"{hosts}\"}}}}\nstringData: {{apiKey: k}}\n"
        );
        let (found, _) = problems(&format!("{custom}{annotated}"), |_| {});
        assert_eq!(found, if allowed { vec![] } else { vec![not_allowed.to_owned()] }, "{hosts}");
    }
}

#[test]
fn the_command_that_lets_a_key_go_somewhere_keeps_what_was_allowed_before() {
    let manifests = "kind: LLMProvider\nmetadata: {name: openai}\nspec:\n  type: OpenAI\n  auth: {apiKey: {secretRef: {name: openai}}}\n  endpoint: {type: URL, url: \"https://llm.acme.io/v1\"}\n---\nkind: Secret\nmetadata: {name: openai, annotations: {pointsman.dev/allowed-hosts: \"a.example.com\"}}\nstringData: {apiKey: k}\n";
    let compiled = compile(&world(manifests));
    let message = &compiled.providers.values().next().unwrap().problems[0].message;
    assert!(
        message.ends_with(
            "kubectl annotate secret -n shop openai pointsman.dev/allowed-hosts=a.example.com,llm.acme.io"
        ),
        "{message}"
    );
}

#[test]
fn a_private_address_needs_a_service_or_the_flag() {
    let vllm = |endpoint: &str| {
        format!(
            "kind: LLMProvider\nmetadata: {{name: vllm}}\nspec:\n  type: VLLM\n  endpoint: {endpoint}\n  models: [{{name: qwen, pricing: {{input: \"0\", output: \"0\"}}}}]\n"
        )
    };
    let by_url = vllm("{type: URL, url: \"http://10.0.0.7:8000/v1\"}");
    check(&by_url, &["llmp ResolvedRefs/PrivateEndpoint spec.endpoint.url"], &["shop/vllm"]);
    check(&vllm("{type: Service, service: {name: vllm, port: 8000}}"), &[], &[]);
    let (found, _) = problems(&by_url, |world| world.allow_private_endpoints = true);
    assert!(found.is_empty(), "{found:?}");
    check(&vllm("{type: URL, url: \"llm\"}"), &["llmp Accepted/Invalid spec.endpoint.url"], &["shop/vllm"]);
}

#[test]
fn an_unknown_price_is_said_and_the_provider_serves_on() {
    check(
        "kind: LLMProvider\nmetadata: {name: sim}\nspec: {type: Simulated, models: [{name: mystery}]}\n",
        &["llmp ResolvedRefs/PriceUnknown spec.models[0].pricing"],
        &[],
    );
}

#[test]
fn every_wrong_value_of_a_provider_is_found_at_once() {
    let manifests = "kind: LLMProvider\nmetadata: {name: sim}\nspec:\n  type: Simulated\n  timeouts: {connect: 2, firstToken: 0s}\n  circuitBreaker: {openFor: soon}\n  allowedNamespaces: {from: All}\n  simulated: {clockFactor: \"0\", failures: {rate: \"1.5\"}}\n  models:\n  - {name: a, pricing: {input: \"1e3\", output: \"-1\", cachedInput: x}, prior: {quality: \"2\"}}\n".replace("connect: 2,", "connect: \"2\",");
    check(
        &manifests,
        &[
            "llmp Accepted/Invalid spec.models[0].pricing.input",
            "llmp Accepted/Invalid spec.models[0].pricing.output",
            "llmp Accepted/Invalid spec.models[0].pricing.cachedInput",
            "llmp Accepted/Invalid spec.credentialPlacement",
            "llmp Accepted/Invalid spec.simulated.clockFactor",
            "llmp Accepted/Invalid spec.simulated.failures.rate",
            "llmp Accepted/Invalid spec.timeouts.connect",
            "llmp Accepted/Invalid spec.timeouts.firstToken",
            "llmp Accepted/Invalid spec.circuitBreaker.openFor",
        ],
        &["shop/sim"],
    );
}

#[test]
fn a_model_that_nobody_serves_is_named_with_what_was_probably_meant() {
    let manifests = provider("sim", "shop", &["gpt-4o", "gpt-4o-mini"], "")
        + &policy("p", "shop", &["gpt-4o", "gpt-4o-mni"], "");
    let compiled = compile(&world(&manifests));
    let outcome = compiled.policies.values().next().unwrap();
    assert_eq!(
        outcome.problems[0].to_string(),
        "spec.candidates[1].model: no LLMProvider of namespace \"shop\" serves \"gpt-4o-mni\": did you mean \"gpt-4o-mini\"?"
    );
    assert_eq!(outcome.problems[0].reason, pointsman_crds::Reason::UnknownModel);
    let served: Vec<_> = policy_config(&outcome.entry).candidates.iter().map(|c| c.model.as_str()).collect();
    assert_eq!(served, ["gpt-4o"], "the other candidates serve on");
}

#[test]
fn a_policy_none_of_whose_candidates_is_served_is_held_back() {
    check(
        &policy("p", "shop", &["gpt-4o"], ""),
        &["rpol ResolvedRefs/UnknownModel spec.candidates[0].model"],
        &["shop/p"],
    );
}

#[test]
fn providers_of_other_namespaces_must_be_named_and_consent() {
    let shared = |consent: &str| {
        "kind: Namespace\nmetadata: {name: shop, labels: {llm: \"yes\"}}\n".to_owned()
            + &provider("azure", "platform", &["gpt-4o"], consent)
            + "---\nkind: RoutingPolicy\nmetadata: {name: p}\nspec:\n  candidates: [{model: gpt-4o, providerRefs: [{name: azure, namespace: platform}]}]\n"
    };
    let denied = ["rpol ResolvedRefs/NotPermitted spec.candidates[0].providerRefs[0]"];
    let placement = "  credentialPlacement: Sidecar\n";
    check(&shared(""), &denied, &["shop/p"]);
    check(&shared("  allowedNamespaces: {from: Same}\n"), &denied, &["shop/p"]);
    check(&shared(&format!("{placement}  allowedNamespaces: {{from: All}}\n")), &[], &[]);
    let selector = |value: &str| {
        format!(
            "{placement}  allowedNamespaces: {{from: Selector, selector: {{matchLabels: {{llm: \"{value}\"}}}}}}\n"
        )
    };
    check(&shared(&selector("yes")), &[], &[]);
    check(&shared(&selector("no")), &denied, &["shop/p"]);
    let unnamed = provider(
        "azure",
        "platform",
        &["gpt-4o"],
        &format!("{placement}  allowedNamespaces: {{from: All}}\n"),
    );
    check(
        &(unnamed + &policy("p", "shop", &["gpt-4o"], "")),
        &["rpol ResolvedRefs/UnknownModel spec.candidates[0].model"],
        &["shop/p"],
    );
}

#[test]
fn a_reference_to_a_provider_that_lacks_the_model_or_does_not_exist_is_said() {
    let two = provider("a", "shop", &["m"], "") + &provider("b", "shop", &["n"], "");
    let refs = |refs: &str| {
        format!(
            "{two}---\nkind: RoutingPolicy\nmetadata: {{name: p}}\nspec:\n  candidates: [{{model: m, providerRefs: [{refs}]}}]\n"
        )
    };
    check(
        &refs("{name: a}, {name: b}"),
        &["rpol ResolvedRefs/UnknownProvider spec.candidates[0].providerRefs[1]"],
        &[],
    );
    check(
        &refs("{name: a}, {name: c}"),
        &["rpol ResolvedRefs/UnknownProvider spec.candidates[0].providerRefs[1]"],
        &[],
    );
    check(&refs("{name: b}"), &["rpol ResolvedRefs/UnknownModel spec.candidates[0].model"], &["shop/p"]);
}

#[test]
fn every_wrong_value_of_a_policy_is_found_at_once() {
    let more = "  virtualModels: [auto, a]\n  defaultModel: z\n  modelAliases: [{name: auto, model: z}]\n  targetSelector: {matchExpressions: [{key: x, operator: Like}]}\n  resilience: {firstToken: never}\n  strategy: {optimizer: Strict, spendTarget: {type: PerThousandCalls, perThousandCalls: {amount: 5 Tokens}}}\n  rules:\n  - {name: r, matches: [{text: {regex: \"(\"}}], action: {type: Exclude, exclude: {models: [z]}}}\n  - {name: r, matches: [{inputTokens: {min: 5, max: 1}}], action: {type: UseModel}}\n  - {name: s, matches: [{}], action: {type: UseProvider, useProvider: {name: b}}}\n";
    check(
        &(provider("sim", "shop", &["a"], "")
            + &provider("b", "shop", &["b"], "")
            + &policy("p", "shop", &["a"], more)),
        &[
            "rpol Accepted/Invalid spec.targetSelector.matchExpressions[0].operator",
            "rpol Accepted/Invalid spec.virtualModels[1]",
            "rpol Accepted/Invalid spec.defaultModel",
            "rpol Accepted/Invalid spec.modelAliases[0].model",
            "rpol Accepted/Invalid spec.modelAliases[0].name",
            "rpol Accepted/Invalid spec.rules[0].matches[0].text.regex",
            "rpol Accepted/Invalid spec.rules[0].action.exclude.models[0]",
            "rpol Accepted/Invalid spec.rules[1].name",
            "rpol Accepted/Invalid spec.rules[1].matches[0].inputTokens",
            "rpol Accepted/Invalid spec.rules[1].action",
            "rpol Accepted/Invalid spec.rules[2].matches[0]",
            "rpol ResolvedRefs/UnknownProvider spec.rules[2].action.useProvider",
            "rpol Accepted/Invalid spec.strategy.spendTarget.perThousandCalls.amount",
            "rpol Accepted/Invalid spec.resilience.firstToken",
        ],
        &["shop/p"],
    );
    check(
        &(provider("sim", "shop", &["a"], "")
            + &policy("p", "shop", &["a"], "  strategy: {optimizer: Strict}\n")),
        &["rpol Accepted/Invalid spec.strategy.optimizer"],
        &["shop/p"],
    );
}

#[test]
fn a_budget_says_what_is_wrong_with_its_limits_and_what_it_cannot_find() {
    let limits = |limits: &str, more: &str| {
        format!("---\nkind: Budget\nmetadata: {{name: b}}\nspec:\n  limits: [{limits}]\n{more}")
    };
    check(
        &limits("{name: m, amount: 500, window: Month}", "").replace("500", "\"500\""),
        &["bgt Accepted/Invalid spec.limits[0].amount"],
        &["shop/b"],
    );
    check(
        &limits("{name: m, amount: 1 USD, window: Day, timeZone: Berlin}", ""),
        &["bgt Accepted/Invalid spec.limits[0].timeZone"],
        &["shop/b"],
    );
    check(&limits("", ""), &["bgt Accepted/Invalid spec.limits"], &["shop/b"]);
    let fine = "{name: m, amount: 1 USD, window: Day}";
    check(
        &limits(&format!("{fine}, {fine}"), ""),
        &["bgt Accepted/Invalid spec.limits[1].name"],
        &["shop/b"],
    );
    check(
        &limits(fine, "  namespaceSelector: {matchLabels: {a: b}}\n"),
        &["bgt Accepted/NotRootNamespace spec.namespaceSelector"],
        &["shop/b"],
    );
    let selector = "  selector: {models: [m, x], policies: [{name: p}, {name: q}], providerRefs: [{name: sim}, {name: sun}]}\n";
    check(
        &(provider("sim", "shop", &["m"], "") + &policy("p", "shop", &["m"], "") + &limits(fine, selector)),
        &[
            "bgt ResolvedRefs/PolicyNotFound spec.selector.policies[1]",
            "bgt ResolvedRefs/UnknownProvider spec.selector.providerRefs[1]",
            "bgt ResolvedRefs/UnknownModel spec.selector.models[1]",
        ],
        &[],
    );
}

#[test]
fn a_draft_is_checked_against_its_policy() {
    let draft = |policy: &str, variants: &str| {
        provider("sim", "shop", &["m", "n"], "")
            + &super::policy("p", "shop", &["m"], "")
            + &format!(
                "---\nkind: ABTest\nmetadata: {{name: t}}\nspec:\n  policyRef: {{name: {policy}}}\n  controlName: control\n  variants: [{{name: control, weight: 90}}, {variants}]\n"
            )
    };
    let cheap = |model: &str| {
        format!("{{name: cheap, weight: 10, override: {{type: Model, model: {{name: {model}}}}}}}")
    };
    check(&draft("p", &cheap("m")), &[], &[]);
    check(&draft("q", &cheap("m")), &["abt ResolvedRefs/PolicyNotFound spec.policyRef.name"], &[]);
    check(
        &draft("p", &cheap("n")),
        &["abt ResolvedRefs/UnknownModel spec.variants[1].override.model.name"],
        &[],
    );
    check(&draft("p", "{name: cheap, weight: 10}"), &["abt Accepted/Invalid spec.variants[1].override"], &[]);
    let strategy = "{name: cheap, weight: 1, override: {type: Strategy, strategy: {maxCostPerCall: \"$1\"}}}";
    check(
        &draft("p", strategy),
        &["abt Accepted/Invalid spec.variants[1].override.strategy.maxCostPerCall"],
        &[],
    );
    let twice = "{name: control, weight: 1}, {name: cheap, weight: 1, override: {type: Model}}";
    check(
        &draft("p", twice),
        &["abt Accepted/Invalid spec.variants", "abt Accepted/Invalid spec.variants[2].override"],
        &[],
    );
}

#[test]
fn one_bad_object_changes_nothing_for_the_others() {
    let good = provider("good", "shop", &["m"], "") + &policy("p", "shop", &["m"], "");
    let bad = provider("bad", "shop", &["n"], "  timeouts: {connect: never}\n")
        + &policy("q", "shop", &["nothing"], "");
    let (alone, beside) = (compile(&world(&good)), compile(&world(&format!("{good}{bad}"))));
    let sidecar = pod("shop", &[]);
    assert_eq!(scope(&alone, &sidecar), scope(&beside, &sidecar));
    assert_eq!(beside.entries().count(), 4);
}

#[test]
fn the_most_urgent_reason_names_the_condition_and_the_message_holds_them_all() {
    let more = "  allowedNamespaces: {from: All}\n  timeouts: {connect: never}\n";
    let compiled = compile(&world(&provider("sim", "shop", &["m"], more)));
    let [accepted, resolved] = compiled.providers.values().next().unwrap().verdicts();
    assert_eq!((accepted.status, accepted.reason), (false, pointsman_crds::Reason::Invalid));
    assert!(
        accepted.message.contains("spec.credentialPlacement: ")
            && accepted.message.contains("; spec.timeouts.connect: ")
    );
    assert!(resolved.status);
}
