//! The public catalogue of provider faults, in shortened time: what a caller must see.

use std::time::{Duration, Instant};

use anyhow::Result;
use pointsman_test_support::provider::{Fault, Point, Provider, sixty_words};
use serde_json::json;

use crate::client::{call, chat, streamed};
use crate::world::{Objects, World};

/// A faulty primary, a healthy fallback on another provider.
struct Pair {
    primary: Provider,
    fallback: Provider,
    world: World,
}

impl Pair {
    async fn start(change: impl FnOnce(Objects) -> Objects) -> Result<Self> {
        let (primary, fallback) = (Provider::start(), Provider::start());
        let objects = Objects::new(&[("primary", &primary, "first"), ("fallback", &fallback, "second")]);
        let world = World::start(change(objects)).await?;
        Ok(Self { primary, fallback, world })
    }

    async fn plain() -> Result<Self> {
        Self::start(|objects| objects).await
    }

    fn asked(&self) -> (usize, usize) {
        (self.primary.requests().len(), self.fallback.requests().len())
    }

    /// The whole answer must come, and name the model that gave it.
    async fn rescued_by(&self, model: &str) -> Result<()> {
        let answer = call(self.world.address, &chat("auto")).await?;
        assert_eq!((answer.status, answer.text()), (200, sixty_words()), "{answer:?}");
        assert_eq!(answer.header("x-pointsman-model"), Some(model));
        assert_eq!(answer.json()["model"], json!(model));
        Ok(())
    }

    /// What was recorded is what both providers billed.
    async fn books_agree(&self) {
        let billed = self.primary.billed_nano() + self.fallback.billed_nano();
        assert_eq!(self.world.sidecar.totals().await.cost.0, billed);
    }
}

#[tokio::test]
async fn s01_a_429_with_retry_after_fails_over_at_once_and_the_primary_is_left_alone() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.script("first", [Fault::rate_limited(Some(2))]);
    pair.rescued_by("second").await?;
    pair.rescued_by("second").await?;
    assert_eq!(pair.asked(), (1, 2), "rate limited targets are not asked before their time");
    Ok(())
}

#[tokio::test]
async fn s01_without_a_fallback_the_wait_that_was_asked_for_is_kept() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("only", &provider, "m")])).await?;
    provider.script("m", [Fault::rate_limited(Some(1))]);
    let began = Instant::now();
    let answer = call(world.address, &chat("auto")).await?;
    assert_eq!((answer.status, answer.text()), (200, sixty_words()));
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert_eq!(answer.header("x-pointsman-attempts"), Some("only/m=429, only/m=200"));
    Ok(())
}

#[tokio::test]
async fn s02_a_429_for_ever_ends_at_the_fallback_after_few_attempts() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::rate_limited(None));
    pair.rescued_by("second").await?;
    assert!(pair.asked().0 <= 4);
    Ok(())
}

#[tokio::test]
async fn s03_a_500_is_tried_again_on_the_same_provider() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.script("first", [Fault::status(500)]);
    pair.rescued_by("first").await?;
    assert_eq!(pair.asked(), (2, 0));
    pair.books_agree().await;
    Ok(())
}

#[tokio::test]
async fn s04_a_503_for_ever_goes_to_the_fallback() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::status(503));
    pair.rescued_by("second").await?;
    assert!(pair.asked().0 <= 6);
    pair.books_agree().await;
    Ok(())
}

#[tokio::test]
async fn s05_a_reset_before_any_byte_is_survived() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.script("first", [Fault::Cut(Point::Head)]);
    pair.rescued_by("first").await?;
    pair.books_agree().await;
    Ok(())
}

#[tokio::test]
async fn s06_silence_fails_over_and_the_silent_route_is_not_tried_again() -> Result<()> {
    let short = |objects: Objects| objects.policy(|policy| policy.resilience.first_token_ms = Some(300));
    let pair = Pair::start(short).await?;
    pair.primary.always("first", Fault::Hold(Point::Head));
    pair.rescued_by("second").await?;
    assert_eq!(pair.asked(), (1, 1));
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert_eq!(answer.streamed_text(), sixty_words());
    Ok(())
}

#[tokio::test]
async fn s07_headers_without_a_first_token_fail_over() -> Result<()> {
    let short = |objects: Objects| objects.policy(|policy| policy.resilience.first_token_ms = Some(300));
    let pair = Pair::start(short).await?;
    pair.primary.always("first", Fault::Hold(Point::Chunk(0)));
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert_eq!(answer.streamed_text(), sixty_words());
    assert_eq!(answer.header("x-pointsman-reason"), Some("fallback"));
    Ok(())
}

#[tokio::test]
async fn s08_a_stream_that_dies_is_a_clear_error_never_a_short_answer() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::Cut(Point::Chunk(40)));
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert!(answer.body.contains("\"code\":\"upstream_stream_cut\"") && !answer.body.contains("[DONE]"));
    let whole = call(pair.world.address, &chat("auto")).await?;
    assert_eq!(whole.text(), sixty_words(), "what has not been passed on can still be rescued");
    Ok(())
}

