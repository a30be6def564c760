//! What a caller sees when all goes well, and what the records and the provider's books say of it.

use anyhow::Result;
use pointsman_config::money::Nano;
use pointsman_config::policy::Annotate;
use pointsman_config::window::Window;
use pointsman_sidecar::Config;
use pointsman_test_support::provider::{Fault, Model, Outcome, Provider, sixty_words};
use serde_json::json;

use crate::client::{call, chat, get, post, send};
use crate::world::{Objects, PRICE, World};

#[tokio::test]
async fn a_call_is_answered_with_the_headers_of_the_contract() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "gpt-5-mini")])).await?;
    let answer = call(world.address, &chat("auto")).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.text(), sixty_words());
    for (name, expected) in [
        ("content-type", "application/json"),
        ("x-pointsman-model", "gpt-5-mini"),
        ("x-pointsman-provider", "openai"),
        ("x-pointsman-policy", "shop/default"),
        ("x-pointsman-reason", "picked"),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{name}");
    }
    assert!(answer.id().starts_with("req_"));
    assert!(answer.header("x-pointsman-overhead-ms").is_some_and(|ms| ms.parse::<f64>().is_ok()));
    assert_eq!(answer.header("x-pointsman-attempts"), None);
    let billed = provider.billed_nano();
    assert_eq!(answer.header("x-pointsman-cost"), Some(Nano(billed).to_string().as_str()));
    assert_eq!(world.sidecar.totals().await.cost.0, billed);
    let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
    assert_eq!(record["cost_nano"], json!(billed));
    assert_eq!(record["status"], json!("answered"));
    assert_eq!(record["served"], json!({ "model": "gpt-5-mini", "provider": "shop/openai" }));
    assert_eq!(record["decision"]["routing"]["policy"], json!("shop/default"));
    Ok(())
}

#[tokio::test]
async fn the_body_passes_untouched_unless_the_cost_is_asked_for() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "gpt-5-mini")]);
    let world = World::start(objects.clone()).await?;
    let plain = call(world.address, &chat("auto")).await?;
    assert_eq!(plain.json()["usage"].get("cost"), None);
    let body = chat("auto").to_string();
    let asked = [("x-pointsman-annotate", "body")];
    let annotated = send(world.address, "POST", "/v1/chat/completions", &asked, body.as_bytes()).await?;
    let cost = annotated.header("x-pointsman-cost").unwrap().to_owned();
    assert!(annotated.body.contains(&format!("\"cost\":{cost}")), "{}", annotated.body);
    let world = World::start(objects.policy(|policy| policy.annotate = Annotate::Body)).await?;
    assert!(call(world.address, &chat("auto")).await?.body.contains("\"cost\":"));
    Ok(())
}

#[tokio::test]
async fn the_callers_secrets_stay_here_and_the_providers_cookies_there() -> Result<()> {
    let provider = Provider::start();
    provider.require_key("sk-real");
    let world = World::start(Objects::new(&[("openai", &provider, "m")]).key("openai", "sk-real")).await?;
    let headers = [
        ("authorization", "Bearer pk-placeholder"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("accept-encoding", "gzip"),
        ("expect", "100-continue"),
        ("x-request-id", "theirs"),
        ("x-stainless-lang", "python"),
    ];
    let body = chat("auto").to_string();
    let answer = send(world.address, "POST", "/v1/chat/completions", &headers, body.as_bytes()).await?;
    assert!(answer.body.contains("w60"), "{answer:?}");
    assert_ne!(answer.id(), "theirs");
    let received = provider.requests().remove(0);
    assert_eq!(received.header("authorization"), Some("Bearer sk-real"));
    assert_eq!(received.header("x-stainless-lang"), Some("python"));
    for gone in ["cookie", "x-forwarded-for", "accept-encoding", "expect", "x-request-id"] {
        assert_eq!(received.header(gone), None, "{gone}");
    }
    Ok(())
}

#[tokio::test]
async fn calls_share_one_connection_upstream() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    for _ in 0..5 {
        assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    }
    assert_eq!(provider.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn a_provider_behind_tls_is_reached_with_the_authority_that_was_added() -> Result<()> {
    let provider = Provider::start_tls();
    let folder = tempfile::tempdir()?;
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, provider.ca_pem().unwrap())?;
    let objects = Objects::new(&[("openai", &provider, "m")]);
    let config = Config { extra_roots: Some(roots), ..Config::default() };
    let world = World::start_with(config, objects.clone()).await?;
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    let stranger = World::start(objects).await?;
    let refused = call(stranger.address, &chat("auto")).await?;
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].clone()),
        (503, json!("upstream_unavailable"))
    );
    Ok(())
}

