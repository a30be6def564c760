//! Operators come and go: what was good stays served, what was spent stays spent, and one of several leads.

use kube::Api;
use kube::api::DeleteParams;
use pointsman_config::link::ledger_reply;
use pointsman_crds::BudgetLedger;
use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

use crate::fixture::{
    ROOT, api, budget, cluster, condition, metric, operator, pod, policy, provider, status,
};
use crate::sidecar::{Reporter, Sidecar, channel, named};
use crate::usage::report;

#[tokio::test]
async fn one_bad_object_blocks_no_other_across_a_restart() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let client = &control_plane.client;
    control_plane.create_namespace_named("shop").await?;
    let good = provider("sim", "shop", &["m"]) + &policy("default", "shop", &["m"], "");
    control_plane.apply_yaml(&(good + &budget("month", "shop", "5 USD", ""))).await?;
    let first = operator(&control_plane, "operator-0").await?;
    condition(client, ("bgt", "shop", "month"), "Ready", "True", "Ready").await?;
    let bad = budget("month", "shop", "5 USD", "")
        .replace("window: Total", "window: Total, timeZone: Nowhere/Land");
    control_plane.apply_yaml(&bad).await?;
    condition(client, ("bgt", "shop", "month"), "Accepted", "False", "Invalid").await?;
    first.stop().await?;
    let second = operator(&control_plane, "operator-1").await?;
    control_plane.apply_yaml(&policy("default", "shop", &["m"], "  objective: Cost\n")).await?;
    condition(client, ("rpol", "shop", "default"), "Ready", "True", "Ready").await?;
    let (token, _) = pod(&control_plane, "shop", "bot", json!({})).await?;
    let channel = channel(client, second.address).await?;
    let mut sidecar = Sidecar::connect(&channel, Some(&token)).await?;
    let expected = ["Provider shop/sim@1", "Policy shop/default@2", "!Budget shop/month@2"];
    sidecar.update_where(|update| named(update) == expected).await?;
    second.stop().await.map_err(Into::into)
}

#[tokio::test]
async fn what_was_spent_survives_the_operator_the_budget_and_the_pod() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let client = &control_plane.client;
    control_plane.create_namespace_named("shop").await?;
    let manifests = provider("sim", "shop", &["m"]) + &policy("default", "shop", &["m"], "");
    control_plane.apply_yaml(&(manifests + &budget("month", "shop", "5 USD", ""))).await?;
    let first = operator(&control_plane, "operator-0").await?;
    let month = ("bgt", "shop", "month");
    condition(client, month, "Ready", "True", "Ready").await?;
    let (token, _) = pod(&control_plane, "shop", "bot", json!({})).await?;
    let mut reporter = Reporter::connect(&channel(client, first.address).await?, &token).await?;
    reporter.report(report("shop", "a", 1, 1000)).await?;
    status(client, month, |s| s["limits"][0]["spent"] == "0.212").await?;
    // Stopped at once: what the last round has not written yet is written now.
    reporter.report(report("shop", "a", 2, 2000)).await?;
    first.stop().await?;
    let ledgers: Api<BudgetLedger> = Api::namespaced(client.clone(), ROOT);
    let stored = ledgers.get("shop.month").await?;
    assert_eq!(stored.spec.limits[0].windows[0].instances[0].spent, "424000000");
    assert_eq!(stored.metadata.owner_references, None);
    // The Budget is deleted and created anew while nobody watches.
    let budgets = api(client, "bgt", "shop");
    budgets.delete("month", &DeleteParams::default()).await?;
    wait_for("the budget is gone", LONG, || async {
        Ok(budgets.get_opt("month").await?.is_none().then_some(()))
    })
    .await?;
    control_plane.apply_yaml(&budget("month", "shop", "5 USD", "")).await?;
    let second = operator(&control_plane, "operator-1").await?;
    let after = status(client, month, |s| s["limits"][0]["spent"] == "0.424").await?;
    assert_eq!(after["ledgerName"], "shop.month");
    // The sidecar, still running, repeats itself and goes on: counted once.
    let mut reporter = Reporter::connect(&channel(client, second.address).await?, &token).await?;
    reporter.report(report("shop", "a", 2, 2000)).await?;
    reporter.report(report("shop", "a", 3, 3000)).await?;
    status(client, month, |s| s["limits"][0]["spent"] == "0.636").await?;
    second.stop().await?;
    Ok(())
}

#[tokio::test]
async fn of_two_operators_one_leads_and_the_other_says_who() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let client = &control_plane.client;
    control_plane.create_namespace_named("shop").await?;
    let manifests = provider("sim", "shop", &["m"]) + &policy("default", "shop", &["m"], "");
    control_plane.apply_yaml(&(manifests + &budget("month", "shop", "5 USD", ""))).await?;
    let leader = operator(&control_plane, "operator-0").await?;
    condition(client, ("bgt", "shop", "month"), "Ready", "True", "Ready").await?;
    let other = operator(&control_plane, "operator-1").await?;
    let (token, _) = pod(&control_plane, "shop", "bot", json!({})).await?;
    let to_other = channel(client, other.address).await?;
    let address = leader.address.to_string();
    wait_for("the other knows who leads", LONG, || async {
        let mut reporter = Reporter::connect(&to_other, &token).await?;
        let reply = reporter.report(report("shop", "a", 1, 1)).await?;
        Ok(matches!(reply.message, Some(ledger_reply::Message::NotLeader(not)) if not.address == address)
            .then_some(()))
    })
    .await?;
    // Configuration comes from every replica.
    let mut sidecar = Sidecar::connect(&to_other, Some(&token)).await?;
    sidecar.update_where(|update| update.entries.len() == 3).await?;
    assert_eq!(metric(other.admin_address, "pointsman_status_writes_total").await?, 0.0);
    // The leader goes: the other takes over and takes the report.
    leader.stop().await?;
    wait_for("the other leads", LONG, || async {
        let mut reporter = Reporter::connect(&to_other, &token).await?;
        let reply = reporter.report(report("shop", "a", 1, 1000)).await?;
        Ok(matches!(reply.message, Some(ledger_reply::Message::Ack(_))).then_some(()))
    })
    .await?;
    status(client, ("bgt", "shop", "month"), |s| s["limits"][0]["spent"] == "0.212").await?;
    other.stop().await?;
    Ok(())
}
