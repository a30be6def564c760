//! The objects that most tests begin with: a namespace, the custom resource definitions, a token.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};

use super::ControlPlane;
use crate::{LONG, wait_for};

/// The pod that a token is bound to.
#[derive(Debug, Clone, Copy)]
pub struct BoundPod<'a> {
    pub name: &'a str,
    pub uid: &'a str,
}

impl ControlPlane {
    /// Creates a namespace `<prefix>-<number>` that no other test has, with its `default` ServiceAccount.
    pub async fn create_namespace(&self, prefix: &str) -> anyhow::Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.create_namespace_named(&name).await?;
        Ok(name)
    }

    /// As [`ControlPlane::create_namespace`], under a name of the test's choice.
    pub async fn create_namespace_named(&self, name: &str) -> anyhow::Result<()> {
        // A client of the calling test's runtime: the server may be shared between tests.
        let client = self.new_client().await?;
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let metadata = ObjectMeta { name: Some("default".to_owned()), ..ObjectMeta::default() };
        let account = ServiceAccount { metadata, ..ServiceAccount::default() };
        Api::namespaced(client, name).create(&PostParams::default(), &account).await?;
        Ok(())
    }

    /// Applies a folder of manifests and waits until every custom resource definition in the cluster is established.
    pub async fn apply_crds(&self, manifests: &Path) -> anyhow::Result<()> {
        self.apply_path(manifests).await?;
        let definitions: Api<CustomResourceDefinition> = Api::all(self.new_client().await?);
        wait_for("every custom resource definition is established", LONG, || async {
            let all = definitions.list(&ListParams::default()).await?;
            Ok((!all.items.is_empty() && all.items.iter().all(is_established)).then_some(()))
        })
        .await
    }

    /// A token of a ServiceAccount for `audience`, valid for an hour, bound to `pod` where one is given.
    pub async fn token_request(
        &self,
        namespace: &str,
        service_account: &str,
        audience: &str,
        pod: Option<BoundPod<'_>>,
    ) -> anyhow::Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.new_client().await?, namespace);
        let bound_object_ref = pod.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name.to_owned()),
            uid: Some(pod.uid.to_owned()),
        });
        let spec = TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            bound_object_ref,
            expiration_seconds: Some(3600),
        };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(service_account, &PostParams::default(), &request).await?;
        Ok(answer.status.context("the API server answers with a token")?.token)
    }
}

fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True")
}
