//! Ledger.Report: what is counted stands in the status of policy, provider and budget, to the nano-dollar.

use pointsman_config::link::{CallCounts, LimitCounts, PolicyState, TargetState, UsageReport, ledger_reply};
use serde_json::json;

use crate::fixture::{budget, condition, pod, policy, provider, shared, status};
use crate::sidecar::{Reporter, channel};

/// Everything that one incarnation has counted after `calls` calls at 212 000 nano-USD.
pub(crate) fn report(namespace: &str, incarnation: &str, seq: u64, calls: u64) -> UsageReport {
    let name = |name: &str| format!("{namespace}/{name}");
    let mut latency = vec![0; 15];
    latency[5] = calls;
    UsageReport {
        incarnation: incarnation.to_owned(),
        seq,
        calls: vec![CallCounts {
            policy: name("default"),
            provider: name("sim"),
            model: "m".to_owned(),
            day: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
            requests: calls,
            routed: calls,
            cost_nano: calls * 212_000,
            latency_buckets: latency,
            ..CallCounts::default()
        }],
        limits: vec![LimitCounts {
            budget: name("month"),
            limit: "m".to_owned(),
            window_id: "total".to_owned(),
            spent: calls * 212_000,
            uncertain: 1_000,
            reserved: 5_000_000,
            unit: "USD".to_owned(),
        }],
        policies: vec![PolicyState {
            policy: name("default"),
            generation: 1,
            lambda: 90.9,
            ..PolicyState::default()
        }],
        targets: vec![TargetState {
            provider: name("sim"),
            model: "m".to_owned(),
            state: "RateLimited".to_owned(),
        }],
        ..UsageReport::default()
    }
}

#[tokio::test]
async fn reports_become_status_exactly_and_only_once() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("usage").await?;
    let manifests = provider("sim", namespace, &["m"])
        + &policy("default", namespace, &["m"], "")
        + &budget("month", namespace, "0.002 USD", "");
    shared.control_plane.apply_yaml(&manifests).await?;
    condition(&shared.client, ("bgt", namespace, "month"), "Ready", "True", "Ready").await?;
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, namespace, "bot", json!({})).await?;
    let mut reporter = Reporter::connect(&channel, &token).await?;
    for (seq, calls) in [(1, 1), (2, 3), (2, 3), (1, 1)] {
        let reply = reporter.report(report(namespace, "a", seq, calls)).await?;
        assert!(matches!(reply.message, Some(ledger_reply::Message::Ack(ack)) if ack.seq == seq));
    }
    let month = ("bgt", namespace.as_str(), "month");
    let spent = status(&shared.client, month, |s| s["limits"][0]["spent"] == "0.000636").await?;
    let expected = json!({
        "for": namespace, "limit": "m", "spent": "0.000636", "remaining": "0.001364", "reserved": "0.005",
        "uncertain": "0.000001",
    });
    assert_eq!(spent["limits"][0], expected);
    assert_eq!((&spent["summary"]["used"], &spent["summary"]["state"]), (&json!("31%"), &json!("OnTrack")));
    let policy =
        status(&shared.client, ("rpol", namespace, "default"), |s| s["summary"]["routed"] == "100%").await?;
    assert_eq!(
        policy["models"],
        json!([{"model": "m", "p50": "240ms", "requests": 3, "share": 100, "spent": "0.000636"}])
    );
    assert_eq!(policy["shadowPrice"]["meaning"], "one point of quality is worth $0.11 per 1000 calls");
    assert_eq!(policy["dataPlane"]["wired"], 1);
    condition(&shared.client, ("llmp", namespace, "sim"), "Unhealthy", "True", "RateLimited").await?;
    for (seq, state) in [(4, "CircuitOpen"), (5, "CredentialRejected")] {
        let mut worse = report(namespace, "a", seq, 3);
        worse.targets[0].state = state.to_owned();
        reporter.report(worse).await?;
        condition(&shared.client, ("llmp", namespace, "sim"), "Unhealthy", "True", state).await?;
    }
    condition(&shared.client, ("llmp", namespace, "sim"), "Ready", "True", "Ready").await?;
    // A second incarnation of the same pod adds up.
    reporter.report(report(namespace, "b", 1, 7)).await?;
    status(&shared.client, month, |s| s["limits"][0]["spent"] == "0.00212").await?;
    let message = condition(&shared.client, month, "Exhausted", "True", "LimitReached").await?;
    assert!(message.contains("limit \"m\" ($0.002/Total) is used up until never"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_report_moves_no_figures_of_another_namespace() -> anyhow::Result<()> {
    let shared = shared().await?;
    let victim = &shared.control_plane.create_namespace("victim").await?;
    let attacker = &shared.control_plane.create_namespace("attacker").await?;
    for namespace in [victim, attacker] {
        let manifests = provider("sim", namespace, &["m"])
            + &policy("default", namespace, &["m"], "")
            + &budget("month", namespace, "5 USD", "");
        shared.control_plane.apply_yaml(&manifests).await?;
        condition(&shared.client, ("bgt", namespace, "month"), "Ready", "True", "Ready").await?;
    }
    let channel = channel(&shared.client, shared.address).await?;
    let (token, _) = pod(shared.control_plane, attacker, "bot", json!({})).await?;
    let mut reporter = Reporter::connect(&channel, &token).await?;
    let mut mixed = report(attacker, "a", 1, 2);
    let foreign = report(victim, "a", 1, 9);
    mixed.calls.extend(foreign.calls);
    mixed.limits.extend(foreign.limits);
    mixed.targets.extend(foreign.targets);
    reporter.report(mixed).await?;
    status(&shared.client, ("bgt", attacker, "month"), |s| s["limits"][0]["spent"] == "0.000424").await?;
    let untouched = status(&shared.client, ("bgt", victim, "month"), |_| true).await?;
    assert_eq!(untouched["limits"][0]["spent"], "0.00");
    condition(&shared.client, ("llmp", victim, "sim"), "Unhealthy", "False", "Healthy").await?;
    Ok(())
}
