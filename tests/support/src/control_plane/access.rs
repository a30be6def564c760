//! Who may talk to the API server, and how: kubeconfig files and clients.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;

use super::ControlPlane;

impl ControlPlane {
    /// Another administrator's client, bound to the calling runtime.
    pub async fn new_client(&self) -> anyhow::Result<Client> {
        client_from(&self.kubeconfig).await
    }

    /// A client that acts as `user` in `groups`, with the rights that RBAC gives to them and no others.
    pub async fn client_for(&self, user: &str, groups: &[&str]) -> anyhow::Result<Client> {
        client_from(&self.kubeconfig_for(user, groups)?).await
    }

    /// As [`ControlPlane::client_for`], as a file for a program to read.
    ///
    /// A ServiceAccount is user `system:serviceaccount:<namespace>:<name>` of group `system:serviceaccounts`.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> anyhow::Result<PathBuf> {
        write_kubeconfig(self.folder.path(), &self.url, Some((user, groups)))
    }
}

/// Writes a kubeconfig (JSON is YAML) for the administrator, or for whom the administrator acts as.
pub(super) fn write_kubeconfig(
    folder: &Path,
    url: &str,
    acts_as: Option<(&str, &[&str])>,
) -> anyhow::Result<PathBuf> {
    let mut user = json!({
        "client-certificate": folder.join("admin.crt"),
        "client-key": folder.join("admin.key"),
    });
    let mut name = "admin".to_owned();
    if let Some((as_user, groups)) = acts_as {
        user["as"] = json!(as_user);
        user["as-groups"] = json!(groups);
        name = format!("{as_user} {}", groups.join(" ")).replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    }
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": folder.join("ca.crt")}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    let path = folder.join(format!("{name}.kubeconfig"));
    std::fs::write(&path, kubeconfig.to_string()).context("failed to write a kubeconfig")?;
    Ok(path)
}

pub(super) async fn client_from(kubeconfig: &Path) -> anyhow::Result<Client> {
    // Two TLS implementations may be linked into one test; whoever comes first has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
