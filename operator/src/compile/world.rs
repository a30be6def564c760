//! Everything that is compiled: objects as they were read, and the few facts around them.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::budget::Rights;
use pointsman_config::entry::Name;
use pointsman_crds::v1alpha1::{ABTest, Budget, LLMProvider, RoutingPolicy};
use pointsman_models::Date;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// What is gathered before anything is compiled. Holds no secret: only that there is one, and its version.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The operator's own namespace: objects there are the organisation's.
    pub root_namespace: String,
    /// Whether plain HTTP and private addresses may be named by URL.
    pub allow_private_endpoints: bool,
    /// Who hands out rights to spend: `Local` for one process on its own, `CountingOnly` for a cluster.
    pub rights: Rights,
    /// The day, for models that retire.
    pub today: Date,
    /// LLMProviders.
    pub providers: Vec<LLMProvider>,
    /// RoutingPolicies.
    pub policies: Vec<RoutingPolicy>,
    /// ABTests.
    pub tests: Vec<ABTest>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// What is known of each Secret that providers name. One that is not here counts as missing.
    pub secrets: BTreeMap<Name, SecretState>,
    /// Namespaces and their labels.
    pub namespaces: BTreeMap<String, Labels>,
}

impl World {
    /// A world without objects.
    pub fn empty(root_namespace: &str, today: Date) -> Self {
        Self {
            root_namespace: root_namespace.to_owned(),
            allow_private_endpoints: false,
            rights: Rights::CountingOnly,
            today,
            providers: Vec::new(),
            policies: Vec::new(),
            tests: Vec::new(),
            budgets: Vec::new(),
            secrets: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        }
    }
}

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// It was read.
    Present(SecretFacts),
    /// It does not exist.
    Missing,
    /// It may not be read; `remedy` is the command that permits it.
    Forbidden {
        /// A command that mends it.
        remedy: String,
    },
}

/// A Secret without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Changes when a value changes.
    pub version: String,
    /// Its keys, those with an empty value left out.
    pub keys: BTreeSet<String>,
    /// Hosts of its annotation [`ALLOWED_HOSTS`], to which its keys may be sent.
    pub allowed_hosts: BTreeSet<String>,
}

/// The annotation of a Secret that names further hosts to which its keys may be sent.
pub const ALLOWED_HOSTS: &str = "pointsman.dev/allowed-hosts";

/// Reads the value of [`ALLOWED_HOSTS`]: hosts separated by commas or spaces, letter case aside.
pub fn allowed_hosts(annotation: &str) -> BTreeSet<String> {
    let hosts = annotation.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty());
    hosts.map(str::to_ascii_lowercase).collect()
}

/// One pod, as far as binding needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Labels of its namespace.
    pub namespace_labels: Labels,
}
