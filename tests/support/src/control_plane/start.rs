//! From nothing to an API server that answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::ControlPlane;
use super::access::{client_from, write_kubeconfig};
use crate::certificates::Authority;
use crate::process::Process;
use crate::{LONG, free_port, wait_for};

const ATTEMPTS: usize = 3;

/// Starts etcd and kube-apiserver, and waits until the API server is ready (about three seconds).
///
/// The programs come from `KUBEBUILDER_ASSETS`, else from `scripts/kubernetes.sh`, which builds them once.
pub async fn start() -> anyhow::Result<ControlPlane> {
    let programs = tokio::task::spawn_blocking(find_programs).await??;
    let mut attempt = 1;
    loop {
        match start_once(&programs).await {
            // Between finding a free port and listening on it, somebody else may take it.
            Err(error) if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                attempt += 1
            }
            done => return done,
        }
    }
}

fn find_programs() -> anyhow::Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kubernetes.sh");
    // Its progress goes to our stderr: a build of minutes should not look like a hang.
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .context("failed to run scripts/kubernetes.sh")?;
    if !output.status.success() {
        bail!("scripts/kubernetes.sh failed ({}); what it said stands above", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

async fn start_once(programs: &Path) -> anyhow::Result<ControlPlane> {
    let folder = tempfile::Builder::new().prefix("pointsman-control-plane-").tempdir()?;
    let ca = Authority::new("pointsman test authority")?;
    write_certificates(&ca, folder.path())?;

    let etcd = start_etcd(programs, &folder)?;
    let store = etcd_url(&etcd).await?;
    let port = free_port()?;
    let url = format!("https://127.0.0.1:{port}");
    let apiserver = start_apiserver(programs, folder.path(), &store, port)?;
    let kubeconfig = write_kubeconfig(folder.path(), &url, None)?;
    let client = client_from(&kubeconfig).await?;
    let control_plane =
        ControlPlane { client, kubeconfig, url, ca, programs: programs.to_owned(), apiserver, etcd, folder };
    wait_until_ready(control_plane).await
}

fn write_certificates(ca: &Authority, folder: &Path) -> anyhow::Result<()> {
    let server = ca.server(&["kubernetes.default.svc", "localhost", "127.0.0.1"])?;
    let admin = ca.client("pointsman-test-admin", "system:masters")?;
    let tokens = ca.client("service-account-tokens", "none")?;
    let files = [
        ("ca.crt", ca.pem()),
        ("server.crt", server.certificate),
        ("server.key", server.key),
        ("admin.crt", admin.certificate),
        ("admin.key", admin.key),
        ("tokens.crt", tokens.certificate),
        ("tokens.key", tokens.key),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

fn start_etcd(programs: &Path, folder: &TempDir) -> anyhow::Result<Process> {
    const ANY: &str = "http://127.0.0.1:0";
    let mut command = Command::new(programs.join("etcd"));
    command.args(["--name", "test", "--unsafe-no-fsync", "--initial-cluster", &format!("test={ANY}")]);
    command.arg("--data-dir").arg(folder.path().join("etcd"));
    for flag in
        ["listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls"]
    {
        command.arg(format!("--{flag}={ANY}"));
    }
    Process::start_with_folders(&mut command, &[folder.path()])
}

/// etcd listens on a port of the kernel's choice and tells it in its log.
async fn etcd_url(etcd: &Process) -> anyhow::Result<String> {
    let line = etcd.wait_for_line("serving client traffic", LONG).await?;
    let entry: serde_json::Value = serde_json::from_str(&line).context("etcd logs JSON")?;
    Ok(format!("http://{}", entry["address"].as_str().context("etcd names its address")?))
}

fn start_apiserver(programs: &Path, folder: &Path, store: &str, port: u16) -> anyhow::Result<Process> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(programs.join("kube-apiserver"));
    let flags = [
        ("etcd-servers", store.to_owned()),
        ("bind-address", "127.0.0.1".to_owned()),
        ("advertise-address", "127.0.0.1".to_owned()),
        ("secure-port", port.to_string()),
        ("tls-cert-file", file("server.crt")),
        ("tls-private-key-file", file("server.key")),
        ("client-ca-file", file("ca.crt")),
        ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
        ("service-account-key-file", file("tokens.crt")),
        ("service-account-signing-key-file", file("tokens.key")),
        ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("allow-privileged", "true".to_owned()),
        ("endpoint-reconciler-type", "none".to_owned()),
    ];
    command.args(flags.map(|(name, value)| format!("--{name}={value}")));
    Process::start(&mut command)
}

async fn wait_until_ready(mut control_plane: ControlPlane) -> anyhow::Result<ControlPlane> {
    let client = control_plane.client.clone();
    let apiserver = &mut control_plane.apiserver;
    let ready = wait_for("the API server is ready", LONG, || {
        let ended = apiserver.exit_status().ok().flatten();
        let client = client.clone();
        async move {
            match ended {
                Some(status) => Ok(Some(Err(status))),
                None => {
                    let request = http::Request::get("/readyz").body(Vec::new())?;
                    client.request_text(request).await?;
                    Ok(Some(Ok(())))
                }
            }
        }
    });
    let ready = ready.await;
    let log = |status: String| format!("{status}; it said:\n{}", control_plane.apiserver.output());
    match ready {
        Ok(Ok(())) => Ok(control_plane),
        Ok(Err(status)) => bail!(log(format!("kube-apiserver ended ({status})"))),
        Err(error) => Err(error).with_context(|| log("kube-apiserver does not become ready".to_owned())),
    }
}
