//! Which key a provider needs, and whether its Secret lets the key go to the provider's host.

use std::fmt;

use pointsman_config::entry::Name;
use pointsman_config::provider::HttpEndpoint;
use pointsman_crds::v1alpha1::LLMProvider;
use pointsman_crds::v1alpha1::llmprovider::{AuthType, LLMProviderSpec, SecretReference};
use pointsman_models::provider_defaults;

use super::endpoint;
use crate::compile::outcome::name_of;
use crate::compile::problem::{Problems, Reason};
use crate::compile::world::{ALLOWED_HOSTS, SecretFacts, SecretState, World};

const SECRET_PATH: &str = "spec.auth.apiKey.secretRef";

/// One key of one Secret; printed as credentials are referenced: `namespace/secret/key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretKey {
    /// The Secret.
    pub secret: Name,
    /// The key inside it.
    pub key: String,
}

impl fmt::Display for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.secret, self.key)
    }
}

/// The key that a provider's spec names, whether it exists or not. Tells what to read before compiling.
pub fn referenced_secret(provider: &LLMProvider) -> Option<SecretKey> {
    secret_key(&name_of(provider).namespace, &provider.spec)
}

fn secret_key(namespace: &str, spec: &LLMProviderSpec) -> Option<SecretKey> {
    let reference = secret_ref(spec)?;
    Some(SecretKey { secret: Name::new(namespace, &reference.name), key: reference.key.clone() })
}

fn secret_ref(spec: &LLMProviderSpec) -> Option<&SecretReference> {
    let auth = spec.auth.as_ref().filter(|auth| auth.type_ == AuthType::ApiKey)?;
    Some(&auth.api_key.as_ref()?.secret_ref)
}

/// Finds the key and its version.
pub(super) fn resolve(
    world: &World,
    namespace: &str,
    spec: &LLMProviderSpec,
    place: Option<&HttpEndpoint>,
    problems: &mut Problems,
) -> Option<(SecretKey, String)> {
    let type_ = spec.type_.as_str();
    let Some(auth) = &spec.auth else {
        if provider_defaults(type_).is_some_and(|defaults| defaults.needs_key) {
            let message = format!(
                "type {type_} wants a key: set auth.apiKey.secretRef.name, or auth.type: None to send none"
            );
            problems.add("spec.auth", Reason::Invalid, message);
        }
        return None;
    };
    let Some(wanted) = secret_key(namespace, spec) else {
        if auth.type_ == AuthType::ApiKey {
            problems.add("spec.auth.apiKey", Reason::Invalid, "type APIKey needs apiKey.secretRef.name");
        }
        return None;
    };
    let facts = read(world, &wanted, problems)?;
    if !facts.keys.contains(&wanted.key) {
        let message = format!(
            "Secret \"{}\" has no key \"{}\": add it, or name another key",
            wanted.secret, wanted.key
        );
        problems.add(format!("{SECRET_PATH}.key"), Reason::SecretKeyMissing, message);
        return None;
    }
    let allowed = place.is_none_or(|place| may_go_to(place, type_, facts, &wanted, problems));
    allowed.then(|| (wanted, facts.version.clone()))
}

fn read<'a>(world: &'a World, wanted: &SecretKey, problems: &mut Problems) -> Option<&'a SecretFacts> {
    match world.secrets.get(&wanted.secret) {
        Some(SecretState::Present(facts)) => Some(facts),
        Some(SecretState::Missing) | None => {
            let message = format!(
                "Secret \"{}\" does not exist: create it with the key \"{}\"",
                wanted.secret, wanted.key
            );
            problems.add(format!("{SECRET_PATH}.name"), Reason::SecretMissing, message);
            None
        }
        Some(SecretState::Forbidden { remedy }) => {
            let message = format!(
                "Secret \"{}\" may not be read by the operator; permit it with: {remedy}",
                wanted.secret
            );
            problems.add(format!("{SECRET_PATH}.name"), Reason::SecretForbidden, message);
            None
        }
    }
}

/// A key goes to the type's own host, and to those that its Secret names.
fn may_go_to(
    place: &HttpEndpoint,
    type_: &str,
    facts: &SecretFacts,
    wanted: &SecretKey,
    problems: &mut Problems,
) -> bool {
    let own = provider_defaults(type_).and_then(|defaults| defaults.host());
    let with_port = format!("{}:{}", place.host, place.port);
    let named =
        [place.host.as_str(), with_port.as_str()].iter().any(|host| facts.allowed_hosts.contains(*host));
    let allowed = named || (place.tls && own == Some(place.host.as_str()));
    if !allowed {
        let message = format!(
            "the key may not go to {}; permit it with: kubectl annotate secret -n {} {} {ALLOWED_HOSTS}={}",
            endpoint::display(place),
            wanted.secret.namespace,
            wanted.secret.name,
            facts
                .allowed_hosts
                .iter()
                .map(String::as_str)
                .chain([place.host.as_str()])
                .collect::<Vec<_>>()
                .join(","),
        );
        problems.add("spec.endpoint", Reason::HostNotAllowed, message);
    }
    allowed
}
