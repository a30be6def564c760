//! The comparison: every window runs for one proxy after the other, round by round, so that what the machine does
//! meanwhile falls on all of them. Only ratios within a round are worth keeping.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::load::Report;
use crate::process::{Memory, Placement};
use crate::prompt::Prompt;
use crate::target::{Kind, Programs, Target, start_mock};

/// Figure by name, one value per round.
pub type Figures = BTreeMap<String, Vec<f64>>;

/// What the rounds gave: figures by target; `direct` is the mock without a proxy.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Comparison {
    pub rounds: usize,
    pub realtime: bool,
    pub own_core: bool,
    pub targets: BTreeMap<String, Figures>,
}

/// One kind of load and the figures it gives.
struct Window {
    name: &'static str,
    prompt: Prompt,
    pace: Pace,
}

enum Pace {
    Closed { connections: usize, requests: u64 },
    Open { connections: u32, rate: f64, requests: u64 },
}

const WINDOWS: [Window; 5] = [
    Window { name: "small", prompt: Prompt::Small, pace: Pace::Closed { connections: 32, requests: 20_000 } },
    Window {
        name: "paced",
        prompt: Prompt::Small,
        pace: Pace::Open { connections: 32, rate: 1000.0, requests: 1500 },
    },
    Window { name: "large", prompt: Prompt::Large, pace: Pace::Closed { connections: 16, requests: 3000 } },
    Window {
        name: "paced_stream",
        prompt: Prompt::PacedStream,
        pace: Pace::Open { connections: 50, rate: 100.0, requests: 150 },
    },
    Window {
        name: "stream",
        prompt: Prompt::Stream,
        pace: Pace::Closed { connections: 256, requests: 2000 },
    },
];
/// Held open at once while the memory is read.
const STREAMS: Window = Window {
    name: "memory",
    prompt: Prompt::PacedStream,
    pace: Pace::Closed { connections: 256, requests: 1024 },
};

pub fn compare(
    programs: &Programs,
    placement: Placement,
    rounds: usize,
    folder: &Path,
) -> Result<Comparison> {
    let mock = start_mock(&placement, folder)?;
    let mut targets = Vec::new();
    let mut result = Comparison {
        rounds,
        realtime: placement.realtime,
        own_core: placement.measured.is_some(),
        ..Comparison::default()
    };
    for kind in programs.available() {
        let target = programs.start(kind, &placement, &[], mock.address, folder)?;
        targets.push((kind.name(), target));
    }
    sleep(Duration::from_secs(1));
    for (name, target) in &targets {
        let memory = target.running.memory()?;
        record(&mut result, name, "idle_resident", memory.resident);
        record(&mut result, name, "idle_own", memory.own);
    }
    let lab = Lab { placement };
    for round in 1..=rounds {
        eprintln!("bench: round {round} of {rounds}");
        for window in &WINDOWS {
            let direct = lab.run(window, &mock)?.1;
            note_direct(&mut result, window, &direct);
            for (name, target) in &targets {
                let (processor, report) =
                    lab.run(window, target).with_context(|| format!("{name}, {}", window.name))?;
                note(&mut result, name, window, processor, &report, &direct);
            }
        }
        for (name, target) in &targets {
            let memory = lab.memory_under(&STREAMS, target).with_context(|| format!("{name}, memory"))?;
            record(&mut result, name, "loaded_resident", memory.resident);
            record(&mut result, name, "loaded_own", memory.own);
        }
        // Next time another one goes first.
        targets.rotate_left(1);
    }
    for (name, target) in targets {
        target.running.stop(None).with_context(|| name)?;
    }
    Ok(result)
}

fn note_direct(result: &mut Comparison, window: &Window, report: &Report) {
    record(result, "direct", &format!("{}_latency_p50", window.name), report.latency.p50);
    record(result, "direct", &format!("{}_latency_p99", window.name), report.latency.p99);
}

