//! Budgets hold, and agree with the provider's books to the nano-dollar.

use anyhow::Result;
use pointsman_config::budget::{OnExhausted, Rights};
use pointsman_config::window::Window;
use pointsman_sidecar::Config;
use pointsman_test_support::provider::{Model, Provider};
use serde_json::json;

use crate::client::{Answer, call, chat, streamed};
use crate::errors::check;
use crate::store::Memory;
use crate::world::{Objects, PRICE, World};

#[tokio::test]
async fn a_strict_budget_holds_under_64_callers_and_equals_the_books() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]).budget("search", "0.10 USD", Window::Total);
    let world = World::start(objects).await?;
    let callers = (0..64).map(|caller| {
        let address = world.address;
        async move {
            let mut answered = 0;
            for turn in 0..6 {
                let mut body = if (caller + turn) % 4 == 0 { streamed("auto") } else { chat("auto") };
                body["max_tokens"] = json!(100);
                answered += usize::from(call(address, &body).await?.status == 200);
            }
            Ok::<_, anyhow::Error>(answered)
        }
    });
    let answered: usize = futures::future::try_join_all(callers).await?.into_iter().sum();
    let entries = provider.wait_until_settled(answered).await?;
    let billed = provider.billed_nano();
    let report =
        pointsman_test_support::wait_for("everything is settled", pointsman_test_support::LONG, || async {
            let report = world.sidecar.budgets_report().await.remove(0);
            Ok((report.reserved == 0).then_some(report))
        })
        .await?;
    assert!(billed <= 100_000_000, "{billed}");
    assert_eq!((report.spent, report.uncertain), (billed, 0));
    assert!(report.granted <= report.amount);
    assert!(entries.len() == answered && (1..384).contains(&answered), "{answered}");
    Ok(())
}

#[tokio::test]
async fn the_tightest_of_several_budgets_is_told_and_that_it_degrades() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "best"), ("openai", &provider, "cheap")])
        .each(|provider| provider.models[1].prices.as_mut().unwrap().output.0 /= 10)
        .budget("roomy", "1 USD", Window::Month)
        .budget("tight", "0.012 USD", Window::Month);
    let world = World::start(objects).await?;
    // An answer of the best may cost up to 0.01 USD, and costs 0.0006: after a few no other is sure to fit.
    let mut told = Vec::new();
    for _ in 0..6 {
        let answer = call(world.address, &chat("auto")).await?;
        let header = |name| answer.header(name).unwrap_or_default().to_owned();
        told.push((header("x-pointsman-model"), header("x-pointsman-budget")));
    }
    let (model, budget) = &told[0];
    assert!(model == "best" && budget.starts_with("shop/tight; state=ok; used="), "{told:?}");
    let (model, budget) = &told[5];
    assert!(model == "cheap" && budget.starts_with("shop/tight; state=degrading; used="), "{told:?}");
    Ok(())
}

/// Calls until a budget refuses.
async fn until_refused(world: &World) -> Result<Answer> {
    loop {
        let answer = call(world.address, &chat("auto")).await?;
        if answer.status != 200 {
            return Ok(answer);
        }
    }
}

#[tokio::test]
async fn an_exhausted_budget_is_429_that_no_sdk_retries() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]).budget("search", "0.02 USD", Window::Month);
    let world = World::start(objects).await?;
    let served = call(world.address, &chat("auto")).await?;
    let told = served.header("x-pointsman-budget").unwrap_or_default().to_owned();
    assert!(told.starts_with("shop/search; state=ok; used="), "{told}");
    let refused = until_refused(&world).await?;
    let told = refused.header("x-pointsman-budget").unwrap_or_default().to_owned();
    let resets =
        told.strip_prefix("shop/search; state=exhausted; used=100; resets=").unwrap_or_default().to_owned();
    assert!(resets.len() == 25 && resets.contains("T00:00:00+0"), "{told}");
    let until = format!("{}{}", &resets[..16], &resets[19..]);
    let message = format!(
        "Budget shop/search is used up until {until} and no free candidate is left. Owner: team-search, #llm-budget. Request {{id}}."
    );
    let error = json!({ "message": message, "type": "insufficient_quota", "param": null, "code": "budget_exhausted" });
    check(&refused, 429, &[("x-should-retry", Some("false")), ("retry-after", None)], error);
    Ok(())
}

