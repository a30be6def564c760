//! Who has called, who has not, and who is refused: from calls that an application made.

use pointsman_test_support::{LONG, wait_for};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::four_kinds;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_tells_who_has_called_it_and_whom_it_refused() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    let rules = json!([{"name": "cards", "matches": [{"text": {"regex": "card"}}],
        "action": {"type": "Reject", "reject": {"message": "no card numbers"}}}]);
    let patch = json!({"spec": {"rules": rules}}).to_string();
    cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &patch]).await?;
    let caller = cluster.sidecar(&namespace, "caller").await?;
    let silent = cluster.sidecar(&namespace, "silent").await?;
    for sidecar in [&caller, &silent] {
        sidecar.wait_until_ready().await?;
    }
    let told = async |state: &str, wired: u32, refused: u32| {
        let what = format!("{state}, {wired} wired, {refused} refused");
        wait_for(&what, LONG, || async {
            let pods = cluster.json_path("rpol/default", &namespace, "{.status.dataPlane}").await?;
            let pods: Value = serde_json::from_str(&pods)?;
            let row = cluster.kubectl(&["get", "rpol", "default", "-n", &namespace, "--no-headers"]).await?;
            let counts = [&pods["wired"], &pods["silent"], &pods["refused"]];
            let expected = [&json!(wired), &json!(2 - wired), &json!(refused)];
            anyhow::ensure!(counts == expected && row.split_whitespace().any(|c| c == state), "{pods} {row}");
            Ok(Some(()))
        })
        .await
    };
    told("NotWired", 0, 0).await?;
    assert_eq!(caller.chat("auto", "my card number").await?.status, 403);
    told("Serving", 1, 1).await?;
    assert_eq!(silent.chat("auto", "hello").await?.status, 200);
    told("Serving", 2, 1).await?;
    cluster.stop().await
}
