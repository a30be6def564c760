//! What all pods of a policy have spent is every pod's business.

use pointsman_test_support::provider::Model;
use pointsman_test_support::{LONG, wait_for};

use crate::cluster::Cluster;
use crate::{LARGE, LARGE_PRICE, SMALL, provider};

/// By itself a pod that calls twenty times a second may spend more than the dear model's price on each call of a month.
const AMOUNT: &str = "100000 USD";
/// At ten dollars per million tokens, nearly all of it in one answer.
const RUINOUS: u64 = 9_999_000_000;

fn manifests(provider_url: &str, namespace: &str, target: &str, budget: &str) -> String {
    let provider = provider(provider_url, namespace);
    format!(
        "\
{provider}---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {{name: default, namespace: {namespace}}}
spec:
  candidates: [{{model: {SMALL}}}, {{model: {LARGE}}}]
  scorer: {{kind: Prior}}
  strategy:
    optimizer: ShadowPrice
{target}{budget}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_turns_to_the_cheap_model_when_another_has_spent_the_window() -> anyhow::Result<()> {
    let target = format!("    spendTarget: {{type: Window, window: {{amount: {AMOUNT}, per: Month}}}}\n");
    one_pays_for_the_other(&target, |_| String::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn and_when_another_has_spent_the_budget() -> anyhow::Result<()> {
    let budget = |namespace: &str| {
        format!(
            "---\napiVersion: pointsman.dev/v1alpha1\nkind: Budget\nmetadata: {{name: month, namespace: {namespace}}}\n\
             spec: {{limits: [{{name: month, amount: {AMOUNT}, window: Month}}]}}\n"
        )
    };
    one_pays_for_the_other("", budget).await
}

async fn one_pays_for_the_other(target: &str, budget: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster
        .api
        .apply_yaml(&manifests(&cluster.provider.url(), &namespace, target, &budget(&namespace)))
        .await?;
    let spender = cluster.sidecar(&namespace, "spender").await?;
    let bystander = cluster.sidecar(&namespace, "bystander").await?;
    for sidecar in [&spender, &bystander] {
        sidecar.wait_until_ready().await?;
    }
    for call in 0..40 {
        let answer = bystander.chat("auto", "hello").await?;
        assert_eq!(answer.header("x-pointsman-model"), LARGE, "call {call}: there is money for the best");
    }

    let usual = Model::priced(LARGE_PRICE);
    cluster.provider.serve(LARGE, Model { reasoning_tokens: RUINOUS, ..usual.clone() });
    assert_eq!(spender.chat(LARGE, "think hard").await?.status, 200);
    cluster.provider.serve(LARGE, usual);

    // It has seen nothing of that itself: its own calls cost a few cents.
    wait_for("the bystander's calls go to the cheap model", LONG, || async {
        let answer = bystander.chat("auto", "hello").await?;
        Ok((answer.header("x-pointsman-model") == SMALL).then_some(()))
    })
    .await?;
    cluster.stop().await
}