#[tokio::test]
async fn a_budget_that_degrades_leaves_the_free_candidate() -> Result<()> {
    let provider = Provider::start();
    let mut objects = Objects::new(&[("openai", &provider, "dear"), ("pool", &provider, "free")]).budget(
        "search",
        "0.02 USD",
        Window::Month,
    );
    objects.providers[1].1.models[0].prices = Some(pointsman_config::money::Prices::default());
    let world = World::start(objects.clone()).await?;
    let mut models = Vec::new();
    for _ in 0..40 {
        let answer = call(world.address, &chat("auto")).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let header = |name| answer.header(name).unwrap_or_default().to_owned();
        models.push((header("x-pointsman-model"), header("x-pointsman-reason")));
    }
    assert_eq!(models[0], ("dear".to_owned(), "picked".to_owned()));
    assert_eq!(models[39], ("free".to_owned(), "budget".to_owned()));
    objects.budgets[0].1.on_exhausted = OnExhausted::Reject;
    let world = World::start(objects).await?;
    let refused = until_refused(&world).await?;
    assert!(!refused.body.contains("no free candidate"), "{}", refused.body);
    Ok(())
}

#[tokio::test]
async fn a_short_window_tells_how_long_to_wait() -> Result<()> {
    let provider = Provider::start();
    let objects =
        Objects::new(&[("openai", &provider, "m")]).budget("per-minute", "2 Requests", Window::Minute);
    let world = World::start(objects).await?;
    let refused = until_refused(&world).await?;
    let wait = refused.header("retry-after").unwrap_or_default().to_owned();
    assert!((1..=60).contains(&wait.parse::<u64>()?));
    let message =
        format!("Budget shop/per-minute allows 2 requests per minute. Again in {wait} s. Request {{id}}.");
    let error = json!({ "message": message, "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded" });
    let reset = format!("{wait}s");
    let headers = [
        ("x-should-retry", None),
        ("x-ratelimit-limit-requests", Some("2")),
        ("x-ratelimit-remaining-requests", Some("0")),
        ("x-ratelimit-reset-requests", Some(reset.as_str())),
    ];
    check(&refused, 429, &headers, error);
    Ok(())
}

#[tokio::test]
async fn a_budget_that_only_counts_refuses_nothing_and_counts_everything() -> Result<()> {
    let provider = Provider::start();
    let mut objects =
        Objects::new(&[("openai", &provider, "m")]).budget("month", "0.000001 USD", Window::Month);
    objects.budgets[0].1.rights = Rights::CountingOnly;
    let world = World::start_with(Config::default(), objects).await?;
    for _ in 0..3 {
        assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    }
    assert_eq!(world.sidecar.budgets_report().await[0].spent, provider.billed_nano());
    Ok(())
}

#[tokio::test]
async fn a_cap_on_output_is_written_where_a_budget_must_hold() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]).budget("month", "5 USD", Window::Month);
    let world = World::start(objects).await?;
    provider.serve("m", Model { answer: vec!["word"; 5000].join(" "), ..Model::priced(PRICE) });
    let answer = call(world.address, &chat("auto")).await?;
    assert_eq!(provider.requests()[0].json()["max_tokens"], json!(1000));
    assert_eq!(answer.json()["usage"]["completion_tokens"], json!(1000));
    Ok(())
}

#[tokio::test]
async fn what_was_spent_is_remembered_across_an_orderly_restart() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]).budget("month", "5 USD", Window::Month);
    let store = Memory::default();
    let config = || Config { rights: Some(Box::new(store.clone())), ..Config::default() };
    let world = World::start_with(config(), objects.clone()).await?;
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    world.sidecar.shutdown(pointsman_test_support::LONG).await;
    let world = World::start_with(config(), objects).await?;
    let report = world.sidecar.budgets_report().await.remove(0);
    assert_eq!((report.spent, report.burned), (provider.billed_nano(), 0));
    Ok(())
}
