//! Programs under measurement: start them on a core, wait for them, read what they used, stop them.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Where processes run: what is measured alone on one core, everything else on another, before ordinary work if allowed.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    pub measured: Option<usize>,
    pub measuring: Option<usize>,
    pub realtime: bool,
}

impl Placement {
    /// The first two cores that this process may use, and real-time scheduling where the system grants it.
    pub fn find() -> Result<Self> {
        let allowed = rustix::thread::sched_getaffinity(None)?;
        let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let (measured, measuring) = (cores.next(), cores.next());
        let realtime = Command::new("chrt").args(["--rr", "1", "true"]).stderr(Stdio::null()).status();
        Ok(Placement {
            measured: measuring.and(measured),
            measuring,
            realtime: realtime.is_ok_and(|status| status.success()),
        })
    }

    /// No core of its own: for gates, which count and do not time.
    pub fn anywhere() -> Self {
        Placement { measured: None, measuring: None, realtime: false }
    }

    fn prefix(&self, core: Option<usize>) -> Vec<OsString> {
        // Whatever happens to this process, what it started ends.
        let mut words: Vec<OsString> = vec!["setpriv".into(), "--pdeathsig".into(), "TERM".into()];
        if let Some(core) = core {
            words.extend(["taskset".into(), "--cpu-list".into(), core.to_string().into()]);
        }
        if self.realtime {
            words.extend(["chrt".into(), "--rr".into(), "1".into()]);
        }
        words
    }

    /// The command, to be run on the core of what is measured.
    pub fn measured<S: Into<OsString>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        command(self.prefix(self.measured), words)
    }

    /// The command, to be run on the core of what measures.
    pub fn measuring<S: Into<OsString>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        command(self.prefix(self.measuring), words)
    }
}

fn command<S: Into<OsString>>(prefix: Vec<OsString>, words: impl IntoIterator<Item = S>) -> Command {
    let mut words = prefix.into_iter().chain(words.into_iter().map(Into::into));
    let mut command = Command::new(words.next().expect("the prefix is not empty"));
    command.args(words);
    command
}

/// A started program; it is stopped at the latest when this goes.
pub struct Running {
    child: Child,
    log: PathBuf,
}

/// Megabytes that are in memory.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// With the pages of the program's file, which all its processes on a machine share.
    pub resident: f64,
    /// Without them.
    pub own: f64,
}

impl Memory {
    /// The larger of both, figure by figure.
    pub fn max(self, other: Self) -> Self {
        Self { resident: self.resident.max(other.resident), own: self.own.max(other.own) }
    }
}

fn megabytes(status: &str, name: &str) -> Result<f64> {
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

impl Running {
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let out = fs::File::create(log).with_context(|| format!("failed to create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("failed to start {:?}", command.get_program()))?;
        Ok(Running { child, log: log.to_owned() })
    }

    /// Waits until `ready` says so, and fails with the program's output if it ends or takes too long.
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> Result<()>) -> Result<()> {
        let start = Instant::now();
        loop {
            let Err(reason) = ready() else { return Ok(()) };
            if let Some(status) = self.child.try_wait()? {
                bail!("the program ended with {status} before it was ready:\n{}", self.output());
            }
            if start.elapsed() > limit {
                bail!("the program was not ready within {limit:?} ({reason:#}):\n{}", self.output());
            }
            sleep(Duration::from_millis(20));
        }
    }

    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Nanoseconds of processor time of the program and its children, all threads.
    pub fn processor_time(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in tree(self.pid()) {
            for task in tasks(pid) {
                let text = fs::read_to_string(task.join("schedstat"))?;
                sum += text.split_whitespace().next().context("schedstat is empty")?.parse::<u64>()?;
            }
        }
        Ok(sum)
    }

    /// Memory of the program and its children.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in tree(self.pid()) {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            memory.resident += megabytes(&status, "VmRSS:")?;
            memory.own += megabytes(&status, "RssAnon:")?;
        }
        Ok(memory)
    }

    /// Asks the program to end (`victim`, where it runs under another one) and waits for it.
    pub fn stop(mut self, victim: Option<u32>) -> Result<()> {
        terminate(victim.unwrap_or(self.pid()));
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(10));
        }
        bail!("the program did not end within 20 s of SIGTERM:\n{}", self.output());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            for pid in tree(self.pid()) {
                send(pid, signal);
            }
            let start = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(3) {
                sleep(Duration::from_millis(10));
            }
        }
    }
}

fn terminate(pid: u32) {
    send(pid, Signal::TERM);
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// A process and all that descend from it.
pub fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        for task in tasks(found[next]) {
            let children = fs::read_to_string(task.join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    found
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// An address on loopback that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
