//! Builds a plane from the objects that are served. Control thread only.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::{HeaderName, HeaderValue, Uri};
use jiff::Timestamp;
use pointsman_config::entry::Name;
use pointsman_config::objects::Objects;
use pointsman_config::provider::{ProviderConfig, Upstream};
use pointsman_core::snapshot::{Policy, Snapshot};

use super::live::{Live, PolicyLive, TargetLive};
use super::{CandidatePart, Key, Plane, PolicyPart, ProviderPart, TargetPart};
use crate::pool::{Origin, Origins};
use crate::rights::Rights;
use crate::scoring::{ScorerPart, Shelf};
use crate::secret::Credentials;
use crate::simulated::Simulations;
use crate::telemetry::Telemetry;
use crate::usage::{CallCounters, Day};

/// Everything that lives longer than a plane.
pub(crate) struct Ground<'a> {
    pub(crate) live: &'a mut Live,
    pub(crate) rights: &'a mut Rights,
    pub(crate) origins: &'a mut Origins,
    pub(crate) credentials: &'a Credentials,
    pub(crate) simulations: &'a Simulations,
    pub(crate) shelf: &'a mut Shelf,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) now: Timestamp,
}

impl Ground<'_> {
    /// Joins objects into a new world.
    pub(crate) fn build(&mut self, objects: &Objects) -> Plane {
        self.lay(Arc::new(Snapshot::build(objects)))
    }

    /// Lays the live parts beside a snapshot: after a change of objects, or when a window has turned.
    pub(crate) fn lay(&mut self, snapshot: Arc<Snapshot>) -> Plane {
        self.forget_what_is_gone(&snapshot);
        let limits: Vec<_> =
            (0..snapshot.limits.len()).map(|i| self.rights.part(&snapshot, i, self.now)).collect();
        let policies = snapshot.policies.iter().map(|policy| {
            let scorer = ScorerPart::new(&snapshot, policy, self.shelf);
            PolicyPart {
                live: self.policy_live(&policy.name, &scorer),
                label: text_header(&policy.name.to_string()),
                candidates: self.candidates(&snapshot, policy, &limits),
                scorer,
            }
        });
        let policies = policies.collect();
        let targets = snapshot.targets.iter().map(|target| TargetPart {
            live: self.target_live(&target.key),
            model: text_header(&target.key.model),
            provider: text_header(&target.key.provider.name),
        });
        let targets = targets.collect();
        let providers = snapshot.providers.iter().map(|p| self.provider(&p.config, &p.name)).collect();
        Plane { snapshot, policies, providers, targets, limits }
    }

    fn candidates(
        &mut self,
        snapshot: &Snapshot,
        policy: &Policy,
        limits: &[super::LimitPart],
    ) -> Vec<CandidatePart> {
        let today = Day::of(self.now);
        policy
            .candidates
            .iter()
            .map(|candidate| {
                let key = (policy.name.clone(), snapshot.targets[candidate.target].key.clone());
                let counters = self
                    .live
                    .counters
                    .entry(key)
                    .or_insert_with(|| Arc::new(CallCounters::new(today)))
                    .clone();
                counters.turn_to(today);
                let limits = candidate.limits.iter().map(|&i| limits[i].live.clone()).collect();
                CandidatePart { limits, counters, turns: AtomicU64::default() }
            })
            .collect()
    }

    fn policy_live(&mut self, name: &Name, scorer: &ScorerPart) -> Arc<PolicyLive> {
        let remembered = self.live.learned.of(name);
        let new = || Arc::new(remembered.map(PolicyLive::remembering).unwrap_or_default());
        let live = self.live.policies.entry(name.clone()).or_insert_with(new);
        let scorer = scorer.model.as_ref().map(|model| model.hash().to_string()).unwrap_or_default();
        let guard = remembered.filter(|known| known.scorer == scorer).map(|known| known.guard);
        live.watch(scorer, guard);
        live.clone()
    }

    fn target_live(&mut self, key: &pointsman_core::snapshot::TargetKey) -> Arc<TargetLive> {
        let new = || Arc::new(TargetLive::new(self.telemetry.target(key)));
        self.live.targets.entry(key.clone()).or_insert_with(new).clone()
    }

    fn provider(&mut self, config: &ProviderConfig, name: &pointsman_config::entry::Name) -> ProviderPart {
        let (origin, base_path) = match &config.upstream {
            Upstream::Http(http) => (
                Origin {
                    tls: http.tls,
                    host: http.host.clone(),
                    port: http.port,
                    allow_private: http.allow_private,
                },
                http.base_path.clone(),
            ),
            Upstream::Simulated(_) => (simulated_origin(self.simulations.address(name)), "/v1".to_owned()),
        };
        let host = text_header(&authority(&origin));
        let (origin_id, origin) = self.origins.number(origin);
        ProviderPart {
            origin,
            origin_id,
            chat: Uri::from_str(&format!("{base_path}/chat/completions")).unwrap_or_default(),
            host,
            headers: headers(config),
            key: self.key(config),
            timeouts: config.timeouts,
        }
    }

    fn key(&self, config: &ProviderConfig) -> Key {
        let Some(name) = &config.credential else { return Key::NotNeeded };
        let Some(credential) = self.credentials.get(name) else { return Key::Missing };
        let value = [b"Bearer ", credential.secret.expose()].concat();
        match HeaderValue::from_bytes(&value) {
            Ok(mut header) => {
                header.set_sensitive(true);
                Key::Bearer(header)
            }
            Err(_) => Key::Missing,
        }
    }

    /// Counters stay: what was counted is reported until the process ends.
    fn forget_what_is_gone(&mut self, snapshot: &Snapshot) {
        self.live.policies.retain(|name, _| snapshot.policies.iter().any(|p| p.name == *name));
        self.live.targets.retain(|key, _| snapshot.targets.iter().any(|t| t.key == *key));
        self.rights.retain(snapshot);
    }
}

fn simulated_origin(address: Option<SocketAddr>) -> Origin {
    // A simulation that could not be started is refused by `check_here`; port 0 refuses every connection.
    let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    Origin { tls: false, host: address.ip().to_string(), port: address.port(), allow_private: true }
}

fn authority(origin: &Origin) -> String {
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let usual = if origin.tls { 443 } else { 80 };
    if origin.port == usual { host } else { format!("{host}:{}", origin.port) }
}

fn headers(config: &ProviderConfig) -> Vec<(HeaderName, HeaderValue)> {
    let parse = |header: &pointsman_config::provider::Header| {
        let name = HeaderName::from_str(&header.name).ok()?;
        Some((name, HeaderValue::from_str(&header.value).ok()?))
    };
    config.headers.iter().filter_map(parse).collect()
}

/// Names of objects and models as headers; what no header can carry becomes `?`.
fn text_header(text: &str) -> HeaderValue {
    let printable: Vec<u8> =
        text.bytes().map(|b| if (b' '..=b'~').contains(&b) { b } else { b'?' }).collect();
    HeaderValue::from_bytes(&printable).expect("visible ASCII only")
}
