//! The shadow price of a running data plane: it moves by what calls are expected to cost, and is put right by what they did.

use anyhow::Result;
use pointsman_config::money::{Nano, PricePerMillion};
use pointsman_config::policy::{Optimizer, ScorerKind};
use pointsman_test_support::provider::{Model, Price, Provider};

use crate::client::{call, chat, get};
use crate::world::{Objects, PRICE, World};

/// A tenth of the usual price.
const CHEAP: Price = Price { input: 125_000_000, cached_input: 12_500_000, output: 1_000_000_000 };
/// More input tokens than anybody could guess from the text, so that every call costs about twice what was expected.
const UNEXPECTED: u64 = 400;
/// In nano-USD; between the two models.
const TARGET: u64 = 500_000;

#[tokio::test]
async fn what_calls_really_cost_meets_the_target_although_each_was_expected_to_cost_half() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("p", &provider, "best"), ("p", &provider, "cheap")])
        .each(|provider| {
            let prices = provider.models[1].prices.as_mut().unwrap();
            prices.input = PricePerMillion(CHEAP.input);
            prices.cached_input = Some(PricePerMillion(CHEAP.cached_input));
            prices.output = PricePerMillion(CHEAP.output);
        })
        .policy(|policy| {
            policy.scorer.kind = ScorerKind::Prior;
            policy.strategy.optimizer = Some(Optimizer::ShadowPrice);
            policy.strategy.spend_per_thousand_calls = Some(Nano(1000 * TARGET));
        });
    for (name, price) in [("best", PRICE), ("cheap", CHEAP)] {
        provider.serve(name, Model { input_tokens: Some(UNEXPECTED), ..Model::priced(price) });
    }
    let world = World::start(objects).await?;

    let calls = 800;
    let mut best = 0;
    for _ in 0..calls {
        let answer = call(world.address, &chat("auto")).await?;
        best += u32::from(answer.header("x-pointsman-model") == Some("best"));
    }
    let each = provider.billed_nano() / calls;
    assert!(best > 0 && u64::from(best) < calls, "{best} of {calls} by the best model");
    let off = each as f64 / TARGET as f64 - 1.0;
    assert!(off.abs() < 0.05, "a call cost {each} nano-USD, {:+.1} % off the target", 100.0 * off);

    let metrics = get(world.address, "/metrics").await?.body;
    let price = metrics.lines().find(|line| line.starts_with("pointsman_shadow_price{"));
    let price = price.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    // Between the models a USD buys 0.1 / (0.0011 - 0.00011) of quality; the price moves about that.
    assert!(price.is_some_and(|price| (10.0..1000.0).contains(&price)), "{price:?}\n{metrics}");
    Ok(())
}