fn note(
    result: &mut Comparison,
    name: &str,
    window: &Window,
    processor: u64,
    report: &Report,
    direct: &Report,
) {
    let nanoseconds = processor as f64;
    let mut note =
        |figure: &str, value: f64| record(result, name, &format!("{}_{figure}", window.name), value);
    note("processor", nanoseconds / 1000.0 / report.requests as f64);
    match window.pace {
        Pace::Closed { .. } => {
            note("per_second", report.requests as f64 / report.seconds);
            note("busy", nanoseconds / 1e9 / report.seconds);
        }
        Pace::Open { .. } => {
            note("added_p50", report.latency.p50 - direct.latency.p50);
            note("added_p99", report.latency.p99 - direct.latency.p99);
            note("late", report.late as f64 / report.requests as f64);
            if let (Some(ours), Some(direct)) = (report.first_content, direct.first_content) {
                note("added_first_content", ours.p50 - direct.p50);
            }
        }
    }
}

fn record(result: &mut Comparison, target: &str, figure: &str, value: f64) {
    result.targets.entry(target.to_owned()).or_default().entry(figure.to_owned()).or_default().push(value);
}

struct Lab {
    placement: Placement,
}

impl Lab {
    /// Nanoseconds of processor time that the target used meanwhile, and what the load saw.
    fn run(&self, window: &Window, target: &Target) -> Result<(u64, Report)> {
        self.load(&warm_up(window), target)?;
        let before = target.running.processor_time()?;
        let report = self.load(window, target)?;
        Ok((target.running.processor_time()? - before, report))
    }

    /// The most that the target held while the load ran.
    fn memory_under(&self, window: &Window, target: &Target) -> Result<Memory> {
        let mut command = self.command(window, target)?;
        let mut child = command.stdout(std::process::Stdio::null()).spawn()?;
        let mut most = Memory::default();
        let status = loop {
            most = most.max(target.running.memory()?);
            if let Some(status) = child.try_wait()? {
                break status;
            }
            sleep(Duration::from_millis(20));
        };
        anyhow::ensure!(status.success(), "the load failed with {status}");
        Ok(most)
    }

    fn load(&self, window: &Window, target: &Target) -> Result<Report> {
        let output = self.command(window, target)?.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str::<Report>(&text).context("failed to parse the report of the load")
    }

    /// The load runs in a process of its own, on the core of what measures.
    fn command(&self, window: &Window, target: &Target) -> Result<Command> {
        let program = std::env::current_exe()?.into_os_string();
        let prompt =
            window.prompt.to_possible_value().context("every prompt has a name")?.get_name().to_owned();
        let mut words = vec!["load".to_owned(), "--target".to_owned(), target.address.to_string()];
        words.extend(["--prompt".to_owned(), prompt]);
        let (connections, requests, rate) = match window.pace {
            Pace::Closed { connections, requests } => (connections as u64, requests, None),
            Pace::Open { connections, requests, rate } => (u64::from(connections), requests, Some(rate)),
        };
        words.extend(["--connections".to_owned(), connections.to_string()]);
        words.extend(["--requests".to_owned(), requests.to_string()]);
        words.extend(rate.into_iter().flat_map(|rate| ["--rate".to_owned(), rate.to_string()]));
        Ok(self.placement.measuring(std::iter::once(program).chain(words.into_iter().map(Into::into))))
    }
}

/// A tenth of the window: connections exist and caches are as warm as they get.
fn warm_up(window: &Window) -> Window {
    let pace = match window.pace {
        Pace::Closed { connections, requests } => Pace::Closed { connections, requests: requests / 10 },
        Pace::Open { connections, rate, requests } => {
            Pace::Open { connections, rate, requests: requests / 10 }
        }
    };
    Window { name: window.name, prompt: window.prompt, pace }
}

/// Names and versions of what was compared.
pub fn versions(programs: &Programs) -> Result<BTreeMap<String, String>> {
    let one = |kind: Kind| Ok((kind.name().to_owned(), programs.version(kind)?));
    programs.available().into_iter().map(one).collect()
}

/// Keeps this process off the core of what is measured; it reads counters while the load runs.
pub fn step_aside(placement: &Placement) -> Result<()> {
    if let Some(core) = placement.measuring {
        let mut cores = rustix::thread::CpuSet::new();
        cores.set(core);
        rustix::thread::sched_setaffinity(None, &cores)?;
    }
    Ok(())
}
