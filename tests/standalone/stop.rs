//! SIGTERM: unready first, what runs may end, then gone.

use std::time::Duration;

use pointsman_test_support::provider::{Fault, Outcome, Point, Provider, sixty_words};
use pointsman_test_support::{LONG, wait_for};

use crate::client::{Client, ask, ask_streamed};
use crate::gateway::Gateway;
use crate::world::{World, strict_budget};

#[tokio::test]
async fn a_running_stream_ends_well_after_the_signal() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let mut gateway = Gateway::start(&world).await?;
    provider.script("gpt-x", [Fault::Hold(Point::Chunk(5))]);
    let mut stream = gateway.client.open(&ask_streamed("auto", "hello")).await?;
    let mut text = stream.until("w5").await?;
    assert_eq!(gateway.client.get("/readyz").await?.status, 200);
    gateway.ask_to_stop()?;
    wait_until_unready(gateway.client).await?;
    provider.release();
    text.push_str(&stream.whole().await?.text());
    let words: Vec<String> = text.lines().filter_map(content).collect();
    assert_eq!(words.concat(), sixty_words());
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let status = gateway.wait_for_exit().await?;
    assert!(status.success(), "{status}\n{}", gateway.output());
    Ok(())
}

#[tokio::test]
async fn a_running_call_is_answered_after_the_signal_and_no_new_one_is_taken() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let mut gateway = Gateway::start(&world).await?;
    provider.script("gpt-x", [Fault::Hold(Point::Head)]);
    let client = gateway.client;
    let running = tokio::spawn(async move { client.chat(&ask("auto", "hello")).await });
    provider.wait_for_requests(1).await?;
    gateway.ask_to_stop()?;
    wait_until_unready(client).await?;
    wait_for("new calls are not taken", LONG, || async {
        let taken = client.chat(&ask("gpt-y", "hello")).await;
        Ok(taken.is_err().then_some(()))
    })
    .await?;
    provider.release();
    let answer = running.await??;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(gateway.wait_for_exit().await?.success());
    Ok(())
}

#[tokio::test]
async fn what_does_not_end_in_time_is_left_behind_and_charged() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(1_000_000_000))?;
    let folder = world.manifests();
    let mut gateway = Gateway::start_with(&world, Some(&folder), &["--drain-timeout", "100ms"], &[]).await?;
    provider.script("gpt-x", [Fault::Hold(Point::Chunk(5))]);
    let mut stream = gateway.client.open(&ask_streamed("auto", "hello")).await?;
    stream.until("w5").await?;
    gateway.ask_to_stop()?;
    let status = gateway.wait_for_exit().await?;
    assert!(status.success(), "{status}\n{}", gateway.output());
    assert!(stream.whole().await.is_err(), "a stream without its end must not look whole");
    provider.release();
    let [entry] =
        provider.wait_until_settled(1).await?.try_into().map_err(|all| anyhow::anyhow!("{all:?}"))?;
    assert_eq!(entry.outcome, Outcome::Abandoned);
    let again = Gateway::start(&world).await?;
    let spent = again.ledger().await?.spent;
    assert!(spent >= entry.cost_nano, "{spent} was noted of {}", entry.cost_nano);
    again.stop().await
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() -> anyhow::Result<()> {
    let world = World::of(&Provider::start())?;
    let mut gateway = Gateway::start(&world).await?;
    let idle = tokio::net::TcpStream::connect(gateway.client.0).await?;
    gateway.client.get("/healthz").await?;
    gateway.ask_to_stop()?;
    let status = tokio::time::timeout(Duration::from_secs(20), gateway.wait_for_exit()).await??;
    assert!(status.success(), "{status}");
    drop(idle);
    Ok(())
}

/// Readiness is gone: it is refused, or nobody listens any more.
async fn wait_until_unready(client: Client) -> anyhow::Result<()> {
    wait_for("it is not ready", LONG, || async {
        let ready = client.get("/readyz").await.is_ok_and(|answer| answer.status == 200);
        Ok((!ready).then_some(()))
    })
    .await
}

fn content(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
    Some(event.pointer("/choices/0/delta/content")?.as_str()?.to_owned())
}
