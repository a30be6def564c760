//! Manifests as typed objects, and the secrets among them.

use std::collections::BTreeMap;

use kube::api::ObjectMeta;
use kube::core::Resource;
use pointsman_config::entry::Name;
use pointsman_crds::v1alpha1::{ABTest, Budget, LLMProvider, RoutingPolicy};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{DEFAULT_NAMESPACE, Manifest};

/// Secret values by `namespace/name`, then by key.
pub(crate) type Secrets = BTreeMap<Name, Secret>;

/// One Secret manifest.
#[derive(Clone, Default)]
pub(crate) struct Secret {
    /// Values by key.
    pub(crate) values: BTreeMap<String, String>,
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The objects of a folder, by kind.
#[derive(Default)]
pub(crate) struct Typed {
    pub(crate) providers: Vec<LLMProvider>,
    pub(crate) policies: Vec<RoutingPolicy>,
    pub(crate) tests: Vec<ABTest>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) secrets: Secrets,
}

/// Turns manifests that passed the schema into typed objects; what the types refuse all the same is told.
pub(crate) fn typed(manifests: &[Manifest]) -> (Typed, Vec<(usize, String)>) {
    let mut all = Typed::default();
    let mut refused = Vec::new();
    for (i, manifest) in manifests.iter().enumerate() {
        let taken = match manifest.kind.as_str() {
            "LLMProvider" => take(manifest, &mut all.providers),
            "RoutingPolicy" => take(manifest, &mut all.policies),
            "ABTest" => take(manifest, &mut all.tests),
            "Budget" => take(manifest, &mut all.budgets),
            _ => {
                all.secrets.insert(Name::new(&manifest.namespace, &manifest.name), secret(&manifest.object));
                Ok(())
            }
        };
        if let Err(error) = taken {
            refused.push((i, error.to_string()));
        }
    }
    (all, refused)
}

/// A folder has no API server: an object's title is its uid, its edits are its generation.
fn take<K>(manifest: &Manifest, into: &mut Vec<K>) -> serde_json::Result<()>
where
    K: DeserializeOwned + Resource,
{
    let mut object: K = serde_json::from_value(manifest.object.clone())?;
    let meta: &mut ObjectMeta = object.meta_mut();
    meta.namespace.get_or_insert_with(|| DEFAULT_NAMESPACE.to_owned());
    meta.uid = Some(manifest.title());
    meta.generation = Some(manifest.generation);
    into.push(object);
    Ok(())
}

fn secret(object: &Value) -> Secret {
    let strings = |pointer: &str| -> BTreeMap<String, String> {
        let fields = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        fields.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    };
    let mut values = strings("/stringData");
    for (key, encoded) in strings("/data") {
        if let Some(value) = decode_base64(&encoded) {
            values.entry(key).or_insert(value);
        }
    }
    Secret { values, annotations: strings("/metadata/annotations") }
}

fn decode_base64(text: &str) -> Option<String> {
    let quoted = Value::String(text.to_owned());
    let bytes: k8s_openapi::ByteString = serde_json::from_value(quoted).ok()?;
    String::from_utf8(bytes.0).ok()
}
