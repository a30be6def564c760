//! A scorer that feedback shows to do harm is not believed, until feedback shows that it helps; and nothing of that is
//! forgotten at a restart.

use std::path::Path;

use anyhow::Result;
use pointsman_config::money::Nano;
use pointsman_config::policy::SpendPerWindow;
use pointsman_config::window::Window;
use pointsman_sidecar::Config;
use pointsman_test_support::provider::Provider;
use serde_json::{Value, json};

use crate::client::{call, get, post};
use crate::scoring::routing_model;
use crate::world::{Objects, World};

/// More than any verdict needs, far less than what would hide that one is missing.
const CALLS_AT_MOST: usize = 400;

/// By its prior "small" is the better one; the scorer says that proofs are for "large".
async fn world(provider: &Provider, learned: &Path) -> Result<World> {
    let objects = Objects::new(&[("openai", provider, "small"), ("openai", provider, "large")]);
    let config = Config {
        routing_model: Some(routing_model().0),
        learned: Some(learned.to_owned()),
        ..Config::default()
    };
    World::start_with(config, objects).await
}

fn proof() -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": "I need a proof of this."}]})
}

async fn says(world: &World, verdict: &str) -> Result<bool> {
    let metrics = get(world.address, "/metrics").await?.body;
    Ok(metrics
        .contains(&format!("pointsman_scorer_verdict{{policy=\"shop/default\",verdict=\"{verdict}\"}} 1")))
}

/// Asks for proofs and rates every answer, by who gave it, until the verdict is found; how many it took.
async fn rate_until(world: &World, verdict: &str, large: f64, small: f64) -> Result<usize> {
    for calls in 1..=CALLS_AT_MOST {
        let answer = call(world.address, &proof()).await?;
        let is_large = answer.header("x-pointsman-model") == Some("large");
        let feedback = json!({"id": answer.id(), "score": if is_large { large } else { small }});
        assert_eq!(post(world.address, "/v1/feedback", &feedback).await?.status, 200);
        if says(world, verdict).await? {
            return Ok(calls);
        }
    }
    anyhow::bail!("no verdict {verdict} after {CALLS_AT_MOST} calls")
}

async fn model_of(world: &World) -> Result<String> {
    let answer = call(world.address, &proof()).await?;
    Ok(answer.header("x-pointsman-model").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_scorer_that_harms_is_switched_off_and_on_again_and_a_restart_forgets_neither() -> Result<()> {
    let provider = Provider::start();
    let folder = tempfile::tempdir()?;
    let first = world(&provider, folder.path()).await?;
    assert_eq!(model_of(&first).await?, "large");
    // The scorer praises the large model for proofs and thinks little of the small one: it is the other way round.
    let calls = rate_until(&first, "Harms", 0.0, 1.0).await?;
    assert!(calls > 5, "no verdict rests on {calls} calls");
    assert_eq!(model_of(&first).await?, "small", "every prompt gets the priors now");
    first.sidecar.shutdown(std::time::Duration::from_secs(5)).await;

    let second = world(&provider, folder.path()).await?;
    assert!(says(&second, "Harms").await?);
    assert_eq!(model_of(&second).await?, "small", "the verdict outlives the process");
    // Now the small model is as bad at proofs as the scorer always said.
    rate_until(&second, "Helps", 0.9, 0.2).await?;
    assert_eq!(model_of(&second).await?, "large");
    second.sidecar.shutdown(std::time::Duration::from_secs(5)).await;

    let third = world(&provider, folder.path()).await?;
    assert!(says(&third, "Helps").await?);
    assert_eq!(model_of(&third).await?, "large");
    Ok(())
}

#[tokio::test]
async fn what_was_learned_of_one_scorer_says_nothing_of_another_and_a_damaged_file_costs_no_call()
-> Result<()> {
    let provider = Provider::start();
    let folder = tempfile::tempdir()?;
    let first = world(&provider, folder.path()).await?;
    rate_until(&first, "Harms", 0.0, 1.0).await?;
    first.sidecar.shutdown(std::time::Duration::from_secs(5)).await;
    let file = folder.path().join("learned.json");
    let text = std::fs::read_to_string(&file)?;
    let scorer = serde_json::from_str::<Value>(&text)?["policies"]["shop/default"]["scorer"].clone();
    std::fs::write(&file, text.replace(scorer.as_str().unwrap(), "another"))?;
    let second = world(&provider, folder.path()).await?;
    assert!(says(&second, "Unproven").await?);
    drop(second);
    std::fs::write(&file, &text[..text.len() / 2])?;
    let third = world(&provider, folder.path()).await?;
    assert!(says(&third, "Unproven").await?);
    assert_eq!(model_of(&third).await?, "large");
    Ok(())
}

#[tokio::test]
async fn a_restarted_process_goes_on_in_the_window_of_its_target() -> Result<()> {
    let provider = Provider::start();
    let folder = tempfile::tempdir()?;
    let spent = || -> Result<u64> {
        let text = std::fs::read_to_string(folder.path().join("learned.json"))?;
        let learned: Value = serde_json::from_str(&text)?;
        Ok(learned["policies"]["shop/default"]["window"][1].as_u64().unwrap_or(0))
    };
    let mut sums = Vec::new();
    for _ in 0..2 {
        let objects = Objects::new(&[("openai", &provider, "large"), ("openai", &provider, "small")]);
        let target = SpendPerWindow { amount: Nano(40_000_000_000), window: Window::Total };
        let objects = objects.policy(|policy| policy.strategy.spend_per_window = Some(target));
        let config = Config { learned: Some(folder.path().to_owned()), ..Config::default() };
        let world = World::start_with(config, objects).await?;
        call(world.address, &proof()).await?;
        world.sidecar.shutdown(std::time::Duration::from_secs(5)).await;
        sums.push(spent()?);
    }
    assert_eq!(sums, [provider.billed_nano() / 2, provider.billed_nano()]);
    Ok(())
}
