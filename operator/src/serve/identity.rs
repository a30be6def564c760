//! Who calls: a pod, by its projected token for our audience. Nothing that a sidecar says of itself counts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::reviews::Reviews;
use crate::compile::Labels;
use crate::gather;
use crate::shared::{PodRecord, Shared};

/// The audience of sidecars' tokens.
pub(crate) const AUDIENCE: &str = "pointsman.dev/sidecar";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
/// How long a sidecar waits for the API server to tell of its pod.
const PATIENCE: Duration = Duration::from_secs(10);

/// What identities are held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdentityConfig {
    /// Whether a sidecar must call from an address of its pod, where the cluster knows one. Off for networks that
    /// translate addresses between pods.
    pub(crate) check_peer_address: bool,
}

/// A pod that a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    namespace: String,
    service_account: String,
    pod_name: String,
    pod_uid: String,
}

/// Why a caller is refused; never more than what it knows already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("send the pod's projected token for audience {AUDIENCE} as \"authorization: Bearer ...\"")]
    NoToken,
    #[error("the token is not valid for audience {AUDIENCE}")]
    NotAuthenticated,
    #[error("the token is not bound to a pod: project it into the pod, or request it with a bound object")]
    NotBound,
    #[error("the pod does not exist, or is another one of the same name")]
    NoSuchPod,
    #[error(
        "the pod carries no sidecar: label it, or its namespace, pointsman.dev/inject=enabled and create it anew"
    )]
    NotInjected,
    #[error("the call does not come from an address of the pod")]
    WrongAddress,
}

/// Tells which pod a request comes from.
pub(crate) struct Reviewer {
    client: Client,
    shared: Arc<Shared>,
    config: IdentityConfig,
    reviews: Reviews,
}

impl Reviewer {
    pub(crate) fn new(client: Client, shared: Arc<Shared>, config: IdentityConfig) -> Self {
        Self { reviews: Reviews::new(client.clone()), client, shared, config }
    }

    /// The pod that a request comes from.
    pub(super) async fn pod<T>(&self, request: &Request<T>) -> Result<PodRecord, Status> {
        match self.check(request.metadata(), peer(request)).await {
            Ok(record) => Ok(record),
            Err(Refusal::Denied(denied)) => {
                self.shared.metrics.error("identity");
                tracing::info!(reason = %denied, "refused a sidecar");
                Err(Status::unauthenticated(denied.to_string()))
            }
            Err(Refusal::Unknown(error)) => {
                self.shared.metrics.error("review");
                tracing::warn!(%error, "failed to review a token");
                Err(Status::unavailable("the token cannot be reviewed now, try again"))
            }
        }
    }

    async fn check(&self, metadata: &MetadataMap, peer: Option<IpAddr>) -> Result<PodRecord, Refusal> {
        let token = bearer(metadata).ok_or(Denied::NoToken)?;
        let identity = self.reviews.of(token).await??;
        let found = tokio::time::timeout(PATIENCE, self.find(&identity)).await;
        let record = found.unwrap_or_else(|_| Err(kube::Error::Service("no pod in time".into()).into()))?;
        if !record.carries {
            return Err(Denied::NotInjected.into());
        }
        let elsewhere =
            !record.addresses.is_empty() && peer.is_none_or(|peer| !record.addresses.contains(&peer));
        if self.config.check_peer_address && elsewhere {
            return Err(Denied::WrongAddress.into());
        }
        Ok(record)
    }

    /// The pod of an identity: as cached, or read where the cache is behind.
    async fn find(&self, identity: &Identity) -> Result<PodRecord, Refusal> {
        let record = match self.cached(identity).await {
            Some(record) => record,
            None => {
                self.reviews.wait().await;
                let api: Api<Pod> = Api::namespaced(self.client.clone(), &identity.namespace);
                let pod = api.get_opt(&identity.pod_name).await?.ok_or(Denied::NoSuchPod)?;
                gather::record(&pod, &Labels::new(), None)
            }
        };
        let pod = &record.facts.pod;
        let same = pod.uid == identity.pod_uid
            && pod.namespace == identity.namespace
            && pod.name == identity.pod_name
            && record.service_account == identity.service_account;
        if same { Ok(record) } else { Err(Denied::NoSuchPod.into()) }
    }

