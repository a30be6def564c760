//! The operator away, replaced, uninstalled: what was configured goes on, and nothing is lost.

use std::time::Duration;

use pointsman_test_support::wait_for;
use tokio::time::Instant;

use crate::node::{PATIENT, ROOT, node};
use crate::stage::Stage;

/// As long as the story says; what is held and renewed in between gets its chance to run out.
const AWAY: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_while_the_operator_is_away_for_two_minutes_and_are_counted_afterwards()
-> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "away").await?;
    stage.app("app").await?;
    stage.ask("app", "auto").await?;
    let before = stage.books_agree().await?;

    node.operator_away().await?;
    let gone = Instant::now();
    let mut calls = 0;
    // A pod made meanwhile: with one replica the webhook fails open, so it runs without a sidecar.
    stage.apply(&crate::stage::deployment("late", 1, "import time; time.sleep(3600)")).await?;
    while gone.elapsed() < AWAY {
        stage.ask("app", "auto").await?;
        calls += 1;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert!(calls > 3, "{calls} calls");
    let late = format!("pod/{}", stage.pod("late").await?);
    assert_eq!(stage.value(&late, "{.spec.initContainers[*].name}").await?, "", "nothing was injected");

    node.operator_back().await?;
    let after = stage.books_agree().await?;
    assert!(after > before, "the calls of the meantime are counted");
    wait_for("the pod without a sidecar is told", PATIENT, || async {
        let events = stage.kubectl(&["get", "events", "-o", "jsonpath={.items[*].reason}"]).await?;
        Ok(events.contains("SidecarMissing").then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_is_uninstalled_and_installed_again_under_running_pods() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "uninstall").await?;
    stage.only("gpt-5-nano").await?;
    stage.app("app").await?;
    stage.ask("app", "auto").await?;
    node.alone().await;
    let values = node.helm(&["get", "values", "pointsman", "-n", ROOT, "-o", "yaml"]).await?;

    node.helm(&["uninstall", "pointsman", "-n", ROOT, "--wait"]).await?;
    let served = stage.ask("app", "auto").await?;
    assert!(
        stage.value("rpol/default", "{.metadata.name}").await? == "default",
        "objects outlive the release"
    );
    // What is installed now has to do with the least that a namespace allows.
    node.kubectl(&["label", "ns", ROOT, "pod-security.kubernetes.io/enforce=restricted"]).await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), values)?;
    let path = file.path().display().to_string();
    // As the README has it, `--wait` included; then what this suite was installed with.
    let release = ["pointsman", "./operator/chart", "-n", ROOT, "--wait", "--timeout=180s"];
    node.helm(&[&["install"], &release[..], &["--create-namespace"]].concat()).await?;
    node.operator_ready().await?;
    assert_eq!(stage.ask("app", "auto").await?, served);
    node.helm(&[&["upgrade"], &release[..], &["-f", &path]].concat()).await?;
    node.operator_ready().await?;
    assert_eq!(stage.ask("app", "auto").await?, served);

    // The pods that ran all the time obey the new operator, and what they used meanwhile is counted.
    stage.only("gpt-5").await?;
    wait_for("an edit reaches the running pod", PATIENT, || async {
        Ok((stage.ask("app", "auto").await? == "gpt-5").then_some(()))
    })
    .await?;
    stage.books_agree().await?;
    Ok(())
}
