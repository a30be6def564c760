//! What a caller sees when all goes well, and what the records and the provider's books say of it.

use anyhow::Result;
use pointsman_test_support::provider::{Provider, sixty_words};
use serde_json::json;

use crate::client::{call, chat, get};
use crate::world::{Objects, World};

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
    let billed = provider.billed_nano();
    assert_eq!(answer.header("x-pointsman-cost"), Some(pointsman_config::money::Nano(billed).to_string().as_str()));
    assert_eq!(world.sidecar.totals().await.cost.0, billed);
    let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
    assert_eq!(record["cost_nano"], json!(billed));
    assert_eq!(record["status"], json!("answered"));
    assert_eq!(record["served"], json!({ "model": "gpt-5-mini", "provider": "shop/openai" }));
    Ok(())
}
