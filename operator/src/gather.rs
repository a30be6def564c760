//! Reads the cluster into a [`World`]: caches of objects, namespaces and pods, and single Secrets on demand.

mod pods;
mod secrets;
mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use pointsman_config::budget::Rights;
use pointsman_models::Date;

use crate::compile::{Labels, SecretKey, World, referenced_secret};
use crate::inject::Settings;
use crate::shared::{Credential, PodRecord, Shared, Stop};

pub(crate) use pods::record;
pub(crate) use stores::Stores;

use secrets::Secrets;

/// What the gatherer needs to know.
#[derive(Clone, Debug)]
pub(crate) struct GatherConfig {
    pub(crate) root_namespace: String,
    pub(crate) service_account: String,
    pub(crate) allow_private_endpoints: bool,
    /// Which MutatingWebhookConfiguration is ours.
    pub(crate) webhook_configuration: String,
    /// What is injected, if anything.
    pub(crate) injection: Option<Settings>,
}

/// Reads the cluster.
pub(crate) struct Gatherer {
    config: GatherConfig,
    pub(crate) stores: Arc<Stores>,
    secrets: Secrets,
}

/// Everything that was gathered at one moment.
pub(crate) struct Gathered {
    pub(crate) world: World,
    pub(crate) keys: BTreeMap<SecretKey, Credential>,
    pub(crate) pods: BTreeMap<String, PodRecord>,
}

impl Gatherer {
    /// Starts the caches.
    pub(crate) fn start(
        client: &kube::Client,
        config: GatherConfig,
        shared: &Arc<Shared>,
        stop: &Stop,
    ) -> Self {
        let stores = Arc::new(Stores::start(client, &config.webhook_configuration, shared, stop));
        let grant = secrets::Grant {
            root_namespace: config.root_namespace.clone(),
            service_account: config.service_account.clone(),
        };
        let secrets = Secrets::new(client.clone(), grant, Arc::clone(shared));
        Self { config, stores, secrets }
    }

    /// Reads everything once; none while a Secret that a provider names has not been read yet.
    pub(crate) fn gather(&self, now: Timestamp) -> Option<Gathered> {
        let providers = stores::objects(&self.stores.providers);
        let wanted: BTreeSet<_> =
            providers.iter().filter_map(referenced_secret).map(|key| key.secret).collect();
        self.secrets.want(&wanted);
        let (secrets, keys) = self.secrets.read()?;
        let namespaces: BTreeMap<String, Labels> =
            self.stores.namespaces.state().iter().map(|ns| (ns.name_any(), ns.labels().clone())).collect();
        let pods = pods::records(&self.stores.pods, &namespaces, self.config.injection.as_ref());
        let world = World {
            root_namespace: self.config.root_namespace.clone(),
            allow_private_endpoints: self.config.allow_private_endpoints,
            rights: Rights::CountingOnly,
            today: date(now),
            policies: stores::objects(&self.stores.policies),
            tests: stores::objects(&self.stores.tests),
            budgets: stores::objects(&self.stores.budgets),
            providers,
            secrets,
            namespaces,
        };
        Some(Gathered { world, keys, pods })
    }
}

/// The UTC day.
fn date(now: Timestamp) -> Date {
    let date = now.to_zoned(TimeZone::UTC).date();
    let part = |value: i8| u8::try_from(value).unwrap_or(1);
    let year = u16::try_from(date.year()).unwrap_or(1);
    Date::new(year, part(date.month()), part(date.day())).expect("jiff's dates are dates")
}
