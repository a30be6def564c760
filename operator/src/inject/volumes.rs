//! The four volumes of the sidecar, and whether a pod has them already.

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, Pod, ProjectedVolumeSource, ServiceAccountTokenProjection,
    Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::plan::Operation;
use super::refusal::Refusal;
use crate::serve::AUDIENCE;
use crate::trust::CONFIG_MAP;

pub(super) const TOKEN: &str = "pointsman-token";
pub(super) const TRUST: &str = "pointsman-trust";
pub(super) const STATE: &str = "pointsman-state";
pub(super) const KEYS: &str = "pointsman-keys";

/// Adds those that are missing; refuses where somebody else has taken a name.
pub(super) fn plan(pod: &Pod) -> Result<Vec<Operation>, Refusal> {
    let present = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let mut wanted = Vec::new();
    for (name, make, is_ours) in [
        (TOKEN, token as fn() -> Volume, is_token as fn(&Volume) -> bool),
        (TRUST, trust, is_trust),
        (STATE, state, is_state),
        (KEYS, keys, is_keys),
    ] {
        match present.iter().find(|volume| volume.name == name) {
            None => wanted.push(make()),
            Some(volume) if is_ours(volume) => {}
            Some(_) => return Err(Refusal::VolumeTaken(name)),
        }
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if present.is_empty() {
        return Ok(vec![Operation::add("/spec/volumes".to_owned(), wanted)]);
    }
    Ok(wanted.into_iter().map(|volume| Operation::add("/spec/volumes/-".to_owned(), volume)).collect())
}

fn token() -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(AUDIENCE.to_owned()),
        expiration_seconds: Some(3600),
        path: "token".to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..ProjectedVolumeSource::default() };
    Volume { name: TOKEN.to_owned(), projected: Some(projected), ..Volume::default() }
}

fn trust() -> Volume {
    let map = ConfigMapVolumeSource { name: CONFIG_MAP.to_owned(), ..ConfigMapVolumeSource::default() };
    Volume { name: TRUST.to_owned(), config_map: Some(map), ..Volume::default() }
}

fn state() -> Volume {
    empty(STATE, None, "64Mi")
}

fn keys() -> Volume {
    empty(KEYS, Some("Memory"), "1Mi")
}

fn empty(name: &str, medium: Option<&str>, most: &str) -> Volume {
    let source = EmptyDirVolumeSource {
        medium: medium.map(str::to_owned),
        size_limit: Some(Quantity(most.to_owned())),
    };
    Volume { name: name.to_owned(), empty_dir: Some(source), ..Volume::default() }
}

fn is_token(volume: &Volume) -> bool {
    let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let tokens: Vec<_> = sources.map(|source| source.service_account_token.as_ref()).collect();
    matches!(tokens.as_slice(), [Some(token)] if token.audience.as_deref() == Some(AUDIENCE) && token.path == "token")
}

fn is_trust(volume: &Volume) -> bool {
    volume.config_map.as_ref().is_some_and(|map| map.name == CONFIG_MAP)
}

fn is_state(volume: &Volume) -> bool {
    volume.empty_dir.is_some()
}

fn is_keys(volume: &Volume) -> bool {
    volume.empty_dir.as_ref().is_some_and(|source| source.medium.as_deref() == Some("Memory"))
}
