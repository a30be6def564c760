//! Which images are ours, for the policy that keeps others from calling themselves so; and whether the cluster is new
//! enough for sidecars at all.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::FIELD_MANAGER;
use crate::shared::{Shared, Stop};
use crate::trust::TrustError;

/// The ConfigMap that lists them; the parameter of ValidatingAdmissionPolicy `pointsman-image`.
const CONFIG_MAP: &str = "pointsman-sidecar";
/// How often it is looked whether the list still stands.
const LOOK: Duration = Duration::from_secs(10);
/// Native sidecars, and the admission policies that guard them.
const OLDEST: u32 = 33;

/// Adds an image to the list. Each has a field manager of its own, so that replicas of two versions keep each other's.
pub(crate) async fn list(client: &Client, namespace: &str, image: &str) -> Result<(), TrustError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let key: String = Sha256::digest(image).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {&key: image},
    });
    let params = PatchParams::apply(&format!("{FIELD_MANAGER}-{key}")).force();
    let written = api.patch(CONFIG_MAP, &params, &Patch::Apply(&map)).await;
    let store = |source| TrustError::Store { object: CONFIG_MAP, source: Box::new(source) };
    written.map(|_| ()).map_err(store)
}

/// Keeps the image on the list until told to stop: without it, no pod with a sidecar could be created.
pub(crate) async fn keep(
    client: Client,
    namespace: String,
    image: String,
    shared: Arc<Shared>,
    mut stop: Stop,
) {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.wait() => return,
        }
        let listed = match api.get_opt(CONFIG_MAP).await {
            Ok(map) => {
                map.and_then(|map| map.data).is_some_and(|data| data.values().any(|known| *known == image))
            }
            Err(_) => continue,
        };
        if !listed && let Err(error) = list(&client, &namespace, &image).await {
            shared.metrics.error("images");
            tracing::warn!(%error, "failed to list the sidecar's image, will retry");
        }
    }
}

/// The version of a cluster that is too old. One that cannot be asked is taken for new: nothing else is known.
pub(crate) async fn too_old(client: &Client) -> Option<String> {
    let version = client.apiserver_version().await.ok()?;
    let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok();
    let old = (number(&version.major)?, number(&version.minor)?) < (1, OLDEST);
    if old {
        tracing::error!(
            version = version.git_version,
            "nothing is injected: Kubernetes 1.33 or newer is needed"
        );
    }
    old.then(|| format!("{}.{}", version.major, version.minor))
}
