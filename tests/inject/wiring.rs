//! Wired, silent, refused, outdated: what the status of a policy says of its pods, and what to do about it.

use pointsman_config::link::{CallCounts, PolicyState, UsageReport};
use serde_json::json;

use crate::fixture::{event, injected, says, shared, status};
use crate::sidecar::{Reporter, Sidecar, channel};

fn manifests(namespace: &str) -> String {
    format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: sim, namespace: {namespace}}}\nspec:\n  type: Simulated\n  models: [{{name: m, pricing: {{input: \"1\", output: \"2\"}}}}]\n---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: default, namespace: {namespace}}}\nspec:\n  candidates: [{{model: m}}]\n"
    )
}

fn report(namespace: &str, seq: u64, requests: u64, refused: u64) -> UsageReport {
    let name = |name: &str| format!("{namespace}/{name}");
    let calls = CallCounts {
        policy: name("default"),
        provider: name("sim"),
        model: "m".to_owned(),
        day: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
        requests,
        routed: requests,
        latency_buckets: vec![0; 15],
        ..CallCounts::default()
    };
    let policy = PolicyState { policy: name("default"), generation: 1, refused, ..PolicyState::default() };
    UsageReport {
        incarnation: "1".to_owned(),
        seq,
        calls: vec![calls],
        policies: vec![policy],
        ..UsageReport::default()
    }
}

#[tokio::test]
async fn a_policy_that_nobody_calls_says_so_and_names_the_remedy() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("wiring").await?;
    shared.control_plane.apply_yaml(&manifests(namespace)).await?;
    let (_, token) = injected(&shared, namespace, "bot").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let update = sidecar.update_where(|update| update.entries.len() == 2).await?;
    sidecar.ack(&update).await?;
    let object = ("rpol", namespace.as_str(), "default");
    let silent = status(&shared.client, object, |s| s["summary"]["state"] == "NotWired").await?;
    let expected = json!({
        "matched": 1, "connected": 1, "synced": 1, "nacked": 0, "wired": 0, "silent": 1, "refused": 0,
        "sidecarsOutdated": 0,
    });
    assert_eq!(silent["dataPlane"], expected);
    assert!(says(&silent, "RestartRequired", "UpToDate"), "{silent}");
    let note = event(&shared.client, namespace, ("RoutingPolicy", "default", "NotWired")).await?;
    assert!(note.starts_with("1 sidecar serves this policy, and no call has come to any of them."), "{note}");
    assert!(note.contains("OPENAI_BASE_URL"), "{note}");
    // A call that is refused is a call: the application is wired, and something is wrong with what it asks.
    let mut reporter = Reporter::connect(&channel, &token).await?;
    reporter.report(report(namespace, 1, 0, 3)).await?;
    let refused = status(&shared.client, object, |s| s["dataPlane"]["refused"] == 1).await?;
    assert_eq!((&refused["dataPlane"]["wired"], &refused["dataPlane"]["silent"]), (&json!(1), &json!(0)));
    assert_eq!(refused["summary"]["state"], "Serving");
    // The pod's sidecar comes from other settings than the operator's now.
    let other = "pointsman.dev/template=sha256-000000000000";
    shared
        .control_plane
        .run_kubectl(&["annotate", "--overwrite", "pod", "-n", namespace, "bot", other])
        .await?;
    let outdated = status(&shared.client, object, |s| s["dataPlane"]["sidecarsOutdated"] == 1).await?;
    assert!(says(&outdated, "RestartRequired", "SidecarsOutdated"), "{outdated}");
    assert!(says(&outdated, "Ready", "Ready"), "an older sidecar serves: {outdated}");
    Ok(())
}
