//! The proxies that are compared, and the mock behind them. Their configurations lie in `tests/bench/targets`.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::load;
use crate::process::{Placement, Running, free_address};

const NGINX: &str = include_str!("../../targets/nginx.conf");
const POINTSMAN: &str = include_str!("../../targets/pointsman.yaml");
/// Under valgrind a start takes seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The programs to compare; nginx may be missing.
#[derive(Clone)]
pub struct Programs {
    pub pointsman: PathBuf,
    pub bare: PathBuf,
    pub nginx: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Bare,
    Pointsman,
    /// The same, scoring every text.
    Scoring,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx",
            Kind::Bare => "bare",
            Kind::Pointsman => "pointsman",
            Kind::Scoring => "pointsman-scoring",
        }
    }
}

impl Programs {
    pub fn available(&self) -> Vec<Kind> {
        let nginx = self.nginx.as_ref().map(|_| Kind::Nginx);
        nginx.into_iter().chain([Kind::Bare, Kind::Pointsman]).collect()
    }

    /// What a program says about its version.
    pub fn version(&self, kind: Kind) -> Result<String> {
        let output = match (kind, &self.nginx) {
            (Kind::Bare, _) => return Ok("hyper 1.12.0, hyper-util 0.1.21, tokio 1.54.1 (pinned)".to_owned()),
            (Kind::Pointsman | Kind::Scoring, _) => {
                Command::new(&self.pointsman).arg("--version").output()?
            }
            (Kind::Nginx, Some(nginx)) => Command::new(nginx).arg("-v").output()?,
            (Kind::Nginx, None) => return Ok("missing".to_owned()),
        };
        let text = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned())
    }

    /// The words that start a program, after it was given a folder with its configuration.
    fn words(
        &self,
        kind: Kind,
        listen: SocketAddr,
        upstream: SocketAddr,
        folder: &Path,
    ) -> Result<Vec<OsString>> {
        fs::create_dir_all(folder)?;
        let fill = |text: &str| {
            text.replace("{{listen}}", &listen.to_string())
                .replace("{{upstream}}", &upstream.to_string())
                .replace("{{folder}}", &folder.display().to_string())
        };
        Ok(match kind {
            Kind::Bare => {
                vec![self.bare.clone().into(), listen.to_string().into(), upstream.to_string().into()]
            }
            Kind::Nginx => {
                let nginx = self.nginx.clone().context("nginx is missing")?;
                let config = folder.join("nginx.conf");
                fs::write(&config, fill(NGINX))?;
                vec![
                    nginx.into(),
                    "-p".into(),
                    folder.into(),
                    "-e".into(),
                    "error.log".into(),
                    "-c".into(),
                    config.into(),
                ]
            }
            Kind::Pointsman | Kind::Scoring => {
                let manifests = folder.join("manifests");
                fs::create_dir_all(&manifests)?;
                let scorer = if kind == Kind::Scoring { "Embedding" } else { "Prior" };
                let filled = fill(POINTSMAN).replace("{{scorer}}", scorer);
                fs::write(manifests.join("bench.yaml"), filled)?;
                let mut words: Vec<OsString> =
                    vec![self.pointsman.clone().into(), "run".into(), manifests.into()];
                words.extend([
                    "--listen".into(),
                    listen.to_string().into(),
                    "--drain-timeout".into(),
                    "2s".into(),
                ]);
                words.extend(["--state-dir".into(), folder.join("state").into()]);
                words
            }
        })
    }

    /// Starts a program, behind `wrapper` if there is one, and waits for its first answer.
    pub fn start(
        &self,
        kind: Kind,
        placement: &Placement,
        wrapper: &[OsString],
        upstream: SocketAddr,
        folder: &Path,
    ) -> Result<Target> {
        let listen = free_address()?;
        let folder = folder.join(kind.name());
        let words = self.words(kind, listen, upstream, &folder)?;
        let mut command = placement.measured(wrapper.iter().cloned().chain(words));
        // Whatever a program keeps between two runs stays in the folder, and its log level is the default one.
        command
            .env("HOME", &folder)
            .env("XDG_STATE_HOME", &folder)
            .env("XDG_DATA_HOME", &folder)
            .env_remove("RUST_LOG");
        let mut running = Running::start(command, &folder.join("output.log"))?;
        running.wait_until(START_LIMIT, || load::probe(listen)).with_context(|| kind.name())?;
        Ok(Target { address: listen, running })
    }
}

/// A proxy that answers.
pub struct Target {
    pub address: SocketAddr,
    pub running: Running,
}

/// Starts the mock: this program once more.
pub fn start_mock(placement: &Placement, folder: &Path) -> Result<Target> {
    let address = free_address()?;
    let program = std::env::current_exe()?;
    let words: Vec<OsString> =
        vec![program.into(), "mock".into(), "--listen".into(), address.to_string().into()];
    let mut running = Running::start(placement.measuring(words), &folder.join("mock.log"))?;
    running.wait_until(START_LIMIT, || load::probe(address)).context("mock")?;
    Ok(Target { address, running })
}

/// The programs that the measurements need besides.
pub fn require(tool: &str) -> Result<()> {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    ensure!(found, "{tool} is missing; install Debian's package {tool}");
    Ok(())
}
