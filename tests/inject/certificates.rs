//! Who we are may change at any time, and nobody notices.

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::Api;
use kube::api::DeleteParams;
use pointsman_test_support::certificates::Authority;
use pointsman_test_support::control_plane::ControlPlane;
use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

use crate::fixture::{
    INJECT, ROOT, cluster, config, create, has_sidecar, install_webhook, plain, until_injecting,
};
use crate::sidecar::{channel, channel_trusting};

const PODS: usize = 300;
const ROTATIONS: usize = 3;

async fn secret(control_plane: &ControlPlane) -> anyhow::Result<Option<Secret>> {
    let api: Api<Secret> = Api::namespaced(control_plane.new_client().await?, ROOT);
    Ok(api.get_opt("pointsman-tls").await?)
}

fn certificate(secret: &Secret) -> String {
    let data = secret.data.clone().unwrap_or_default();
    data.get("ca.crt").map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
}

async fn trusted(control_plane: &ControlPlane) -> anyhow::Result<String> {
    let api: Api<ConfigMap> = Api::namespaced(control_plane.new_client().await?, ROOT);
    let map = api.get("pointsman-trust").await?;
    map.data.and_then(|mut data| data.remove("ca.crt")).context("the trust has a certificate")
}

#[tokio::test]
async fn three_rotations_of_the_authority_cost_no_pod_and_no_connection() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let mut config = config(&control_plane, "operator-0").await?;
    // As long as a slow machine takes to hear of a new bundle.
    (config.pace.spread, config.pace.overlap) = (Duration::from_secs(3), Duration::from_millis(500));
    let operator = config.start().await?;
    install_webhook(&control_plane, operator.webhook_address.context("it injects")?, "Fail").await?;
    until_injecting(&control_plane).await?;
    let namespace = control_plane.create_namespace("turning").await?;
    control_plane.run_kubectl(&["label", "namespace", &namespace, INJECT]).await?;
    let pods: Api<Pod> = Api::namespaced(control_plane.client.clone(), &namespace);
    let pod = json!({"metadata": {"generateName": "bot-"}, "spec": plain()});
    wait_for("the label is known", LONG, || async {
        Ok(has_sidecar(&create(&pods, &pod, true).await?).then_some(()))
    })
    .await?;
    let turning = async {
        for _ in 0..ROTATIONS {
            let before = certificate(&secret(&control_plane).await?.context("there is a Secret")?);
            let ask = ["annotate", "secret", "pointsman-tls", "-n", ROOT, "pointsman.dev/rotate=now"];
            control_plane.run_kubectl(&ask).await?;
            wait_for("another authority signs, and the old one is forgotten", LONG, || async {
                let now = secret(&control_plane).await?.context("there is a Secret")?;
                let keys = now.data.as_ref().map(std::collections::BTreeMap::len);
                Ok((certificate(&now) != before && keys == Some(2)).then_some(()))
            })
            .await?;
        }
        anyhow::Ok(())
    };
    let (finish, finished) = tokio::sync::watch::channel(false);
    let turning = async {
        let turned = turning.await;
        finish.send_replace(true);
        turned
    };
    let creating = async {
        let mut number = 0;
        while number < PODS || !*finished.borrow() {
            let created = create(&pods, &pod, true).await.with_context(|| format!("pod {number}"))?;
            anyhow::ensure!(has_sidecar(&created), "pod {number} has no sidecar");
            // As a sidecar that connects now, with what its volume says now.
            channel(&control_plane.client, operator.address)
                .await
                .with_context(|| format!("connection {number}"))?;
            number += 1;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(turning, creating)?;
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_deleted_or_damaged_secret_heals_and_whoever_trusted_before_is_still_served() -> anyhow::Result<()>
{
    let control_plane = cluster().await?;
    let mut config = config(&control_plane, "operator-0").await?;
    config.pace.spread = Duration::from_secs(600);
    let operator = config.start().await?;
    let before = trusted(&control_plane).await?;
    let first = secret(&control_plane).await?.context("there is a Secret")?;
    let api: Api<Secret> = Api::namespaced(control_plane.client.clone(), ROOT);
    api.delete("pointsman-tls", &DeleteParams::default()).await?;
    let healed = wait_for("the Secret is back", LONG, || secret(&control_plane)).await?;
    assert_eq!(certificate(&healed), certificate(&first), "the same authority signs on");
    channel_trusting(&before, operator.address).await?;
    // What was deleted may be known to others: another authority is on its way.
    wait_for("two are trusted", LONG, || async {
        let bundle = trusted(&control_plane).await?;
        Ok((bundle.matches("BEGIN CERTIFICATE").count() == 2).then_some(()))
    })
    .await?;
    let damage = r#"{"data": {"ca.key": "bm9uc2Vuc2U="}}"#;
    let patch = ["patch", "secret", "pointsman-tls", "-n", ROOT, "-p", damage];
    control_plane.run_kubectl(&patch).await?;
    wait_for("the key is a key again", LONG, || async {
        let secret = secret(&control_plane).await?.context("there is a Secret")?;
        let key = secret.data.unwrap_or_default().remove("ca.key").context("it has a key")?;
        Ok(String::from_utf8_lossy(&key.0).contains("PRIVATE KEY").then_some(()))
    })
    .await?;
    channel_trusting(&before, operator.address).await?;
    operator.stop().await?;
    // A replica that finds it damaged at its start starts, and repairs it once it leads.
    control_plane.run_kubectl(&patch).await?;
    let operator = crate::fixture::config(&control_plane, "operator-1").await?.start().await?;
    wait_for("what is published is what is served under", LONG, || async {
        let bundle = trusted(&control_plane).await?;
        Ok(channel_trusting(&bundle, operator.address).await.ok())
    })
    .await?;
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn every_replica_serves_under_the_same_authority() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let (first, second) =
        tokio::try_join!(config(&control_plane, "operator-0"), config(&control_plane, "operator-1"))?;
    let (first, second) = tokio::try_join!(first.start(), second.start())?;
    let bundle = trusted(&control_plane).await?;
    channel_trusting(&bundle, first.address).await?;
    channel_trusting(&bundle, second.address).await?;
    first.stop().await?;
    second.stop().await?;
    Ok(())
}

#[tokio::test]
async fn certificates_of_others_are_served_and_followed() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let folder = tempfile::tempdir()?;
    let fill = |authority: &Authority| -> anyhow::Result<()> {
        let server = authority.server(&["localhost", "127.0.0.1"])?;
        std::fs::write(folder.path().join("ca.crt"), authority.pem())?;
        std::fs::write(folder.path().join("tls.crt"), server.certificate)?;
        std::fs::write(folder.path().join("tls.key"), server.key)?;
        Ok(())
    };
    let (old, new) = (Authority::new("old")?, Authority::new("new")?);
    fill(&old)?;
    let mut config = config(&control_plane, "operator-0").await?;
    config.certificate_dir = Some(folder.path().to_owned());
    let operator = config.start().await?;
    install_webhook(&control_plane, operator.webhook_address.context("it injects")?, "Fail").await?;
    until_injecting(&control_plane).await?;
    assert!(secret(&control_plane).await?.is_none(), "no authority of its own");
    channel_trusting(&old.pem(), operator.address).await?;
    // Halfway through a change, the last whole one is served.
    std::fs::write(folder.path().join("tls.crt"), "")?;
    channel_trusting(&old.pem(), operator.address).await?;
    fill(&new)?;
    wait_for("the new one is served", LONG, || async {
        Ok(channel_trusting(&new.pem(), operator.address).await.ok())
    })
    .await?;
    let bundle = wait_for("both are trusted", LONG, || async {
        let bundle = trusted(&control_plane).await?;
        Ok(bundle.contains(new.pem().trim()).then_some(bundle))
    })
    .await?;
    assert!(bundle.contains(old.pem().trim()));
    until_injecting(&control_plane).await?;
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn operators_whose_clocks_are_five_minutes_off_serve_heal_and_take_over_from_each_other()
-> anyhow::Result<()> {
    const OFF: Duration = Duration::from_secs(300);
    let control_plane = cluster().await?;
    let ahead: fn() -> Timestamp = || Timestamp::now() + OFF;
    let behind: fn() -> Timestamp = || Timestamp::now() - OFF;
    for (identity, clock) in [("ahead", ahead), ("behind", behind), ("ahead-again", ahead)] {
        let mut config = config(&control_plane, identity).await?;
        (config.clock, config.pace.spread) = (clock, Duration::ZERO);
        let operator = config.start().await?;
        install_webhook(&control_plane, operator.webhook_address.context("it injects")?, "Fail").await?;
        // The API server's clock is right, and so is a sidecar's: both take the certificate.
        until_injecting(&control_plane).await.context(identity)?;
        channel_trusting(&trusted(&control_plane).await?, operator.address).await.context(identity)?;

        let before = secret(&control_plane).await?.context("there is a Secret")?;
        let api: Api<Secret> = Api::namespaced(control_plane.client.clone(), ROOT);
        api.delete("pointsman-tls", &DeleteParams::default()).await?;
        // It is back, and what was deleted is on its way out, which only the one who leads can see to.
        wait_for("another authority is on its way", LONG, || async {
            let Some(now) = secret(&control_plane).await? else { return Ok(None) };
            let keys = now.data.as_ref().map_or(0, std::collections::BTreeMap::len);
            Ok((keys > 2 || certificate(&now) != certificate(&before)).then_some(()))
        })
        .await
        .context(identity)?;
        until_injecting(&control_plane).await.context(identity)?;
        channel_trusting(&trusted(&control_plane).await?, operator.address).await.context(identity)?;
        operator.stop().await?;
    }
    Ok(())
}
