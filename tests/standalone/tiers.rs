//! Without a routing model, the length of a conversation in tokens picks the tier.

use pointsman_test_support::provider::Provider;

use crate::client::ask;
use crate::gateway::Gateway;
use crate::world::World;

const POLICY: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: default, namespace: shop}
spec:
  objective: Quality
  scorer: {kind: TokenLength}
  tiers:
    - {name: simple}
    - {name: long, minTokens: 200}
  candidates:
    - {model: gpt-x, tier: long}
    - {model: gpt-y, tier: simple}
";

#[tokio::test]
async fn a_text_goes_to_its_tier_by_the_tokens_that_tiktoken_counts() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("policy.yaml", POLICY)?;
    let gateway = Gateway::start(&world).await?;
    let words = |count: usize| vec!["word"; count].join(" ");
    // A word and its space are one token; 7 more are the message's and the conversation's.
    for (text, model) in
        [("hello".to_owned(), "gpt-y"), (words(192), "gpt-y"), (words(193), "gpt-x"), (words(4000), "gpt-x")]
    {
        let answer = gateway.client.chat(&ask("auto", &text)).await?;
        assert_eq!((answer.status, answer.header("x-pointsman-model")), (200, Some(model)), "{text}");
        let id = answer.header("x-request-id").unwrap_or_default().to_owned();
        let record = gateway.client.get(&format!("/v1/calls/{id}")).await?.json()?;
        assert_eq!(record["decision"]["routing"]["method"], "MaxScore over TokenLength", "{record}");
    }
    gateway.stop().await
}
