//! The planned status of each object, and how one is written: server-side apply of the status subresource.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use pointsman_config::entry::Name;
use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::memory::Memory;
use crate::FIELD_MANAGER;
use crate::compile::{CompiledWorld, name_of};
use crate::gather::Stores;
use crate::status::{Change, Notice, Scene, change, notices};

/// One planned status.
pub(super) struct Apply {
    pub(super) kind: &'static str,
    pub(super) name: Name,
    pub(super) uid: String,
    pub(super) change: Change,
    pub(super) status: Value,
    pub(super) notices: Vec<Notice>,
    pub(super) reference: ObjectReference,
    /// The version in the cache at the time of planning.
    pub(super) seen: String,
}

/// A kind with a status of ours.
trait Reported:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + ResourceExt + Clone + DeserializeOwned
{
    type Status: Serialize + DeserializeOwned + Clone + PartialEq;
    const KIND: &'static str;

    fn status(&self) -> Option<&Self::Status>;
    fn conditions(status: &Self::Status) -> &[Condition];
    fn plan(&self, scene: &Scene<'_>, previous: Option<&Self::Status>) -> Option<Self::Status>;
    fn generation_compiled(&self, compiled: &CompiledWorld) -> Option<i64>;
    fn more_notices(&self, _: &Scene<'_>, _: Option<&Self::Status>) -> Vec<Notice> {
        Vec::new()
    }
}

macro_rules! reported {
    ($kind:ident, $status:ident, $field:ident, $plan:expr $(, $more:item)?) => {
        impl Reported for $kind {
            type Status = pointsman_crds::v1alpha1::$status;
            const KIND: &'static str = stringify!($kind);

            fn status(&self) -> Option<&Self::Status> {
                self.status.as_ref()
            }

            fn conditions(status: &Self::Status) -> &[Condition] {
                &status.conditions
            }

            fn plan(&self, scene: &Scene<'_>, previous: Option<&Self::Status>) -> Option<Self::Status> {
                let plan: fn(&Self, &Scene<'_>, Option<&Self::Status>) -> Option<Self::Status> = $plan;
                plan(self, scene, previous)
            }

            fn generation_compiled(&self, compiled: &CompiledWorld) -> Option<i64> {
                compiled.$field.get(&name_of(self)).map(|outcome| outcome.generation())
            }

            $($more)?
        }
    };
}

reported!(LLMProvider, LLMProviderStatus, providers, |object, scene, previous| scene
    .provider(&name_of(object), previous));
reported!(RoutingPolicy, RoutingPolicyStatus, policies, |object, scene, previous| scene
    .policy(&name_of(object), previous));
reported!(ABTest, ABTestStatus, tests, |object, scene, previous| scene.test(object, previous));
reported!(
    Budget,
    BudgetStatus,
    budgets,
    |object, scene, previous| scene.budget(&name_of(object), previous),
    fn more_notices(&self, scene: &Scene<'_>, previous: Option<&Self::Status>) -> Vec<Notice> {
        scene.thresholds(&name_of(self), previous)
    }
);

/// Plans the status of every object in the caches.
pub(super) fn plan(
    scene: &Scene<'_>,
    compiled: &CompiledWorld,
    stores: &Stores,
    memory: &Memory,
) -> Vec<Apply> {
    let mut planned = Vec::new();
    planned.extend(
        stores.providers.state().iter().filter_map(|object| one(object.as_ref(), scene, compiled, memory)),
    );
    planned.extend(
        stores.policies.state().iter().filter_map(|object| one(object.as_ref(), scene, compiled, memory)),
    );
    planned.extend(
        stores.tests.state().iter().filter_map(|object| one(object.as_ref(), scene, compiled, memory)),
    );
    planned.extend(
        stores.budgets.state().iter().filter_map(|object| one(object.as_ref(), scene, compiled, memory)),
    );
    planned
}

fn one<K: Reported>(
    object: &K,
    scene: &Scene<'_>,
    compiled: &CompiledWorld,
    memory: &Memory,
) -> Option<Apply> {
    let uid = object.uid()?;
    let seen = object.resource_version().unwrap_or_default();
    // Compiled from an older version: the next world brings the newer one, and its own round.
    if object.generation_compiled(compiled) != object.meta().generation {
        return None;
    }
    // The cache may be behind our own last write.
    let remembered =
        memory.status(&uid, &seen).and_then(|status| serde_json::from_value(status.clone()).ok());
    let previous: Option<K::Status> = remembered.or_else(|| object.status().cloned());
    let next = object.plan(scene, previous.as_ref())?;
    let before = previous.as_ref().map(to_value);
    let after = to_value(&next);
    let mut notices = notices(previous.as_ref().map_or(&[], K::conditions), K::conditions(&next));
    notices.extend(object.more_notices(scene, previous.as_ref()));
    Some(Apply {
        kind: K::KIND,
        name: name_of(object),
        change: before.map_or(Change::Condition, |before| change(&before, &after)),
        status: after,
        notices,
        reference: object.object_ref(&()),
        uid,
        seen,
    })
}

fn to_value(status: &impl Serialize) -> Value {
    serde_json::to_value(status).expect("statuses are plain data")
}

impl Apply {
    /// Writes the status. The uid keeps it from another object of the same name.
    pub(super) async fn write(&self, client: &Client) -> Result<(), kube::Error> {
        match self.kind {
            LLMProvider::KIND => self.write_as::<LLMProvider>(client).await,
            RoutingPolicy::KIND => self.write_as::<RoutingPolicy>(client).await,
            ABTest::KIND => self.write_as::<ABTest>(client).await,
            _ => self.write_as::<Budget>(client).await,
        }
    }

    async fn write_as<K: Reported + std::fmt::Debug>(&self, client: &Client) -> Result<(), kube::Error> {
        let api: Api<K> = Api::namespaced(client.clone(), &self.name.namespace);
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": self.name.name, "uid": self.uid},
            "status": self.status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        api.patch_status(&self.name.name, &params, &Patch::Apply(&patch)).await.map(|_| ())
    }
}
