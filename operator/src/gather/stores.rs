//! Caches of what the operator watches.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::runtime::reflector::{Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy};
use serde::de::DeserializeOwned;

use crate::shared::{Shared, Stop};
use crate::trust::CONFIG_MAP;

/// The caches.
pub(crate) struct Stores {
    pub(crate) providers: Store<LLMProvider>,
    pub(crate) policies: Store<RoutingPolicy>,
    pub(crate) tests: Store<ABTest>,
    pub(crate) budgets: Store<Budget>,
    pub(crate) namespaces: Store<Namespace>,
    pub(crate) pods: Store<Pod>,
    /// What sidecars trust, in every namespace.
    pub(crate) trust: Store<ConfigMap>,
    /// The configuration of our webhook.
    pub(crate) webhooks: Store<MutatingWebhookConfiguration>,
}

impl Stores {
    /// Starts to watch. Each cache tells when it has changed.
    pub(super) fn start(client: &Client, webhook: &str, shared: &Arc<Shared>, stop: &Stop) -> Self {
        let all = watcher::Config::default;
        let named = |name: &str| all().fields(&format!("metadata.name={name}"));
        Self {
            providers: watch(client, shared, stop, all(), |_| {}),
            policies: watch(client, shared, stop, all(), |_| {}),
            tests: watch(client, shared, stop, all(), |_| {}),
            budgets: watch(client, shared, stop, all(), |_| {}),
            namespaces: watch(client, shared, stop, all(), |_| {}),
            pods: watch(client, shared, stop, all(), super::pods::trim),
            trust: watch(client, shared, stop, named(CONFIG_MAP), |_| {}),
            webhooks: watch(client, shared, stop, named(webhook), |_| {}),
        }
    }

    /// Waits until every cache has been filled once from which the world is made.
    pub(crate) async fn filled(&self) -> bool {
        let filled = tokio::join!(
            self.providers.wait_until_ready(),
            self.policies.wait_until_ready(),
            self.tests.wait_until_ready(),
            self.budgets.wait_until_ready(),
            self.namespaces.wait_until_ready(),
            self.pods.wait_until_ready(),
        );
        matches!(filled, (Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Ok(())))
    }
}

fn watch<K>(
    client: &Client,
    shared: &Arc<Shared>,
    stop: &Stop,
    config: watcher::Config,
    trim: fn(&mut K),
) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let (shared, mut stop) = (Arc::clone(shared), stop.clone());
    let api: Api<K> = Api::all(client.clone());
    tokio::spawn(async move {
        let events = watcher(api, config)
            .default_backoff()
            .modify(move |object| {
                object.meta_mut().managed_fields = None;
                trim(object);
            })
            .reflect(writer);
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = stop.wait() => return,
            };
            match event {
                Some(Ok(_)) => shared.world_changed.notify_one(),
                Some(Err(error)) => {
                    shared.metrics.error("watch");
                    tracing::warn!(kind = std::any::type_name::<K>(), %error, "failed to watch, will retry");
                }
                None => return,
            }
        }
    });
    reader
}

/// The objects of a cache that are not being deleted for good, in no order.
pub(super) fn objects<K>(store: &Store<K>) -> Vec<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.state().iter().map(|object| object.as_ref().clone()).collect()
}
