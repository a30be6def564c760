//! From a folder to what the data plane obeys: the world that the operator's compiler takes, and the keys beside it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use pointsman_config::budget::Rights;
use pointsman_config::entry::{Entry, Name};
use pointsman_models::Date;
use pointsman_operator::compile::{
    ALLOWED_HOSTS, CompiledWorld, Pod, SecretFacts, SecretState, World, allowed_hosts, compile,
    referenced_secret, scope, scope_credentials,
};

use crate::environment::Environment;
use crate::manifests::{DEFAULT_NAMESPACE, Manifest, Secrets, typed};

/// The root namespace where there is no cluster.
pub(crate) const ROOT_NAMESPACE: &str = "pointsman-system";

/// A folder, compiled.
pub(crate) struct Compiled {
    /// Every object with its problems.
    pub(crate) world: CompiledWorld,
    /// What the one data plane of this process gets.
    pub(crate) entries: Vec<Entry>,
    /// The keys that those entries name: reference, version and value.
    pub(crate) credentials: Vec<(String, String, String)>,
    /// The namespace that the data plane stands for.
    pub(crate) namespace: String,
}

/// Compiles manifests for one process on its own. Keys come from Secrets among the manifests, else from the variable
/// that people usually keep the type's key in.
pub(crate) fn compile_manifests(manifests: &[Manifest], environment: &Environment) -> Compiled {
    // What the types refuse was refused when it was read.
    let (objects, _) = typed(manifests);
    let mut secrets = objects.secrets;
    for provider in &objects.providers {
        add_from_environment(provider, environment, &mut secrets);
    }
    let namespace = namespace_of(manifests);
    let world = World {
        allow_private_endpoints: true,
        rights: Rights::Local,
        secrets: facts(&secrets),
        namespaces: manifests.iter().map(|m| (m.namespace.clone(), BTreeMap::new())).collect(),
        providers: objects.providers,
        policies: objects.policies,
        tests: objects.tests,
        budgets: objects.budgets,
        ..World::empty(ROOT_NAMESPACE, today())
    };
    let compiled = compile(&world);
    let pod = Pod { namespace: namespace.clone(), name: "pointsman".to_owned(), ..Pod::default() };
    let entries = scope(&compiled, &pod);
    let credentials = scope_credentials(&compiled, &entries)
        .into_iter()
        .filter_map(|key| {
            let secret = secrets.get(&key.secret)?;
            Some((key.to_string(), version(&secret.values), secret.values.get(&key.key)?.clone()))
        })
        .collect();
    Compiled { world: compiled, entries, credentials, namespace }
}

fn today() -> Date {
    let now = Zoned::now();
    Date::new(now.year().unsigned_abs(), now.month().unsigned_abs(), now.day().unsigned_abs())
        .expect("the clock gives days of the calendar")
}

/// The namespace of the policies, else of anything; what most objects say where they disagree.
fn namespace_of(manifests: &[Manifest]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for manifest in manifests.iter().filter(|m| m.namespace != ROOT_NAMESPACE) {
        let weight = if manifest.kind == "RoutingPolicy" { 1000 } else { 1 };
        *counts.entry(&manifest.namespace).or_default() += weight;
    }
    let most = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
    most.map_or_else(|| DEFAULT_NAMESPACE.to_owned(), |(namespace, _)| namespace.to_owned())
}

/// Where a provider names a Secret that the folder lacks, the type's usual variable stands in.
fn add_from_environment(
    provider: &pointsman_crds::LLMProvider,
    environment: &Environment,
    secrets: &mut Secrets,
) {
    let Some(wanted) = referenced_secret(provider) else { return };
    let provider_type = provider.spec.type_.as_str();
    let Some(value) = environment.key_variable(provider_type).and_then(|it| environment.get(it)) else {
        return;
    };
    let secret = secrets.entry(wanted.secret).or_default();
    secret.values.entry(wanted.key).or_insert_with(|| value.to_owned());
    // Whoever sets the variable of the base URL beside the key means the key to go there.
    if let Some(host) = environment.base_url_host(provider_type) {
        secret.annotations.entry(ALLOWED_HOSTS.to_owned()).or_insert(host);
    }
}

fn facts(secrets: &Secrets) -> BTreeMap<Name, SecretState> {
    let state = |secret: &crate::manifests::Secret| {
        let filled = secret.values.iter().filter(|(_, value)| !value.is_empty());
        SecretState::Present(SecretFacts {
            version: version(&secret.values),
            keys: filled.map(|(key, _)| key.clone()).collect(),
            allowed_hosts: secret
                .annotations
                .get(ALLOWED_HOSTS)
                .map_or_else(BTreeSet::new, |a| allowed_hosts(a)),
        })
    };
    secrets.iter().map(|(name, secret)| (name.clone(), state(secret))).collect()
}

/// Changes when a value changes, and tells nothing of it: a keyed hash whose key is new in every process.
fn version(values: &BTreeMap<String, String>) -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static KEY: OnceLock<RandomState> = OnceLock::new();
    format!("{:016x}", KEY.get_or_init(RandomState::new).hash_one(values))
}
