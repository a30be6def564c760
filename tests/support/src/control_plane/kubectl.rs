//! kubectl, as people use it: their view of the API is what tests of messages and columns are about.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tokio::io::AsyncWriteExt;

use super::ControlPlane;

impl ControlPlane {
    /// The kubectl of the API server's own version, as administrator.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(self.programs.join("kubectl"));
        command.env("KUBECONFIG", &self.kubeconfig);
        // What one API server serves must not be remembered for the next one, nor in somebody's home.
        command.env("KUBECACHEDIR", self.folder.path().join("kubectl-cache"));
        command
    }

    /// Runs kubectl and gives what it printed; the error is its stderr, word for word.
    pub async fn run_kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_kubectl_with_input(arguments, "").await
    }

    /// `kubectl apply -f -`: the error is what a user reads.
    pub async fn apply_yaml(&self, yaml: &str) -> anyhow::Result<String> {
        self.run_kubectl_with_input(&["apply", "-f", "-"], yaml).await
    }

    /// `kubectl apply --server-side -f` a file or a folder.
    pub async fn apply_path(&self, path: &Path) -> anyhow::Result<String> {
        let path = path.to_str().context("the path is UTF-8")?;
        self.run_kubectl(&["apply", "--server-side", "--recursive", "-f", path]).await
    }

    /// Runs kubectl with `input` on its standard input.
    pub async fn run_kubectl_with_input(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.kubectl());
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("failed to start kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has an input")?;
        // kubectl may end, on a wrong flag, before it has read everything: its own words are the error then.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
