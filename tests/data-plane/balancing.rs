//! One model at two providers, draws that can be repeated, and rules that look at the caller, over real sockets.

use std::time::Duration;

use anyhow::Result;
use pointsman_config::policy::{
    Action, Balancing, Match, NamedValue, Optimizer, Rule, Strategy, TextMatch, TextScope,
};
use pointsman_test_support::provider::{Fault, Point, Provider};
use serde_json::json;

use crate::client::{call, chat, get, post, send};
use crate::world::{Objects, World};

#[tokio::test]
async fn providers_of_one_model_take_turns() -> Result<()> {
    let (one, other) = (Provider::start(), Provider::start());
    let objects = Objects::new(&[("p", &one, "m"), ("q", &other, "m")]);
    let world = World::start(objects.policy(|policy| policy.balancing = Balancing::RoundRobin)).await?;
    for _ in 0..6 {
        call(world.address, &chat("auto")).await?;
    }
    assert_eq!([one.requests().len(), other.requests().len()], [3, 3]);
    // A call that names the model takes its turn too.
    call(world.address, &chat("m")).await?;
    assert_eq!([one.requests().len(), other.requests().len()], [4, 3]);
    Ok(())
}

#[tokio::test]
async fn calls_leave_the_provider_that_was_seen_to_be_slow_or_to_fail() -> Result<()> {
    let slow = Fault::Delay(Point::Head, Duration::from_millis(500));
    for (balancing, fault) in [
        (Balancing::LeastLatency, slow.clone()),
        (Balancing::Performance, slow),
        (Balancing::HighestAvailability, Fault::status(500)),
    ] {
        let (worse, better) = (Provider::start(), Provider::start());
        let objects = Objects::new(&[("p", &worse, "m"), ("q", &better, "m")]);
        let world = World::start(objects.policy(|policy| policy.balancing = balancing)).await?;
        worse.always("m", fault);
        for _ in 0..30 {
            assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
        }
        let asked = [worse.requests().len(), better.requests().len()];
        assert!(asked[0] >= 1 && asked[1] > 4 * asked[0], "{balancing:?}: {asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_mix_is_drawn_by_a_seed_and_kept_with_the_call() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("p", &provider, "dear"), ("p", &provider, "cheap")]).each(|provider| {
        let prices = provider.models[1].prices.as_mut().unwrap();
        (prices.input.0, prices.output.0) = (prices.input.0 / 10, prices.output.0 / 10);
    });
    let world = World::start(objects.policy(|policy| {
        let max_cost_per_call = Some(pointsman_config::money::Nano(300_000));
        policy.strategy =
            Strategy { optimizer: Some(Optimizer::SimpleLp), max_cost_per_call, ..Strategy::default() };
    }))
    .await?;
    let mut picks = Vec::new();
    for seed in 0..20 {
        let mut body = chat("auto");
        body["seed"] = json!(seed);
        let asked = |body: serde_json::Value| async move {
            anyhow::Ok(post(world.address, "/v1/route", &body).await?.json())
        };
        let (first, again) = (asked(body.clone()).await?, asked(body).await?);
        assert_eq!(first["recommended_model"], again["recommended_model"]);
        assert_eq!(first["routing"]["draws"], again["routing"]["draws"]);
        let propensity = first["routing"]["propensity"].as_f64().unwrap();
        assert!(propensity > 0.0 && propensity < 1.0, "{first}");
        picks.push(first["recommended_model"].as_str().unwrap().to_owned());
    }
    assert!(picks.iter().any(|model| model == "dear") && picks.iter().any(|model| model == "cheap"));
    let answer = call(world.address, &chat("auto")).await?;
    let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
    assert_eq!(record["decision"]["routing"]["draws"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn rules_look_at_headers_and_metadata() -> Result<()> {
    let provider = Provider::start();
    let named = |name: &str| vec![NamedValue { name: name.to_owned(), value: Some("yes".to_owned()) }];
    let by_header = Match { headers: named("x-careful"), ..Match::default() };
    let by_metadata = Match { metadata: named("careful"), user: Some("bob".to_owned()), ..Match::default() };
    let rule = Rule {
        name: "careful".to_owned(),
        matches: vec![by_header, by_metadata],
        action: Action::UseModel { model: "other".to_owned() },
    };
    let objects = Objects::new(&[("p", &provider, "best"), ("p", &provider, "other")]);
    let world = World::start(objects.policy(|policy| policy.rules = vec![rule])).await?;
    let mut asserted = chat("auto");
    (asserted["metadata"], asserted["user"]) = (json!({"careful": "yes"}), json!("bob"));
    for (headers, body, reason) in [
        (&[][..], chat("auto"), "picked"),
        (&[("x-careful", "yes")], chat("auto"), "rule:careful"),
        (&[("x-careful", "no")], chat("auto"), "picked"),
        (&[], asserted, "rule:careful"),
    ] {
        let body = body.to_string();
        let path = "/v1/chat/completions";
        let answer = send(world.address, "POST", path, headers, body.as_bytes()).await?;
        assert_eq!(answer.header("x-pointsman-reason"), Some(reason), "{headers:?}: {}", answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_rule_reads_as_much_of_the_text_as_it_says() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("p", &provider, "best"), ("p", &provider, "other")]);
    let messages = json!([
        {"role": "system", "content": "about saffron"},
        {"role": "user", "content": "first of nutmeg"},
        {"role": "assistant", "content": "then clove"},
        {"role": "user", "content": [{"type": "text", "text": "at last mace"}]},
    ]);
    for (over, read) in [
        (TextScope::LastUserMessage, &["mace"][..]),
        (TextScope::UserText, &["nutmeg", "mace"]),
        (TextScope::All, &["saffron", "nutmeg", "clove", "mace"]),
    ] {
        for spice in ["saffron", "nutmeg", "clove", "mace"] {
            let text = Some(TextMatch { regex: spice.to_owned(), over });
            let rule = Rule {
                name: "spice".to_owned(),
                matches: vec![Match { text, ..Match::default() }],
                action: Action::UseModel { model: "other".to_owned() },
            };
            let world = World::start(objects.clone().policy(|policy| policy.rules = vec![rule])).await?;
            let body = json!({"model": "auto", "messages": messages});
            let by = if read.contains(&spice) { "rule:spice" } else { "picked" };
            assert_eq!(
                call(world.address, &body).await?.header("x-pointsman-reason"),
                Some(by),
                "{over:?}: {spice}"
            );
        }
    }
    Ok(())
}
