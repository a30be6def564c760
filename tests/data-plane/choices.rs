//! What callers decide for one call, and policies that only watch.

use anyhow::Result;
use pointsman_config::money::PricePerMillion;
use pointsman_config::policy::{CallerOverride, Mode, Objective, Recording};
use pointsman_test_support::provider::Provider;
use serde_json::json;

use crate::client::{Answer, call, chat, get, send};
use crate::world::{Objects, World};

/// `best` at the prices of the provider's books, `cheap` said to cost a tenth of that.
fn two(provider: &Provider) -> Objects {
    Objects::new(&[("p", provider, "best"), ("p", provider, "cheap")]).each(|provider| {
        let prices = provider.models[1].prices.as_mut().unwrap();
        prices.input = PricePerMillion(prices.input.0 / 10);
        prices.output = PricePerMillion(prices.output.0 / 10);
    })
}

async fn ask(world: &World, headers: &[(&str, &str)]) -> Result<Answer> {
    let body = chat("auto").to_string();
    send(world.address, "POST", "/v1/chat/completions", headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_policy_that_observes_serves_the_own_choice_and_counts_what_it_would_have_saved() -> Result<()> {
    let provider = Provider::start();
    let objects = two(&provider).policy(|policy| {
        policy.mode = Mode::Observe;
        policy.objective = Objective::Cost;
        policy.baseline = Some("best".to_owned());
    });
    let world = World::start(objects).await?;
    let answer = call(world.address, &chat("auto")).await?;
    assert_eq!(answer.header("x-pointsman-model"), Some("best"));
    assert_eq!(answer.header("x-pointsman-reason"), Some("default"));
    let named = call(world.address, &chat("cheap")).await?;
    assert_eq!(named.header("x-pointsman-reason"), Some("requested"));
    let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
    assert_eq!(record["decision"]["recommended_model"], json!("cheap"));
    assert_eq!(record["decision"]["served_model"], json!("best"));
    assert_eq!(record["served"]["model"], json!("best"));
    let totals = world.sidecar.totals().await;
    assert_eq!((totals.requests, totals.routed, totals.compared), (2, 0, 2));
    assert!(totals.chosen.0 * 4 < totals.baseline.0, "{totals:?}");
    Ok(())
}

#[tokio::test]
async fn a_policy_that_records_nothing_keeps_no_call() -> Result<()> {
    let provider = Provider::start();
    for (recording, kept) in [(Recording::Metadata, 200), (Recording::None, 404)] {
        let world = World::start(two(&provider).policy(|policy| policy.recording = recording)).await?;
        let answer = call(world.address, &chat("auto")).await?;
        assert_eq!(get(world.address, &format!("/v1/calls/{}", answer.id())).await?.status, kept);
        assert_eq!(world.sidecar.totals().await.requests, 1, "it is counted all the same");
    }
    Ok(())
}

#[tokio::test]
async fn what_callers_may_decide_is_obeyed_and_stays_here() -> Result<()> {
    let provider = Provider::start();
    let all = vec![CallerOverride::Objective, CallerOverride::MaxCost, CallerOverride::Candidates];
    let world = World::start(two(&provider).policy(|policy| policy.caller_overrides = all)).await?;
    for (headers, model) in [
        (&[][..], "best"),
        (&[("x-pointsman-objective", "cost")], "cheap"),
        (&[("x-pointsman-candidates", "cheap")], "cheap"),
        (&[("x-pointsman-max-cost", "0.0001")], "cheap"),
    ] {
        let answer = ask(&world, headers).await?;
        assert_eq!(answer.header("x-pointsman-model"), Some(model), "{headers:?}: {}", answer.body);
    }
    assert_eq!(call(world.address, &chat("auto:cheap")).await?.header("x-pointsman-model"), Some("cheap"));
    for received in provider.requests() {
        assert!(received.headers.keys().all(|name| !name.as_str().starts_with("x-pointsman-")));
    }
    Ok(())
}

#[tokio::test]
async fn a_header_that_cannot_be_obeyed_is_refused_by_its_name() -> Result<()> {
    let provider = Provider::start();
    let allowed = vec![CallerOverride::MaxCost];
    let world = World::start(two(&provider).policy(|policy| policy.caller_overrides = allowed)).await?;
    for (header, value, why) in [
        (
            "x-pointsman-objective",
            "Cost",
            "policy shop/default does not let callers set it: its spec.callerOverrides must list Objective",
        ),
        ("x-pointsman-max-cost", "lots", "write USD above zero as digits, such as 0.02"),
    ] {
        let answer = ask(&world, &[(header, value)]).await?;
        let error = &answer.json()["error"];
        let message = format!("Header {header} cannot be obeyed: {why}. Request {}.", answer.id());
        assert_eq!((answer.status, error["message"].as_str()), (400, Some(message.as_str())));
        assert_eq!((&error["param"], &error["code"]), (&json!(header), &json!("invalid_header")));
    }
    assert_eq!(call(world.address, &chat("auto:cheap")).await?.status, 404);
    assert_eq!(provider.requests().len(), 0);
    Ok(())
}
