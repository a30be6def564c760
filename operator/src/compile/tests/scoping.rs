//! What one sidecar gets.

use super::*;

#[test]
fn a_sidecar_gets_its_policies_what_they_name_and_its_budgets() {
    let manifests = provider("used", "shop", &["m"], "")
        + &provider("unused", "shop", &["n"], "")
        + &provider("sim", "search", &["m"], "")
        + &policy("mine", "shop", &["m"], "")
        + &policy("theirs", "search", &["m"], "")
        + "---\nkind: Budget\nmetadata: {name: month}\nspec: {limits: [{name: m, amount: 5 USD, window: Month}]}\n"
        + "---\nkind: Budget\nmetadata: {name: month, namespace: search}\nspec: {limits: [{name: m, amount: 5 USD, window: Month}]}\n";
    let entries = scope(&compile(&world(&manifests)), &pod("shop", &[]));
    let names: Vec<_> = entries.iter().map(|entry| entry.key.to_string()).collect();
    assert_eq!(names, ["Provider shop/used", "Policy shop/mine", "Budget shop/month"]);
}

#[test]
fn a_policy_carries_only_the_virtual_models_that_it_won() {
    let manifests = provider("sim", "shop", &["m"], "")
        + &policy(
            "near",
            "shop",
            &["m"],
            "  virtualModels: [support]\n  targetSelector: {matchLabels: {app: bot}}\n",
        )
        + &policy("default", "shop", &["m"], "  virtualModels: [auto, support]\n");
    let entries = scope(&compile(&world(&manifests)), &pod("shop", &[("app", "bot")]));
    let won: Vec<_> = entries
        .iter()
        .filter(|e| e.key.kind == Kind::Policy)
        .map(|e| policy_config(e).virtual_models.clone())
        .collect();
    assert_eq!(won, [vec!["auto"], vec!["support"]]);
}

#[test]
fn root_budgets_count_the_namespaces_that_they_select() {
    let budget = |name: &str, selector: &str| {
        format!(
            "---\nkind: Budget\nmetadata: {{name: {name}, namespace: pointsman-system}}\nspec:\n  limits: [{{name: m, amount: 5 USD, window: Month}}]\n{selector}"
        )
    };
    let manifests = budget("engineering", "  namespaceSelector: {matchLabels: {center: engineering}}\n")
        + &budget("own", "");
    let compiled = compile(&world(&manifests));
    let mut sidecar = pod("shop", &[]);
    assert_eq!(keys(&scope(&compiled, &sidecar), Kind::Budget), Vec::<String>::new());
    sidecar.namespace_labels.insert("center".to_owned(), "engineering".to_owned());
    assert_eq!(keys(&scope(&compiled, &sidecar), Kind::Budget), ["pointsman-system/engineering"]);
    assert_eq!(
        keys(&scope(&compiled, &pod("pointsman-system", &[])), Kind::Budget),
        ["pointsman-system/own"]
    );
}

#[test]
fn a_namespace_without_a_policy_chooses_among_all_models_that_its_providers_list() {
    let manifests = provider("a", "shop", &["m", "n"], "")
        + &provider("b", "shop", &["m"], "")
        + &provider("c", "search", &["x"], "");
    let entries = scope(&compile(&world(&manifests)), &pod("shop", &[]));
    assert_eq!(keys(&entries, Kind::Policy), ["shop/default"]);
    let config = policy_config(entries.iter().find(|e| e.key.kind == Kind::Policy).unwrap());
    assert_eq!(config.virtual_models, ["auto"]);
    let candidates: Vec<_> =
        config.candidates.iter().map(|c| (c.model.as_str(), c.providers.len())).collect();
    assert_eq!(candidates, [("m", 2), ("n", 1)]);
}

#[test]
fn without_a_policy_and_without_listed_models_the_catalogues_recommended_ones_answer() {
    let manifests = "kind: LLMProvider\nmetadata: {name: openai}\nspec: {type: OpenAI, auth: {apiKey: {secretRef: {name: openai}}}}\n---\nkind: Secret\nmetadata: {name: openai}\nstringData: {apiKey: k}\n";
    let world = world(manifests);
    let compiled = compile(&world);
    let entries = scope(&compiled, &pod("shop", &[]));
    let config = policy_config(entries.iter().find(|e| e.key.kind == Kind::Policy).unwrap());
    let mut recommended: Vec<_> = pointsman_models::Catalogue::shipped()
        .recommended_on("OpenAI", world.today)
        .iter()
        .map(|e| e.canonical)
        .collect();
    recommended.sort_unstable();
    let chosen: Vec<_> = config.candidates.iter().map(|c| c.model.as_str()).collect();
    assert_eq!(chosen, recommended);
    assert!(
        !chosen.is_empty() && chosen.len() < compiled.providers.values().next().unwrap().facts.models.len()
    );
}