#[tokio::test]
async fn private_addresses_are_not_connected_to_unless_allowed() -> Result<()> {
    let provider = Provider::start();
    for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1"] {
        let objects = Objects::new(&[("openai", &provider, "m")]).each(|provider| {
            if let pointsman_config::provider::Upstream::Http(http) = &mut provider.upstream {
                (http.allow_private, http.host) = (false, host.to_owned());
            }
        });
        let world = World::start(objects).await?;
        assert_eq!(call(world.address, &chat("auto")).await?.status, 503, "{host}");
    }
    assert_eq!(provider.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn cached_tokens_and_reasoning_cost_what_the_provider_bills() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let thinking = Model {
        input_tokens: Some(1000),
        cached_input_tokens: 900,
        reasoning_tokens: 500,
        ..Model::priced(PRICE)
    };
    provider.serve("m", thinking);
    let answer = call(world.address, &chat("auto")).await?;
    let billed = provider.billed_nano();
    assert_eq!(answer.header("x-pointsman-cost"), Some(Nano(billed).to_string().as_str()));
    Ok(())
}

#[tokio::test]
async fn missing_usage_is_counted_and_marked_uncertain() -> Result<()> {
    let provider = Provider::start();
    let world =
        World::start(Objects::new(&[("openai", &provider, "m")]).budget("month", "5 USD", Window::Month))
            .await?;
    provider.script("m", [Fault::MissingUsage]);
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    let report = world.sidecar.budgets_report().await.remove(0);
    assert!(report.spent > 0 && report.uncertain == report.spent, "{report:?}");
    Ok(())
}

#[tokio::test]
async fn models_are_listed_and_a_decision_is_shown_without_forwarding() -> Result<()> {
    let provider = Provider::start();
    let world =
        World::start(Objects::new(&[("openai", &provider, "big"), ("openai", &provider, "small")])).await?;
    let models = get(world.address, "/v1/models").await?.json();
    let ids: Vec<_> = models["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids, ["auto", "big", "small"]);
    for body in [chat("auto"), json!({ "prompt": "Which melts first?", "max_tokens": 50 })] {
        let decision = post(world.address, "/v1/route", &body).await?.json();
        assert_eq!(decision["recommended_model"], json!("big"), "{decision}");
        assert_eq!(decision["provider"], json!("shop/openai"));
        assert_eq!(decision["model_ranking"][1]["verdict"], json!("stands_by"));
        assert_eq!(decision["confidence"], json!(0.9));
    }
    assert_eq!(provider.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn health_and_metrics_are_there_for_probes() -> Result<()> {
    let provider = Provider::start();
    let admin = Some("127.0.0.1:0".parse()?);
    let config = Config { admin, admin_on_data: false, ..Config::default() };
    let sidecar = pointsman_sidecar::Sidecar::start(config)?;
    let (data, admin) = (sidecar.data_addrs()[0], sidecar.admin_addr().unwrap());
    assert_eq!(get(admin, "/healthz").await?.status, 200);
    assert_eq!(get(admin, "/readyz").await?.status, 503);
    assert_eq!(call(data, &chat("auto")).await?.json()["error"]["code"], json!("not_configured"));
    sidecar.apply(Objects::new(&[("openai", &provider, "m")]).update()).await;
    assert_eq!(get(admin, "/readyz").await?.status, 200);
    assert_eq!(call(data, &chat("auto")).await?.status, 200);
    let metrics = get(admin, "/metrics").await?.body;
    for line in [
        "gen_ai_client_token_usage_sum{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"shop/openai\",gen_ai_request_model=\"m\",gen_ai_token_type=\"output\"} 60",
        "gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"shop/openai\",gen_ai_request_model=\"m\"} 1",
        "pointsman_calls_total{policy=\"shop/default\",provider=\"shop/openai\",model=\"m\"} 1",
        "pointsman_target_state{provider=\"shop/openai\",model=\"m\",state=\"Healthy\"} 1",
        "pointsman_errors_total{error_type=\"not_configured\"} 1",
    ] {
        assert!(metrics.lines().any(|known| known.starts_with(line)), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(get(data, "/metrics").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn shutting_down_lets_a_call_finish_and_takes_no_new_ones() -> Result<()> {
    let provider = Provider::start();
    let World { sidecar, address } = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    provider.script("m", [Fault::Hold(pointsman_test_support::provider::Point::Head)]);
    let waiting = tokio::spawn(async move { call(address, &chat("auto")).await });
    provider.wait_for_requests(1).await?;
    let ended = tokio::spawn(sidecar.shutdown(pointsman_test_support::LONG));
    pointsman_test_support::wait_for("no new connections", pointsman_test_support::LONG, || async {
        Ok(tokio::net::TcpStream::connect(address).await.is_err().then_some(()))
    })
    .await?;
    provider.release();
    assert_eq!(waiting.await??.text(), sixty_words());
    ended.await?;
    assert_eq!(provider.entries()[0].outcome, Outcome::Answered);
    Ok(())
}
