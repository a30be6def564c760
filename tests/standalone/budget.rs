//! A Strict budget holds, whoever calls at the same time.

use std::collections::BTreeMap;

use pointsman_test_support::provider::{Fault, Provider};
use pointsman_test_support::{LONG, wait_for};
use tokio::task::JoinSet;

use crate::client::{Client, ask, ask_streamed};
use crate::gateway::{Gateway, Ledger};
use crate::world::{POLICY, World, strict_budget};

const CALLERS: usize = 64;
const CALLS_EACH: usize = 8;
/// About 120 calls to the dear model, of the 512 that are tried.
const LIMIT: u64 = 75_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_at_once_never_exceed_a_strict_budget() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("policy.yaml", &POLICY.replace("    - model: gpt-y\n", ""))?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let gateway = Gateway::start(&world).await?;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(call_often(gateway.client, caller));
    }
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(told) = callers.join_next().await {
        told??.into_iter().for_each(|end| *ends.entry(end).or_default() += 1);
    }
    let kinds: Vec<&str> = ends.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["200", "429 budget_exhausted"], "{ends:?}");
    assert_eq!(ends.values().sum::<usize>(), CALLERS * CALLS_EACH);

    // Nobody is refused while there is room: alone, one can use up what is left.
    while gateway.client.chat(&ask("auto", "hello")).await?.status == 200 {}
    let entries = provider.wait_until_settled(ends["200"]).await?;
    let billed = provider.billed_nano();
    assert!(billed <= LIMIT, "{billed} of {LIMIT}");
    let dearest = entries.iter().map(|entry| entry.cost_nano).max().unwrap_or_default();
    assert!(billed + 2 * dearest > LIMIT, "refused with {} left, and a call costs {dearest}", LIMIT - billed);
    assert_eq!(gateway.ledger().await?.spent, billed);
    gateway.stop().await
}

#[tokio::test]
async fn a_call_that_the_provider_refuses_gives_its_reservation_back() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("policy.yaml", &POLICY.replace("    - model: gpt-y\n", ""))?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let gateway = Gateway::start(&world).await?;
    provider.always("gpt-x", Fault::error(400, "invalid_request_error", "bad", "No."));
    for _ in 0..300 {
        assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 400);
    }
    provider.always("gpt-x", Fault::None);
    assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    assert_eq!(gateway.ledger().await?.spent, provider.billed_nano());
    gateway.stop().await
}

#[tokio::test]
async fn a_call_that_could_cost_more_than_is_left_is_refused_before_it_is_sent() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(1_000_000))?;
    let gateway = Gateway::start(&world).await?;
    let mut large = ask("gpt-x", "hello");
    large["max_tokens"] = 1_000_000.into();
    let answer = gateway.client.chat(&large).await?;
    assert_eq!(
        (answer.status, answer.code().as_deref()),
        (429, Some("budget_exhausted")),
        "{}",
        answer.text()
    );
    assert_eq!(provider.requests().len(), 0);
    assert_eq!(gateway.client.chat(&ask("gpt-x", "hello")).await?.status, 200);
    gateway.stop().await
}

#[tokio::test]
async fn a_cheaper_candidate_answers_where_the_dear_one_has_no_room() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(1_000_000).replace("Reject", "Degrade"))?;
    let gateway = Gateway::start(&world).await?;
    let models = async || -> anyhow::Result<Option<String>> {
        let answer = gateway.client.chat(&ask("auto", "hello")).await?;
        Ok(answer.header("x-pointsman-model").map(str::to_owned))
    };
    let mut seen = Vec::new();
    while let Some(model) = models().await? {
        if seen.last() != Some(&model) {
            seen.push(model);
        }
    }
    assert_eq!(seen, ["gpt-x", "gpt-y"]);
    assert!(provider.billed_nano() <= 1_000_000);
    gateway.stop().await
}

#[tokio::test]
async fn a_budget_that_is_deleted_and_made_again_remembers() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let gateway = Gateway::start(&world).await?;
    for _ in 0..3 {
        assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    }
    world.remove("budget.yaml")?;
    wait_for("the budget is gone", LONG, || async { Ok(gateway.ledger().await.is_err().then_some(())) })
        .await?;
    let unbudgeted = gateway.client.chat(&ask("auto", "hello")).await?.cost_nano()?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let ledger = wait_for("the budget is back", LONG, || async { Ok(gateway.ledger().await.ok()) }).await?;
    assert_eq!(ledger, Ledger { spent: provider.billed_nano() - unbudgeted, burned: 0 });
    gateway.stop().await
}

#[tokio::test]
async fn a_limit_that_is_lowered_below_what_is_spent_refuses_at_once_and_one_that_is_raised_allows()
-> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let gateway = Gateway::start(&world).await?;
    for _ in 0..3 {
        assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    }
    for (limit, status) in [(1_000_000, 429), (LIMIT, 200)] {
        world.write("budget.yaml", &strict_budget(limit))?;
        wait_for(&format!("a limit of {limit} answers {status}"), LONG, || async {
            let answer = gateway.client.chat(&ask("auto", "hello")).await?;
            Ok((answer.status == status).then_some(()))
        })
        .await?;
    }
    assert_eq!(gateway.ledger().await?.spent, provider.billed_nano());
    gateway.stop().await
}

/// How each call of one caller ended.
async fn call_often(client: Client, caller: usize) -> anyhow::Result<Vec<String>> {
    let mut ends = Vec::new();
    for call in 0..CALLS_EACH {
        let text = "word ".repeat(1 + (caller + call) % 7);
        let request =
            if (caller + call).is_multiple_of(2) { ask("auto", &text) } else { ask_streamed("auto", &text) };
        let answer = client.chat(&request).await?;
        let code = answer.code().map(|code| format!(" {code}")).unwrap_or_default();
        ends.push(format!("{}{code}", answer.status));
    }
    Ok(ends)
}
