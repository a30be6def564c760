//! Secrets that providers name, watched one by one: no list of anybody's Secrets is ever asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use pointsman_config::entry::Name;
use tokio::task::AbortHandle;

use crate::compile::{ALLOWED_HOSTS, SecretFacts, SecretKey, SecretState, allowed_hosts};
use crate::shared::{Credential, Shared};

/// After a failure; also how long a new RoleBinding takes to be noticed.
const RETRY: Duration = Duration::from_secs(2);

/// Who needs the right to read.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) root_namespace: String,
    pub(super) service_account: String,
}

impl Grant {
    /// The command that gives it.
    fn command(&self, namespace: &str) -> String {
        format!(
            "kubectl create rolebinding pointsman-secrets --namespace={namespace} \
             --clusterrole=pointsman-secret-reader --serviceaccount={}:{}",
            self.root_namespace, self.service_account
        )
    }
}

#[derive(Clone)]
struct Read {
    state: SecretState,
    values: BTreeMap<String, Vec<u8>>,
}

struct Watched {
    task: AbortHandle,
    read: Option<Read>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The Secrets that are watched now.
pub(super) struct Secrets {
    client: Client,
    grant: Grant,
    shared: Arc<Shared>,
    watched: Arc<Mutex<BTreeMap<Name, Watched>>>,
}

impl Secrets {
    pub(super) fn new(client: Client, grant: Grant, shared: Arc<Shared>) -> Self {
        Self { client, grant, shared, watched: Arc::default() }
    }

    /// Watches these Secrets and no others.
    pub(super) fn want(&self, wanted: &BTreeSet<Name>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|name, _| wanted.contains(name));
        for name in wanted {
            if !watched.contains_key(name) {
                watched.insert(name.clone(), Watched { task: self.watch(name), read: None });
            }
        }
    }

    /// What is known of them, and the keys in them; none while one has not been read yet.
    pub(super) fn read(&self) -> Option<(BTreeMap<Name, SecretState>, BTreeMap<SecretKey, Credential>)> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut states, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for (name, watched) in watched.iter() {
            let read = watched.read.as_ref()?;
            states.insert(name.clone(), read.state.clone());
            let SecretState::Present(facts) = &read.state else { continue };
            for (key, value) in &read.values {
                let credential = Credential { version: facts.version.clone(), value: value.clone() };
                keys.insert(SecretKey { secret: name.clone(), key: key.clone() }, credential);
            }
        }
        Some((states, keys))
    }

    fn watch(&self, name: &Name) -> AbortHandle {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &name.namespace);
        let (name, shared, watched) = (name.clone(), Arc::clone(&self.shared), Arc::clone(&self.watched));
        let remedy = self.grant.command(&name.namespace);
        let task = async move {
            let mut events = std::pin::pin!(watcher::watch_object(api, &name.name));
            while let Some(event) = events.next().await {
                let failed = event.is_err();
                let read = match event {
                    Ok(Some(secret)) => Some(present(&secret)),
                    Ok(None) => Some(nothing(SecretState::Missing)),
                    Err(error) if is_forbidden(&error) => {
                        Some(nothing(SecretState::Forbidden { remedy: remedy.clone() }))
                    }
                    Err(error) => {
                        shared.metrics.error("secret");
                        tracing::warn!(secret = %name, %error, "failed to watch a Secret, will retry");
                        None
                    }
                };
                if let Some(read) = read {
                    note(&watched, &name, read);
                    shared.world_changed.notify_one();
                }
                if failed {
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        tokio::spawn(task).abort_handle()
    }
}

/// Keeps the version while the values stay the same: an edited annotation is no new key.
fn note(watched: &Mutex<BTreeMap<Name, Watched>>, name: &Name, mut read: Read) {
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(entry) = watched.get_mut(name) else { return };
    if let Some(Read { state: SecretState::Present(before), values }) = &entry.read
        && *values == read.values
        && let SecretState::Present(facts) = &mut read.state
    {
        facts.version.clone_from(&before.version);
    }
    entry.read = Some(read);
}

fn nothing(state: SecretState) -> Read {
    Read { state, values: BTreeMap::new() }
}

fn present(secret: &Secret) -> Read {
    let data = secret.data.iter().flatten();
    let trimmed = data.map(|(key, value)| (key.clone(), value.0.trim_ascii().to_vec()));
    let values: BTreeMap<_, _> = trimmed.filter(|(_, value)| !value.is_empty()).collect();
    let annotation = secret.annotations().get(ALLOWED_HOSTS).map_or("", String::as_str);
    let facts = SecretFacts {
        version: format!(
            "{}.{}",
            secret.uid().unwrap_or_default(),
            secret.resource_version().unwrap_or_default()
        ),
        keys: values.keys().cloned().collect(),
        allowed_hosts: allowed_hosts(annotation),
    };
    Read { state: SecretState::Present(facts), values }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code == 403,
        watcher::Error::WatchError(status) => status.code == 403,
        _ => false,
    }
}