    /// What the caches say; right after a start that is waited for, rather than asked about pod by pod.
    async fn cached(&self, identity: &Identity) -> Option<PodRecord> {
        let mut published = self.shared.published.subscribe();
        let published = published.wait_for(Option::is_some).await.ok()?;
        published.as_ref()?.pods.get(&identity.pod_uid).cloned()
    }
}

/// Why there is no pod: because the caller is refused, or because nobody can tell.
enum Refusal {
    Denied(Denied),
    Unknown(kube::Error),
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        Self::Unknown(error)
    }
}

fn bearer(metadata: &MetadataMap) -> Option<&str> {
    let value = metadata.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty())
}

fn peer<T>(request: &Request<T>) -> Option<IpAddr> {
    let address: SocketAddr = request.remote_addr()?;
    Some(address.ip().to_canonical())
}

/// Reads a review. Only a token for our audience, of a ServiceAccount, bound to one pod, identifies anybody.
pub(super) fn identity(status: &TokenReviewStatus) -> Result<Identity, Denied> {
    let ours = status.audiences.iter().flatten().any(|audience| audience == AUDIENCE);
    let user = status.user.as_ref().filter(|_| status.authenticated == Some(true) && ours);
    let user = user.ok_or(Denied::NotAuthenticated)?;
    let account = user.username.as_deref().and_then(|name| name.strip_prefix("system:serviceaccount:"));
    let in_group = user.groups.iter().flatten().any(|group| group == "system:serviceaccounts");
    let (namespace, service_account) = account
        .and_then(|account| account.split_once(':'))
        .filter(|_| in_group)
        .ok_or(Denied::NotAuthenticated)?;
    let one = |key: &str| match user.extra.as_ref()?.get(key)?.as_slice() {
        [value] if !value.is_empty() => Some(value.clone()),
        _ => None,
    };
    let (pod_name, pod_uid) = one(POD_NAME).zip(one(POD_UID)).ok_or(Denied::NotBound)?;
    Ok(Identity {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        pod_name,
        pod_uid,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn review(change: impl FnOnce(&mut Value)) -> Result<Identity, Denied> {
        let mut status = json!({
            "authenticated": true,
            "audiences": [AUDIENCE],
            "user": {
                "username": "system:serviceaccount:shop:bot",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:shop"],
                "extra": {POD_NAME: ["bot-1"], POD_UID: ["u-1"]},
            },
        });
        change(&mut status);
        identity(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_token_for_our_audience_bound_to_a_pod_identifies_it() {
        let expected = Identity {
            namespace: "shop".to_owned(),
            service_account: "bot".to_owned(),
            pod_name: "bot-1".to_owned(),
            pod_uid: "u-1".to_owned(),
        };
        assert_eq!(review(|_| {}), Ok(expected));
    }

    #[test]
    fn anything_less_identifies_nobody() {
        assert_eq!(review(|s| s["authenticated"] = json!(false)), Err(Denied::NotAuthenticated));
        assert_eq!(
            review(|s| s["audiences"] = json!(["https://kubernetes.default.svc"])),
            Err(Denied::NotAuthenticated)
        );
        assert_eq!(review(|s| s["audiences"] = Value::Null), Err(Denied::NotAuthenticated));
        assert_eq!(review(|s| s["user"]["username"] = json!("admin")), Err(Denied::NotAuthenticated));
        assert_eq!(
            review(|s| s["user"]["groups"] = json!(["system:masters"])),
            Err(Denied::NotAuthenticated)
        );
        assert_eq!(review(|s| s["user"]["extra"] = Value::Null), Err(Denied::NotBound));
        assert_eq!(review(|s| s["user"]["extra"][POD_UID] = json!([])), Err(Denied::NotBound));
        assert_eq!(review(|s| s["user"]["extra"][POD_NAME] = json!(["a", "b"])), Err(Denied::NotBound));
    }

    #[test]
    fn only_a_bearer_token_is_a_token() {
        for (value, expected) in
            [("Bearer abc", Some("abc")), ("Basic abc", None), ("Bearer ", None), ("abc", None)]
        {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", value.parse().unwrap());
            assert_eq!(bearer(&metadata), expected, "{value}");
        }
    }
}
