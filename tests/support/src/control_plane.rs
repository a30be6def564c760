//! How does a test get a real Kubernetes API server of its own?
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! let control_plane = pointsman_test_support::control_plane::start().await?;
//! let namespace = control_plane.create_namespace("shop").await?;
//! control_plane.apply_yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}").await?;
//! # Ok(())
//! # }
//! ```
//! etcd and kube-apiserver run as child processes on loopback ports that nobody chose before, with their data in a
//! temporary folder; both end with the value, or with the test process however that ends. Any number run side by side.
//! There is no controller-manager: nothing creates a `default` ServiceAccount (but [`ControlPlane::create_namespace`]
//! does), collects garbage, aggregates ClusterRoles (`view` and `edit` are empty) or runs Deployments, and there is no node.

mod access;
mod forge;
mod kubectl;
mod objects;
mod start;

use std::ops::Deref;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::sync::OnceCell;

pub use objects::BoundPod;
pub use start::start;

use crate::certificates::Authority;
use crate::process::Process;

/// A running API server and its store.
///
/// The fields that are processes end in the order in which they stand here; the folder goes last.
pub struct ControlPlane {
    /// Cluster administrator, bound to the runtime that called [`start`].
    pub client: kube::Client,
    /// A kubeconfig file of the cluster administrator.
    pub kubeconfig: PathBuf,
    /// Where the API server listens, `https://127.0.0.1:<port>`.
    pub url: String,
    /// The authority that signed the API server's certificate, and that it trusts for clients.
    pub ca: Authority,
    programs: PathBuf,
    apiserver: Process,
    etcd: Process,
    folder: TempDir,
}

impl ControlPlane {
    /// What the API server has logged so far.
    pub fn apiserver_log(&self) -> String {
        self.apiserver.output()
    }

    /// The processes, for tests that stop or kill them.
    pub fn processes(&mut self) -> (&mut Process, &mut Process) {
        (&mut self.apiserver, &mut self.etcd)
    }
}

/// The one control plane that all tests of a test binary share, with a client for the calling test's own runtime.
pub struct Shared {
    /// Cluster administrator, bound to the calling test's runtime.
    pub client: kube::Client,
    control_plane: &'static ControlPlane,
}

impl Deref for Shared {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        self.control_plane
    }
}

/// Gives the control plane that all tests of this test binary share, and starts it for the first of them.
///
/// Use it with a namespace per test; a test that changes cluster-wide things takes [`start`]. It ends with the test binary.
pub async fn shared() -> anyhow::Result<Shared> {
    static ONE: OnceCell<ControlPlane> = OnceCell::const_new();
    let control_plane = ONE.get_or_try_init(start).await?;
    Ok(Shared { client: control_plane.new_client().await?, control_plane })
}

#[cfg(test)]
mod tests;