#[tokio::test]
async fn s09_a_stall_is_detected() -> Result<()> {
    let short = |objects: Objects| objects.each(|p| p.timeouts.idle = Duration::from_millis(300));
    let pair = Pair::start(short).await?;
    pair.primary.script("first", [Fault::Hold(Point::Chunk(20))]);
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert!(answer.body.contains("fell silent after") && !answer.body.contains("[DONE]"), "{}", answer.body);
    pair.rescued_by("first").await
}

#[tokio::test]
async fn s10_an_event_that_is_not_json_is_skipped() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.script("first", [Fault::Malformed(10)]);
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
    let events = answer.events();
    let json = |event: &String| event == "[DONE]" || serde_json::from_str::<serde_json::Value>(event).is_ok();
    assert!(events.iter().all(json), "{events:?}");
    pair.rescued_by("first").await
}

#[tokio::test]
async fn s10_a_body_that_is_not_json_fails_over() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::Malformed(0));
    pair.rescued_by("second").await
}

#[tokio::test]
async fn s11_a_stream_without_done_is_completed() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.script("first", [Fault::MissingDone]);
    let mut body = streamed("auto");
    body["stream_options"] = json!({ "include_usage": true });
    let answer = call(pair.world.address, &body).await?;
    assert_eq!(answer.streamed_text(), sixty_words());
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
    assert!(answer.body.contains("\"completion_tokens\":60"), "{}", answer.body);
    Ok(())
}

#[tokio::test]
async fn s12_a_context_that_is_too_long_is_tried_once_then_only_on_a_larger_window() -> Result<()> {
    let too_long = || Fault::error(400, "invalid_request_error", "context_length_exceeded", "Too long.");
    let pair = Pair::plain().await?;
    pair.primary.always("first", too_long());
    let answer = call(pair.world.address, &chat("auto")).await?;
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].clone()),
        (400, json!("context_length_exceeded"))
    );
    assert_eq!(pair.asked(), (1, 0));
    let larger = |mut objects: Objects| {
        objects.providers[1].1.models[0].context_window = Some(1_000_000);
        objects
    };
    let pair = Pair::start(larger).await?;
    pair.primary.always("first", too_long());
    pair.rescued_by("second").await
}

#[tokio::test]
async fn s13_refused_content_is_told_and_not_routed_around() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary
        .always("first", Fault::error(400, "invalid_request_error", "content_policy_violation", "Flagged."));
    let answer = call(pair.world.address, &chat("auto")).await?;
    assert!(answer.body.contains("Flagged."), "{}", answer.body);
    assert_eq!((answer.status, pair.asked()), (400, (1, 0)));
    Ok(())
}

#[tokio::test]
async fn s14_what_died_is_not_handed_on_to_be_continued() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::Cut(Point::Chunk(40)));
    // A fallback that takes no answer that another model has begun.
    let prefill = "The final message must not be an assistant message.";
    pair.fallback.always("second", Fault::error(400, "invalid_request_error", "prefill", prefill));
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert!(answer.body.contains("\"code\":\"upstream_stream_cut\"") && !answer.body.contains("[DONE]"));
    assert!(!answer.body.contains(prefill) && pair.asked() == (1, 0), "{}", answer.body);
    // What is not passed on yet starts again, from the caller's own messages.
    pair.primary.always("first", Fault::Cut(Point::Chunk(0)));
    pair.fallback.always("second", Fault::None);
    let answer = call(pair.world.address, &streamed("auto")).await?;
    assert_eq!(answer.streamed_text(), sixty_words());
    let asked = pair.fallback.requests()[0].json();
    assert_eq!(asked["messages"], streamed("auto")["messages"], "nothing of the dead answer is in it");
    Ok(())
}

#[tokio::test]
async fn s15_a_primary_that_recovers_is_used_again() -> Result<()> {
    let quick = |objects: Objects| {
        objects.each(|provider| {
            provider.circuit_breaker.consecutive_errors = 2;
            provider.circuit_breaker.open_for = Duration::from_millis(50);
        })
    };
    let pair = Pair::start(quick).await?;
    pair.primary.always("first", Fault::status(503));
    for _ in 0..6 {
        pair.rescued_by("second").await?;
    }
    pair.primary.always("first", Fault::None);
    pointsman_test_support::wait_for("the primary answers again", pointsman_test_support::LONG, || async {
        let answer = call(pair.world.address, &chat("auto")).await?;
        assert_eq!(answer.text(), sixty_words());
        Ok((answer.header("x-pointsman-model") == Some("first")).then_some(()))
    })
    .await
}

#[tokio::test]
async fn s16_failed_attempts_are_not_billed_and_the_fallback_carries_its_own_usage() -> Result<()> {
    let pair = Pair::plain().await?;
    pair.primary.always("first", Fault::error(503, "overloaded_error", "overloaded", "Busy."));
    let answer = call(pair.world.address, &chat("auto")).await?;
    assert_eq!(answer.header("x-pointsman-attempts"), Some("primary/first=503, fallback/second=200"));
    assert_eq!(answer.json()["usage"]["completion_tokens"], json!(60));
    assert_eq!(pair.primary.billed_nano(), 0);
    pair.books_agree().await;
    let totals = pair.world.sidecar.totals().await;
    assert_eq!((totals.requests, totals.failures, totals.fallbacks), (1, 1, 1));
    Ok(())
}
