//! Tells everybody what to trust: the ConfigMap of each namespace with sidecars, and the `caBundle` of the webhook.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use futures::FutureExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::{CA_CERTIFICATE, CONFIG_MAP, Trust, TrustError};
use crate::FIELD_MANAGER;
use crate::gather::Stores;
use crate::inject;
use crate::shared::{Shared, Stop};

/// Sidecars are served even by an operator whose webhook the API server cannot be told of.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked until then.
const AT_FIRST: Duration = Duration::from_millis(200);

/// Publishes, while this replica leads.
pub(crate) struct Publisher {
    pub(crate) client: Client,
    pub(crate) root_namespace: String,
    pub(crate) webhook_configuration: String,
    pub(crate) stores: Arc<Stores>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) tend: Duration,
}

/// Publishes into the operator's own namespace: any replica may, and at its start does.
pub(crate) async fn publish_here(client: &Client, namespace: &str, bundle: &str) -> Result<(), TrustError> {
    apply(client, namespace, bundle)
        .await
        .map_err(|source| TrustError::Store { object: CONFIG_MAP, source: Box::new(source) })
}

impl Publisher {
    /// Compares what stands with what should, again and again, until told to stop: whatever is edited or deleted is put
    /// right.
    pub(crate) async fn run(self, shared: Arc<Shared>, mut stop: Stop) {
        let mut bundle = self.trust.bundle.subscribe();
        let mut leadership = shared.leadership.subscribe();
        let since = Instant::now();
        loop {
            let pause = if shared.told.load(Relaxed) { self.tend } else { self.tend.min(AT_FIRST) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = bundle.changed() => if changed.is_err() { return },
                changed = leadership.changed() => if changed.is_err() { return },
                () = stop.wait() => return,
            }
            let text = bundle.borrow_and_update().clone();
            if self.has_told(&text) || since.elapsed() > PATIENCE {
                shared.told.store(true, Relaxed);
            }
            if !shared.is_leader() {
                continue;
            }
            // First the API server: it alone must know before the first call that needs it.
            if let Err(error) = self.publish_to_webhook(&text).await {
                self.failed(&shared, &error, "the webhook's configuration");
            }
            for namespace in self.stale(&shared, &text) {
                if let Err(error) = apply(&self.client, &namespace, &text).await {
                    self.failed(&shared, &error, &namespace);
                }
            }
        }
    }

    fn failed(&self, shared: &Shared, error: &kube::Error, place: &str) {
        // A namespace that is being deleted takes nothing any more.
        if matches!(error, kube::Error::Api(status) if status.code == 404 || status.reason == "Forbidden" && status.message.contains("terminated"))
        {
            return;
        }
        shared.metrics.error("trust");
        tracing::warn!(%error, place, "failed to publish what to trust, will retry");
    }

    /// The namespaces whose ConfigMap is missing or says something else.
    fn stale(&self, shared: &Shared, bundle: &str) -> Vec<String> {
        let maps = self.stores.trust.state();
        let mut wanted: BTreeSet<String> = maps.iter().filter_map(|map| map.namespace()).collect();
        wanted.insert(self.root_namespace.clone());
        let namespaces = self.stores.namespaces.state();
        let asks = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get(inject::LABEL).is_some_and(|value| value == "enabled")
        };
        wanted.extend(namespaces.iter().filter(|ns| asks(ns.labels())).map(|ns| ns.name_any()));
        if let Some(published) = shared.published.borrow().as_ref() {
            let injected = published.pods.values().filter(|pod| pod.facts.injected);
            wanted.extend(injected.map(|pod| pod.facts.pod.namespace.clone()));
        }
        let leaves = |ns: &str| {
            namespaces
                .iter()
                .any(|known| known.name_any() == ns && known.metadata.deletion_timestamp.is_some())
        };
        let says = |ns: &str| {
            maps.iter().any(|map| {
                map.namespace().as_deref() == Some(ns)
                    && map
                        .data
                        .as_ref()
                        .and_then(|data| data.get(CA_CERTIFICATE))
                        .is_some_and(|text| text == bundle)
            })
        };
        wanted.into_iter().filter(|ns| !says(ns) && !leaves(ns)).collect()
    }

    /// Whether the API server's own view has the bundle, as far as ours can tell; so it is where no webhook is installed.
    fn has_told(&self, bundle: &str) -> bool {
        let is_read = self.stores.webhooks.wait_until_ready().now_or_never().is_some();
        is_read && self.outdated(bundle).is_none()
    }

    /// The webhook's configuration, where an entry of it does not carry the bundle.
    fn outdated(&self, bundle: &str) -> Option<Arc<MutatingWebhookConfiguration>> {
        let stored = self.stores.webhooks.state();
        let configuration = stored.into_iter().find(|o| o.name_any() == self.webhook_configuration)?;
        let current = |entry: &MutatingWebhook| {
            entry.client_config.ca_bundle.as_ref().is_some_and(|known| known.0 == bundle.as_bytes())
        };
        (!configuration.webhooks.iter().flatten().all(current)).then_some(configuration)
    }

    /// Owns one field of each entry, and nothing else.
    async fn publish_to_webhook(&self, bundle: &str) -> Result<(), kube::Error> {
        let Some(configuration) = self.outdated(bundle) else { return Ok(()) };
        let entries = configuration.webhooks.as_deref().unwrap_or_default();
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| json!({"name": entry.name, "clientConfig": {"caBundle": bundle}}))
            .collect();
        let patch = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": self.webhook_configuration},
            "webhooks": entries,
        });
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&self.webhook_configuration, &params, &Patch::Apply(&patch)).await.map(|_| ())
    }
}

async fn apply(client: &Client, namespace: &str, bundle: &str) -> Result<(), kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {CA_CERTIFICATE: bundle},
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(CONFIG_MAP, &params, &Patch::Apply(&map)).await.map(|_| ())
}
