//! Every error of the contract: status, headers and body, byte for byte but for the request id.

use anyhow::Result;
use pointsman_config::policy::{Action, Match, Rule, TextMatch, TextScope};
use pointsman_test_support::provider::{Fault, Provider};
use serde_json::{Value, json};

use crate::client::{Answer, call, chat, send};
use crate::world::{Objects, World};

/// Checks an error; `{id}` in the message stands for the request id.
#[track_caller]
pub(crate) fn check(answer: &Answer, status: u16, headers: &[(&str, Option<&str>)], error: Value) {
    let mut error = error;
    let message = error["message"].as_str().unwrap_or_default().replace("{id}", answer.id());
    error["message"] = json!(message);
    let ordered = |key: &str| error[key].to_string();
    let expected = format!(
        "{{\"error\":{{\"message\":{},\"type\":{},\"param\":{},\"code\":{}}}}}",
        ordered("message"),
        ordered("type"),
        ordered("param"),
        ordered("code")
    );
    assert_eq!(answer.body, expected);
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.id().starts_with("req_"));
    for (name, value) in headers {
        assert_eq!(answer.header(name), *value, "{name}");
    }
}

const SDK_DECIDES: [(&str, Option<&str>); 2] = [("x-should-retry", None), ("retry-after", None)];
const NO_RETRY: [(&str, Option<&str>); 2] = [("x-should-retry", Some("false")), ("retry-after", None)];

#[tokio::test]
async fn an_unknown_model_is_404_with_what_is_offered() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "gpt-5"), ("openai", &provider, "gpt-5-mini")]);
    for (workload, whom) in [(Some("shop/support-bot".to_owned()), "to shop/support-bot"), (None, "here")] {
        let config = pointsman_sidecar::Config { workload, ..Default::default() };
        let world = World::start_with(config, objects.clone()).await?;
        let message = format!(
            "The model 'gpt-6' is not offered {whom}. Offered: auto, gpt-5, gpt-5-mini. Request {{id}}."
        );
        let error = json!({ "message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found" });
        check(&call(world.address, &chat("gpt-6")).await?, 404, &SDK_DECIDES, error);
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_that_refuses_is_403_and_names_itself() -> Result<()> {
    let provider = Provider::start();
    let rule = Rule {
        name: "no-card-numbers".to_owned(),
        matches: vec![Match {
            text: Some(TextMatch { regex: "one two".to_owned(), over: TextScope::LastUserMessage }),
            ..Match::default()
        }],
        action: Action::Reject { message: "a payment card number".to_owned() },
    };
    let world =
        World::start(Objects::new(&[("openai", &provider, "m")]).policy(|p| p.rules = vec![rule])).await?;
    let message = "Rule \"no-card-numbers\" of policy shop/default refuses this request: a payment card number. Request {id}.";
    let error = json!({ "message": message, "type": "permission_error", "param": "messages", "code": "rejected_by_policy" });
    check(&call(world.address, &chat("auto")).await?, 403, &SDK_DECIDES, error);
    assert_eq!(provider.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_request_that_no_candidate_can_take_is_400_with_each_reason() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("a", &provider, "gpt-5-mini"), ("a", &provider, "llama-70b")]);
    let world = World::start(objects).await?;
    let mut body = chat("auto");
    body["messages"][0]["content"] = json!([{ "type": "text", "text": "look" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } }]);
    let message = "No candidate of policy shop/default can take this request: gpt-5-mini, llama-70b: no image input. Request {id}.";
    let error = json!({ "message": message, "type": "invalid_request_error", "param": "messages", "code": "no_candidate" });
    check(&call(world.address, &body).await?, 400, &SDK_DECIDES, error);
    Ok(())
}

