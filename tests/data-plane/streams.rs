//! Answers that stream: what passes, what is hidden, how they break.

use anyhow::Result;
use pointsman_config::money::Nano;
use pointsman_test_support::provider::{Fault, Outcome, Point, Provider, sixty_words};
use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::client::{call, get, open, streamed};
use crate::world::{Objects, World};

async fn record(world: &World, id: &str) -> Result<Value> {
    let path = format!("/v1/calls/{id}");
    wait_for("the record is written", LONG, || async {
        let answer = get(world.address, &path).await?;
        Ok((answer.status == 200).then(|| answer.json()))
    })
    .await
}

#[tokio::test]
async fn a_stream_passes_whole_with_an_estimate_and_hides_the_usage_nobody_asked_for() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let answer = call(world.address, &streamed("auto")).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.header("x-pointsman-cost-estimate").is_some());
    assert_eq!(answer.header("x-pointsman-cost"), None);
    assert_eq!(answer.streamed_text(), sixty_words());
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
    assert!(!answer.body.contains("prompt_tokens"), "{}", answer.body);
    assert_eq!(provider.requests()[0].json()["stream_options"]["include_usage"], json!(true));
    let record = record(&world, answer.id()).await?;
    assert_eq!(record["cost_nano"], json!(provider.billed_nano()));
    assert_eq!(record["uncertain_nano"], json!(0));
    Ok(())
}

#[tokio::test]
async fn the_usage_chunk_comes_to_who_asked_with_the_cost_where_wanted() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]);
    let mut body = streamed("auto");
    body["stream_options"] = json!({ "include_usage": true });
    let world = World::start(objects.clone()).await?;
    let answer = call(world.address, &body).await?;
    assert!(answer.body.contains("\"prompt_tokens\"") && !answer.body.contains("\"cost\""));
    let annotate = |policy: &mut pointsman_config::policy::PolicyConfig| {
        policy.annotate = pointsman_config::policy::Annotate::Body;
    };
    let world = World::start(objects.policy(annotate)).await?;
    let answer = call(world.address, &body).await?;
    let cost = Nano(provider.entries()[1].cost_nano);
    assert!(answer.body.contains(&format!("\"cost\":{cost}")), "{}", answer.body);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_dies_after_the_first_content_ends_in_an_error_event() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m"), ("other", &provider, "second")]);
    let world = World::start(objects).await?;
    provider.script("m", [Fault::Cut(Point::Chunk(40))]);
    let answer = call(world.address, &streamed("auto")).await?;
    let last: Value = serde_json::from_str(answer.events().last().unwrap())?;
    let words = answer.streamed_text().split_whitespace().count();
    let message = format!(
        "Provider shop/openai ended the stream after {words} tokens. What arrived is incomplete. Request {}.",
        answer.id()
    );
    let expected = json!({ "error": { "message": message, "type": "server_error", "param": null, "code": "upstream_stream_cut" } });
    assert_eq!(last, expected);
    assert!((1..=40).contains(&words) && !answer.body.contains("[DONE]"), "{}", answer.body);
    assert_eq!(provider.requests().len(), 1, "another model never continues what one has begun");
    let record = record(&world, answer.id()).await?;
    assert_eq!(record["status"], json!("upstream_stream_cut"));
    assert!(record["uncertain_nano"].as_u64() > Some(0));
    Ok(())
}

#[tokio::test]
async fn before_the_first_content_a_fallback_answers_the_stream() -> Result<()> {
    let provider = Provider::start();
    let world =
        World::start(Objects::new(&[("openai", &provider, "m"), ("other", &provider, "second")])).await?;
    provider.always("m", Fault::Cut(Point::Chunk(0)));
    let answer = call(world.address, &streamed("auto")).await?;
    assert_eq!(answer.streamed_text(), sixty_words());
    assert_eq!(answer.header("x-pointsman-model"), Some("second"));
    assert_eq!(answer.header("x-pointsman-reason"), Some("fallback"));
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_cancels_upstream_and_is_charged_what_was_counted() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    provider.script("m", [Fault::Hold(Point::Chunk(10))]);
    let body = streamed("auto").to_string();
    let mut stream = open(world.address, "POST", "/v1/chat/completions", &[], body.as_bytes()).await?;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("w5") {
        assert_ne!(stream.read_buf(&mut seen).await?, 0);
    }
    drop(stream);
    let entries = provider.wait_until_settled(1).await?;
    assert_eq!(entries[0].outcome, Outcome::Abandoned);
    let id = crate::client::parse(&seen)?.id().to_owned();
    let record = record(&world, &id).await?;
    assert_eq!(record["status"], json!("client_gone"));
    assert!(
        record["cost_nano"].as_u64() > Some(0) && record["cost_nano"] == record["uncertain_nano"],
        "{record}"
    );
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_answer_cancels_upstream_too() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    provider.script("m", [Fault::Hold(Point::Head)]);
    let body = crate::client::chat("auto").to_string();
    let stream = open(world.address, "POST", "/v1/chat/completions", &[], body.as_bytes()).await?;
    provider.wait_for_requests(1).await?;
    drop(stream);
    assert_eq!(provider.wait_until_settled(1).await?[0].outcome, Outcome::Abandoned);
    wait_for("the call is charged", LONG, || async {
        let totals = world.sidecar.totals().await;
        Ok((totals.cost.0 > 0 && totals.cost == totals.uncertain).then_some(()))
    })
    .await
}

#[tokio::test]
async fn streams_at_once_settle_to_the_providers_books() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let calls = (0..32).map(|_| async {
        let body = streamed("auto");
        call(world.address, &body).await
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer?.streamed_text(), sixty_words());
    }
    let billed = provider.billed_nano();
    wait_for("every stream has settled", LONG, || async {
        Ok((world.sidecar.totals().await.cost.0 == billed).then_some(()))
    })
    .await
}
