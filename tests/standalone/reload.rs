//! A saved edit is served; a broken one is not, and says where it broke.

use pointsman_test_support::provider::{Model, Provider};
use pointsman_test_support::{LONG, wait_for};
use serde_json::Value;

use crate::client::ask;
use crate::gateway::Gateway;
use crate::world::{CHEAP, POLICY, World};

const SECOND: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: second, namespace: shop}
spec:
  virtualModels: [thrifty]
  candidates:
    - model: gpt-y
";

#[tokio::test]
async fn a_policy_that_is_saved_is_served_and_one_that_is_deleted_is_gone() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    assert_eq!(
        gateway.client.chat(&ask("thrifty", "hello")).await?.code().as_deref(),
        Some("model_not_found")
    );
    world.write("second.yaml", SECOND)?;
    wait_until_offered(&gateway, "thrifty", true).await?;
    let answer = gateway.client.chat(&ask("thrifty", "hello")).await?;
    assert_eq!((answer.status, answer.header("x-pointsman-policy")), (200, Some("shop/second")));
    world.remove("second.yaml")?;
    wait_until_offered(&gateway, "thrifty", false).await?;
    assert_eq!(
        gateway.client.chat(&ask("thrifty", "hello")).await?.code().as_deref(),
        Some("model_not_found")
    );
    assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    gateway.stop().await
}

#[tokio::test]
async fn the_last_good_version_of_a_file_that_broke_serves_on() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    let broken = [
        // Not YAML at all, from line 6 on.
        (POLICY.replace("candidates:", "candidates: ["), "policy.yaml:"),
        // A field that does not exist.
        (POLICY.replace("objective:", "objektive:"), "policy.yaml:5:3"),
        // Saved half: the candidates are missing.
        ("apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {name: default, namespace: shop}\n".to_owned(), "policy.yaml:"),
    ];
    for (number, (text, place)) in broken.into_iter().enumerate() {
        world.write("policy.yaml", &text)?;
        // A second file shows that the edit has been taken in, and that the broken file blocks nothing.
        let name = format!("other-{number}");
        world.write("other.yaml", &SECOND.replace("thrifty", &name))?;
        wait_until_offered(&gateway, &name, true).await?;
        gateway.wait_for_line(place).await?;
        gateway.wait_for_line("The last good version serves on: RoutingPolicy shop/default.").await?;
        let answer = gateway.client.chat(&ask("auto", "hello")).await?;
        assert_eq!((answer.status, answer.header("x-pointsman-model")), (200, Some("gpt-x")), "{number}");
    }
    world.write("policy.yaml", &POLICY.replace("Quality", "Cost"))?;
    wait_for("the mended policy is served", LONG, || async {
        let answer = gateway.client.chat(&ask("auto", "hello")).await?;
        Ok((answer.header("x-pointsman-model") == Some("gpt-y")).then_some(()))
    })
    .await?;
    gateway.stop().await
}

#[tokio::test]
async fn a_folder_that_is_broken_from_the_start_serves_what_is_whole() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let broken = "apiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {name: broken, namespace: shop}\n\
                  spec: {type: OpenAI, model: []}\n";
    world.write("broken.yaml", broken)?;
    let gateway = Gateway::start(&world).await?;
    gateway.wait_for_line("broken.yaml:").await?;
    assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    gateway.stop().await
}

#[tokio::test]
async fn a_budget_that_is_broken_from_the_start_is_not_served_around() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    for limits in [
        "[{name: day, amount: 5, window: Day}]",
        "[{name: day, amount: 5 USD, window: Day, timeZone: Moon/Crater}]",
    ] {
        let budget = format!(
            "apiVersion: pointsman.dev/v1alpha1\nkind: Budget\nmetadata: {{name: held}}\nspec: {{limits: {limits}}}\n"
        );
        world.write("held.yaml", &budget)?;
        let Err(failed) = Gateway::start(&world).await.map(drop) else {
            anyhow::bail!("{limits} is held");
        };
        assert!(format!("{failed:#}").contains("Budget default/held would not be held"), "{failed:#}");
    }
    Ok(())
}

/// Else its rules and requirements would silently be nobody's, and every model would answer in its name.
#[tokio::test]
async fn a_policy_that_is_broken_from_the_start_is_not_served_around() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    for broken in [
        POLICY.replace("candidates:", "candidate:"),
        POLICY.to_owned()
            + "  rules: [{name: r, matches: [{text: {regex: \"(\"}}], action: {type: Reject, reject: {message: no}}}]\n",
    ] {
        world.write("policy.yaml", &broken)?;
        let Err(failed) = Gateway::start(&world).await.map(drop) else {
            anyhow::bail!("{broken} is obeyed");
        };
        assert!(
            format!("{failed:#}").contains("RoutingPolicy shop/default would not be obeyed"),
            "{failed:#}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_runs_while_everything_changes_is_answered() -> anyhow::Result<()> {
    use pointsman_test_support::provider::{Fault, Point};
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    provider.script("gpt-x", [Fault::Hold(Point::Head)]);
    let (client, request) = (gateway.client, ask("auto", "hello"));
    let running = tokio::spawn(async move { client.chat(&request).await });
    provider.wait_for_requests(1).await?;
    world.write("second.yaml", SECOND)?;
    world.write("policy.yaml", &POLICY.replace("[auto]", "[other]").replace("Quality", "Cost"))?;
    wait_until_offered(&gateway, "thrifty", true).await?;
    provider.release();
    let answer = running.await??;
    assert_eq!(
        (answer.status, answer.header("x-pointsman-model")),
        (200, Some("gpt-x")),
        "{}",
        answer.text()
    );
    gateway.stop().await
}

#[tokio::test]
async fn an_edited_provider_is_called_with_its_new_price() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let manifest = std::fs::read_to_string(world.manifests().join("provider.yaml"))?;
    let gateway = Gateway::start(&world).await?;
    let dear = gateway.client.chat(&ask("gpt-x", "hello")).await?.cost_nano()?;
    assert_eq!(dear, provider.billed_nano());
    let cheaper = manifest.replace(
        "input: \"1.25\", cachedInput: \"0.125\", output: \"10\"",
        "input: \"0.05\", cachedInput: \"0.005\", output: \"0.4\"",
    );
    assert_ne!(cheaper, manifest);
    world.write("provider.yaml", &cheaper)?;
    provider.serve("gpt-x", Model::priced(CHEAP));
    wait_for("the new price is in force", LONG, || async {
        let before = provider.billed_nano();
        let cost = gateway.client.chat(&ask("gpt-x", "hello")).await?.cost_nano()?;
        Ok((cost == provider.billed_nano() - before).then_some(()))
    })
    .await?;
    gateway.stop().await
}

async fn wait_until_offered(gateway: &Gateway, name: &str, offered: bool) -> anyhow::Result<()> {
    wait_for(&format!("offered: {name}: {offered}"), LONG, || async {
        let models = gateway.client.get("/v1/models").await?.json()?;
        let data = models["data"].as_array().cloned().unwrap_or_default();
        let found = data.iter().any(|model| model.get("id").and_then(Value::as_str) == Some(name));
        Ok((found == offered).then_some(()))
    })
    .await
}