#[tokio::test]
async fn an_open_circuit_is_503_with_the_time_of_the_next_probe() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "gpt-5-mini")])
        .policy(|policy| policy.resilience.attempts = 1)
        .each(|provider| {
            provider.circuit_breaker.consecutive_errors = 1;
            provider.circuit_breaker.open_for = std::time::Duration::from_secs(30);
        });
    let world = World::start(objects).await?;
    provider.always("gpt-5-mini", Fault::status(500));
    call(world.address, &chat("auto")).await?;
    let refused = call(world.address, &chat("auto")).await?;
    let wait = refused.header("retry-after").unwrap_or_default().to_owned();
    assert!((1..=30).contains(&wait.parse::<u64>()?));
    let message = format!(
        "No candidate of policy shop/default is available now: gpt-5-mini (openai): circuit open after 1 errors, next probe in {wait} s. Request {{id}}."
    );
    let error = json!({ "message": message, "type": "server_error", "param": null, "code": "no_candidate_available" });
    check(&refused, 503, &[("x-should-retry", Some("false")), ("retry-after", Some(&wait))], error);
    Ok(())
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_its_status_and_its_words() -> Result<()> {
    let provider = Provider::start();
    let objects =
        Objects::new(&[("openai", &provider, "gpt-5")]).policy(|policy| policy.resilience.attempts = 2);
    let world = World::start(objects).await?;
    for (status, kind) in [(503, "server_error"), (500, "server_error"), (529, "server_error")] {
        provider.always("gpt-5", Fault::error(status, "server_error", "x", "The server is overloaded"));
        let attempts = format!("openai/gpt-5={status}, openai/gpt-5={status}");
        let message = format!(
            "Provider shop/openai answered {status} twice (\"The server is overloaded\") and policy shop/default has no other candidate for model gpt-5. Request {{id}}."
        );
        let error =
            json!({ "message": message, "type": kind, "param": null, "code": "upstream_unavailable" });
        let answer = call(world.address, &chat("gpt-5")).await?;
        let headers = [NO_RETRY[0], NO_RETRY[1], ("x-pointsman-attempts", Some(attempts.as_str()))];
        check(&answer, status, &headers, error);
    }
    Ok(())
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_503() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "gpt-5")])).await?;
    provider.go_down().await?;
    let message = "Provider shop/openai could not be reached and policy shop/default has no other candidate for model gpt-5. Request {id}.";
    let error =
        json!({ "message": message, "type": "server_error", "param": null, "code": "upstream_unavailable" });
    let answer = call(world.address, &chat("auto")).await?;
    let headers = [NO_RETRY[0], NO_RETRY[1], ("x-pointsman-attempts", Some("openai/gpt-5=connect"))];
    check(&answer, 503, &headers, error);
    assert_eq!(world.sidecar.totals().await.cost.0, 0);
    Ok(())
}

#[tokio::test]
async fn a_refused_credential_is_the_platforms_fault() -> Result<()> {
    let provider = Provider::start();
    provider.require_key("sk-right");
    let world =
        World::start(Objects::new(&[("openai", &provider, "gpt-5")]).key("openai", "sk-wrong")).await?;
    let message = "Provider shop/openai refused its credential and no other candidate is left. This is the platform's fault, not your request's. Request {id}.";
    let error = json!({ "message": message, "type": "server_error", "param": null, "code": "provider_credential_rejected" });
    let answer = call(world.address, &chat("auto")).await?;
    check(&answer, 503, &NO_RETRY, error);
    assert!(!answer.body.contains("sk-wrong"));
    Ok(())
}

#[tokio::test]
async fn the_providers_own_4xx_passes_in_its_class_with_its_words() -> Result<()> {
    let provider = Provider::start();
    let world =
        World::start(Objects::new(&[("openai", &provider, "m"), ("other", &provider, "second")])).await?;
    for (code, words) in [
        ("content_policy_violation", "This request was flagged."),
        ("invalid_value", "Invalid 'temperature'."),
    ] {
        provider.always("m", Fault::error(400, "invalid_request_error", code, words));
        let before = provider.requests().len();
        let message = format!("Provider shop/openai refused this request: {words} Request {{id}}.");
        let error =
            json!({ "message": message, "type": "invalid_request_error", "param": null, "code": code });
        check(&call(world.address, &chat("auto")).await?, 400, &SDK_DECIDES, error);
        assert_eq!(provider.requests().len() - before, 1, "{code} is not routed around");
    }
    Ok(())
}

#[tokio::test]
async fn paths_and_methods_that_are_not_served_say_so() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    for (method, path, status, code) in [
        ("POST", "/v1/embeddings", 404, "unsupported_path"),
        ("GET", "/", 404, "unsupported_path"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/calls/req_1", 405, "method_not_allowed"),
        ("GET", "/v1/calls/req_1", 404, "call_not_found"),
    ] {
        let answer = send(world.address, method, path, &[], b"").await?;
        let found = (answer.status, answer.json()["error"]["code"].clone());
        assert_eq!(found, (status, json!(code)), "{method} {path}");
        assert!(answer.body.contains(answer.id()));
    }
    Ok(())
}
