//! `pointsman explain`: which model a prompt goes to, and where a call went.

use pointsman_test_support::provider::{Fault, Provider};
use serde_json::Value;

use crate::client::{Client, ask};
use crate::gateway::Gateway;
use crate::program::run;
use crate::world::World;

#[tokio::test]
async fn a_prompt_is_explained_without_being_sent() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let folder = world.manifests();
    let folder = folder.to_string_lossy();
    let said = run(&["explain", "-f", &folder, "Which has the lowest melting point?"], &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for part in ["gpt-x", "gpt-y", "picked", "default", "Quality", "CANDIDATE"] {
        assert!(said.stdout.contains(part), "{part} is missing in\n{}", said.stdout);
    }
    let said = run(&["explain", "-f", &folder, "-o", "json", "Which has the lowest melting point?"], &[])?;
    let decision: Value = serde_json::from_str(&said.stdout)?;
    assert_eq!(
        (decision["recommended_model"].as_str(), decision["provider"].as_str()),
        (Some("gpt-x"), Some("shop/fake"))
    );
    assert_eq!(decision["routing"]["policy"], "shop/default");
    assert_eq!(provider.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn the_explanation_is_the_decision_that_a_running_one_makes() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let folder = world.manifests();
    let gateway = Gateway::start(&world).await?;
    let prompt = "Name three rivers.";
    let said =
        run(&["explain", "-f", &folder.to_string_lossy(), "-o", "json", "--max-tokens", "60", prompt], &[])?;
    let mut offline: Value = serde_json::from_str(&said.stdout)?;
    let mut question = ask("auto", prompt);
    question["seed"] = 0.into();
    let mut online = gateway.client.post("/v1/route", question.to_string()).await?.json()?;
    for decision in [&mut offline, &mut online] {
        decision.as_object_mut().map(|fields| fields.remove("processing_ms"));
    }
    assert_eq!(offline, online);
    assert_eq!(provider.requests().len(), 0);
    gateway.stop().await
}

#[tokio::test]
async fn a_call_just_made_is_explained_with_all_its_attempts() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    provider.script("gpt-x", [Fault::status(503)]);
    let answer = gateway.client.chat(&ask("auto", "hello")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.header("x-request-id").unwrap_or_default();
    let said = explain_call(gateway.client, id)?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let cost = answer.header("x-pointsman-cost").unwrap_or_default();
    for part in ["gpt-x", "503", "gpt-y", "shop/default", cost] {
        assert!(said.stdout.contains(part), "{part} is missing in\n{}", said.stdout);
    }
    gateway.stop().await
}

#[tokio::test]
async fn a_call_that_nobody_remembers_is_said_so() -> anyhow::Result<()> {
    let world = World::of(&Provider::start())?;
    let gateway = Gateway::start(&world).await?;
    let said = explain_call(gateway.client, "req_01JD7QH3W9")?;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("req_01JD7QH3W9"), "{}", said.stderr);
    let server = gateway.client.0;
    gateway.stop().await?;
    let said = explain_call(Client(server), "req_01JD7QH3W9")?;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(&server.to_string()), "{}", said.stderr);
    Ok(())
}

fn explain_call(client: Client, id: &str) -> anyhow::Result<crate::program::Said> {
    run(&["explain", id, "--server", &format!("http://{}", client.0)], &[])
}
