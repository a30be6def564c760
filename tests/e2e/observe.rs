//! Watching first: what the application chose is served, and `kubectl get` tells what Pointsman would have saved.

use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

use crate::cluster::Cluster;
use crate::{LARGE, SMALL, SMALL_PRICE, four_kinds, nano};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_observes_tells_what_would_have_been_saved() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    let watch = json!({"spec": {"mode": "Observe", "baseline": LARGE}}).to_string();
    cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &watch]).await?;
    let sidecar = cluster.sidecar(&namespace, "support-bot").await?;
    sidecar.wait_until_ready().await?;
    for _ in 0..3 {
        let answer = sidecar.chat("auto", "hello").await?;
        assert_eq!(answer.header("x-pointsman-model"), LARGE, "the baseline is served");
    }

    let billed = cluster.provider.billed_nano();
    let small: u64 = cluster.provider.entries().iter().map(|entry| SMALL_PRICE.cost_nano(&entry.usage)).sum();
    let savings = wait_for("three calls are compared", LONG, || async {
        let savings = cluster.json_path("rpol/default", &namespace, "{.status.savings}").await?;
        let savings: serde_json::Value = serde_json::from_str(&savings)?;
        Ok((savings["calls"] == 3).then_some(savings))
    })
    .await?;
    let amount = |field: &str| nano(savings[field].as_str().unwrap_or_default());
    assert_eq!(savings["baseline"], LARGE);
    assert_eq!(amount("baselineCost"), billed, "what was served is the baseline: {savings}");
    assert_eq!(amount("cost"), small, "its answers are said to be as long: {savings}");
    assert_eq!(amount("saved"), billed - amount("cost"), "{savings}");

    let row =
        cluster.kubectl(&["get", "rpol", "default", "-n", &namespace, "--no-headers", "-o", "wide"]).await?;
    let cells: Vec<&str> = row.split_whitespace().collect();
    for cell in ["Observing", "0%", "($0.00)", LARGE] {
        assert!(cells.contains(&cell), "{cell} is in {row}");
    }
    cluster.stop().await
}

/// What the applications asked for before is what savings are measured against, where nobody says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_callers_named_most_is_the_baseline_once_the_policy_chooses() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    let mode = async |cluster: &Cluster, mode: &str| {
        let patch = json!({"spec": {"mode": mode}}).to_string();
        cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &patch]).await
    };
    mode(&cluster, "Observe").await?;
    let sidecar = cluster.sidecar(&namespace, "support-bot").await?;
    sidecar.wait_until_ready().await?;
    for model in [LARGE, SMALL, LARGE] {
        assert_eq!(sidecar.chat(model, "hello").await?.header("x-pointsman-model"), model);
    }
    wait_for("the status says what callers name", LONG, || async {
        let named = cluster.json_path("rpol/default", &namespace, "{.status.mostNamed}").await?;
        Ok((named == LARGE).then_some(()))
    })
    .await?;

    // An operator that has just started knows it from the status.
    cluster.restart_operator().await?;
    mode(&cluster, "Route").await?;
    let savings = wait_for("chosen calls are compared with it", LONG, || async {
        assert_eq!(sidecar.chat("auto", "hello").await?.status, 200);
        let savings = cluster.json_path("rpol/default", &namespace, "{.status.savings}").await?;
        let savings: serde_json::Value = serde_json::from_str(&savings)?;
        Ok((savings["baseline"] == LARGE).then_some(savings))
    })
    .await?;
    let amount = |field: &str| nano(savings[field].as_str().unwrap_or_default());
    assert!(amount("baselineCost") > amount("cost"), "the cheap one was chosen: {savings}");
    let row =
        cluster.kubectl(&["get", "rpol", "default", "-n", &namespace, "--no-headers", "-o", "wide"]).await?;
    assert_eq!(row.split_whitespace().last(), Some(LARGE), "{row}");
    cluster.stop().await
}
