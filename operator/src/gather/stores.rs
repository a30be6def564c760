//! Caches of what the operator watches.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::runtime::reflector::{Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy};
use serde::de::DeserializeOwned;

use crate::shared::{Shared, Stop};

/// The caches.
pub(crate) struct Stores {
    pub(crate) providers: Store<LLMProvider>,
    pub(crate) policies: Store<RoutingPolicy>,
    pub(crate) tests: Store<ABTest>,
    pub(crate) budgets: Store<Budget>,
    pub(crate) namespaces: Store<Namespace>,
    pub(crate) pods: Store<Pod>,
}

impl Stores {
    /// Starts to watch. Each cache tells when it has changed.
    pub(super) fn start(client: &Client, shared: &Arc<Shared>, stop: &Stop) -> Self {
        Self {
            providers: watch(client, shared, stop, |_| {}),
            policies: watch(client, shared, stop, |_| {}),
            tests: watch(client, shared, stop, |_| {}),
            budgets: watch(client, shared, stop, |_| {}),
            namespaces: watch(client, shared, stop, |_| {}),
            pods: watch(client, shared, stop, super::pods::trim),
        }
    }

    /// Waits until every cache has been filled once.
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

fn watch<K>(client: &Client, shared: &Arc<Shared>, stop: &Stop, trim: fn(&mut K)) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let (shared, mut stop) = (Arc::clone(shared), stop.clone());
    let api: Api<K> = Api::all(client.clone());
    tokio::spawn(async move {
        let events = watcher(api, watcher::Config::default())
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