#[test]
fn a_namespace_with_any_policy_of_its_own_or_a_root_default_gets_no_other() {
    let one = provider("sim", "shop", &["m"], "") + &provider("sim", "pointsman-system", &["m"], "");
    let elsewhere = policy("bots", "shop", &["m"], "  targetSelector: {matchLabels: {app: bot}}\n");
    assert_eq!(
        keys(&scope(&compile(&world(&format!("{one}{elsewhere}"))), &pod("shop", &[])), Kind::Policy),
        Vec::<String>::new()
    );
    let root = policy("root", "pointsman-system", &["m"], "");
    assert_eq!(
        keys(&scope(&compile(&world(&format!("{one}{root}"))), &pod("shop", &[])), Kind::Policy),
        ["pointsman-system/root"]
    );
    assert!(scope(&compile(&world(&one)), &pod("search", &[])).is_empty());
}

#[test]
fn the_root_policy_serves_every_namespace_from_the_root_namespaces_own_providers() {
    let manifests =
        provider("sim", "pointsman-system", &["m"], "") + &policy("root", "pointsman-system", &["m"], "");
    let entries = scope(&compile(&world(&manifests)), &pod("shop", &[]));
    assert_eq!(keys(&entries, Kind::Provider), ["pointsman-system/sim"]);
}

#[test]
fn consent_given_to_the_root_namespace_does_not_reach_every_pod() {
    let labels = "kind: Namespace\nmetadata: {name: pointsman-system, labels: {team: platform}}\n";
    let consent = "  credentialPlacement: Sidecar\n  allowedNamespaces: {from: Selector, selector: {matchLabels: {team: platform}}}\n";
    let rules = "  defaultModel: x\n  modelAliases: [{name: y, model: x}]\n  rules:\n  - {name: r, action: {type: UseModel, useModel: {model: x}}}\n  - {name: s, action: {type: Exclude, exclude: {models: [x, m]}}}\n";
    let manifests = labels.to_owned()
        + &provider("theirs", "search", &["x"], consent)
        + &provider("own", "pointsman-system", &["m"], "")
        + "---\nkind: RoutingPolicy\nmetadata: {name: root, namespace: pointsman-system}\nspec:\n  candidates: [{model: m}, {model: x, providerRefs: [{name: theirs, namespace: search}]}]\n"
        + rules;
    let compiled = compile(&world(&manifests));
    let entries = scope(&compiled, &pod("shop", &[]));
    assert_eq!(keys(&entries, Kind::Provider), ["pointsman-system/own"]);
    let config = policy_config(entries.iter().find(|e| e.key.kind == Kind::Policy).unwrap());
    assert_eq!((config.candidates.len(), &config.default_model, config.model_aliases.len()), (1, &None, 0));
    let rules: Vec<_> = config.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(rules, ["s"]);
    let mut platform = pod("pointsman-system", &[]);
    platform.namespace_labels.insert("team".to_owned(), "platform".to_owned());
    assert_eq!(keys(&scope(&compiled, &platform), Kind::Provider), ["pointsman-system/own", "search/theirs"]);
}

#[test]
fn only_the_keys_of_named_providers_travel_and_only_where_they_may_go() {
    let hosted = |name: &str, more: &str| {
        format!(
            "---\nkind: LLMProvider\nmetadata: {{name: {name}}}\nspec:\n  type: OpenAI\n  auth: {{apiKey: {{secretRef: {{name: {name}}}}}}}\n  models: [{{name: m-{name}, pricing: {{input: \"1\", output: \"1\"}}}}]\n{more}---\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{apiKey: k}}\n"
        )
    };
    let manifests = hosted("used", "")
        + &hosted("unused", "")
        + &hosted("astray", "  endpoint: {type: URL, url: \"https://evil.example.com\"}\n")
        + &policy("p", "shop", &["m-used", "m-astray"], "");
    let compiled = compile(&world(&manifests));
    let entries = scope(&compiled, &pod("shop", &[]));
    assert_eq!(keys(&entries, Kind::Provider), ["shop/astray", "shop/used"]);
    let credentials: Vec<_> =
        scope_credentials(&compiled, &entries).iter().map(ToString::to_string).collect();
    assert_eq!(credentials, ["shop/used/apiKey"]);
}

#[test]
fn the_last_good_version_of_a_broken_policy_finds_its_providers_and_a_disabled_one_all_in_reach() {
    let providers = provider("used", "shop", &["m"], "") + &provider("other", "shop", &["n"], "");
    let broken = "  rules: [{name: bad, matches: [{text: {regex: \"(\"}}], action: {type: Reject, reject: {message: no}}}]\n";
    for (extra, expected) in [
        ("", vec!["shop/used"]),
        ("  mode: Disabled\n", vec!["shop/other", "shop/used"]),
        (broken, vec!["shop/other", "shop/used"]),
    ] {
        let compiled = compile(&world(&(providers.clone() + &policy("mine", "shop", &["m"], extra))));
        assert_eq!(keys(&scope(&compiled, &pod("shop", &[])), Kind::Provider), expected, "{extra}");
    }
}
