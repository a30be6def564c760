//! Money: what Pointsman says a call cost is what the provider billed, to the nano-dollar, wherever it is said.

use pointsman_test_support::provider::{Fault, Model, Point, Provider};
use serde_json::Value;

use crate::client::{ask, ask_streamed, nano};
use crate::gateway::{Gateway, Ledger};
use crate::world::{PRICE, World, strict_budget};

#[tokio::test]
async fn headers_records_metrics_and_ledger_say_what_the_provider_billed() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(10_000_000_000))?;
    let odd = Model {
        input_tokens: Some(333),
        cached_input_tokens: 111,
        reasoning_tokens: 7,
        ..Model::priced(PRICE)
    };
    let gateway = Gateway::start(&world).await?;
    let (mut headers, mut records, mut ids) = (0, 0, Vec::new());
    for round in 0..24 {
        if round == 12 {
            provider.serve("gpt-x", odd.clone());
        }
        let model = ["auto", "gpt-y", "gpt-x"][round % 3];
        if round % 5 == 0 {
            provider.script("gpt-x", [Fault::status(503)]);
        }
        let text = "word ".repeat(1 + round * 7);
        if round % 2 == 0 {
            let answer = gateway.client.chat(&ask(model, &text)).await?;
            assert_eq!(answer.status, 200, "{}", answer.text());
            headers += answer.cost_nano()?;
            ids.push(answer.header("x-request-id").unwrap_or_default().to_owned());
        } else {
            let answer = gateway.client.open(&ask_streamed(model, &text)).await?.whole().await?;
            assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
            let id = answer.header("x-request-id").unwrap_or_default().to_owned();
            headers += record_cost(&gateway, &id).await?;
            ids.push(id);
        }
    }
    for id in &ids {
        records += record_cost(&gateway, id).await?;
    }
    let billed = provider.billed_nano();
    let told = [headers, records, gateway.cost_nano().await?, gateway.ledger().await?.spent];
    assert_eq!(told, [billed; 4], "headers, records, metrics, ledger; billed {billed}");
    let uncertain = gateway.metric("pointsman_cost_uncertain_usd_total", "").await?;
    assert!(uncertain.iter().all(|usd| nano(usd).is_ok_and(|nano| nano == 0)), "{uncertain:?}");
    gateway.stop().await
}

#[tokio::test]
async fn what_the_provider_does_not_tell_is_estimated_marked_and_bounded() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    provider.script("gpt-x", [Fault::MissingUsage, Fault::MissingUsage, Fault::Cut(Point::Chunk(30))]);
    let whole = gateway.client.chat(&ask("gpt-x", "hello")).await?;
    let stream = gateway.client.open(&ask_streamed("gpt-x", "hello")).await?.whole().await?;
    let cut = gateway.client.open(&ask_streamed("gpt-x", "hello")).await?.whole().await?;
    assert!(cut.text().contains("upstream_stream_cut"), "{}", cut.text());
    let entries = provider.wait_until_settled(3).await?;
    for (answer, entry) in [whole, stream, cut].iter().zip(entries) {
        let record = gateway.call_record(answer.header("x-request-id").unwrap_or_default()).await?;
        let (cost, uncertain) = (record["cost_nano"].as_u64(), record["uncertain_nano"].as_u64());
        assert_eq!(cost, uncertain, "all of it is an estimate");
        // Words are not tokens: an estimate from characters is within a factor of this provider's count.
        let (cost, billed) = (cost.unwrap_or_default(), entry.cost_nano);
        assert!(billed / 3 <= cost && cost <= billed * 3, "{cost} was noted of {billed}");
    }
    gateway.stop().await
}

#[tokio::test]
async fn a_clean_end_burns_nothing_and_forgets_nothing() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(10_000_000_000))?;
    for life in 1..=3 {
        let gateway = Gateway::start(&world).await?;
        let before = provider.billed_nano();
        assert_eq!(gateway.ledger().await?, Ledger { spent: before, burned: 0 }, "life {life}");
        for _ in 0..5 {
            assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
        }
        gateway.stop().await?;
    }
    assert_eq!(provider.entries().len(), 15);
    Ok(())
}

async fn record_cost(gateway: &Gateway, id: &str) -> anyhow::Result<u64> {
    let record = gateway.call_record(id).await?;
    record.get("cost_nano").and_then(Value::as_u64).ok_or_else(|| anyhow::anyhow!("no cost in {record}"))
}
