//! How does a test start a built program, hear what it says, and make sure that it ends?
//!
//! A [`Process`] leads a process group of its own and is killed with all its children when dropped, and when the test
//! process itself is killed. What it prints is kept, and stands in every error message about it.

mod output;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, kill_process, kill_process_group};

pub use rustix::process::Signal;

use crate::wait_for;
use crate::watchdog::Watchdog;
use output::Output;

/// The path of one of our own programs, built into the same target folder as the running test.
///
/// A test target of another package does not make Cargo build it: `cargo build --workspace --bins` does, and `make test`
/// calls that first.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("failed to find the running test")?;
    let folder = test.parent().context("a test lies in a folder")?;
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = profile.join(name);
    if !path.is_file() {
        bail!("{} is not built; run `cargo build --workspace --bins` first", path.display());
    }
    Ok(path)
}

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Output,
    _watchdog: Watchdog,
}

impl Process {
    /// Starts `command` with its output captured and nothing on its input.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        Self::start_with_folders(command, &[])
    }

    /// Starts one of our own programs with `arguments`; see [`binary`].
    pub fn start_binary(name: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start(Command::new(binary(name)?).args(arguments))
    }

    /// As [`Process::start`], and `folders` are removed should the test process be killed.
    pub(crate) fn start_with_folders(command: &mut Command, folders: &[&Path]) -> anyhow::Result<Self> {
        let program = PathBuf::from(command.get_program());
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("failed to start {}", program.display()))?;
        let watchdog = Watchdog::over(child.id(), folders).context("failed to start a watchdog")?;
        let output = Output::of(&mut child);
        Ok(Self { name, child, output, _watchdog: watchdog })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far on both streams, in the order of arrival.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits for a line that contains `needle`, on either stream, and gives the first such line.
    pub async fn wait_for_line(&self, needle: &str, limit: Duration) -> anyhow::Result<String> {
        let line = tokio::time::timeout(limit, self.output.line(needle)).await;
        match line {
            Ok(Some(line)) => Ok(line),
            Ok(None) => bail!("{} ended without saying {needle:?}; it said:\n{}", self.name, self.output()),
            Err(_) => {
                bail!("{} did not say {needle:?} within {limit:?}; it said:\n{}", self.name, self.output())
            }
        }
    }

    /// Waits for a line that contains `needle`, and gives the first http or https URL in it.
    pub async fn wait_for_url(&self, needle: &str, limit: Duration) -> anyhow::Result<String> {
        let line = self.wait_for_line(needle, limit).await?;
        let url = first_url(&line).with_context(|| format!("{} named no URL in {line:?}", self.name))?;
        Ok(url.to_owned())
    }

    /// Sends a signal to the program itself, not to its children.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has already ended ({status}); it said:\n{}", self.name, self.output());
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("failed to signal {}", self.name))
    }

    /// Whether it has ended, and how.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub async fn wait_for_exit(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let child = &mut self.child;
        let status =
            wait_for("the process ends", limit, || std::future::ready(child.try_wait().map_err(Into::into)));
        let status = status.await;
        status.with_context(|| format!("{} does not end; it said:\n{}", self.name, self.output()))
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub async fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_for_exit(limit).await
    }

    /// Ends it at once (SIGKILL) with all its children, and waits until it has ended.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        // The group keeps its number until its leader has been waited for.
        if self.child.try_wait()?.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        Ok(self.child.wait()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn first_url(line: &str) -> Option<&str> {
    let start = line.find("http://").or_else(|| line.find("https://"))?;
    let rest = &line[start..];
    Some(&rest[..rest.find([' ', '"', '\'', ',']).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests;
