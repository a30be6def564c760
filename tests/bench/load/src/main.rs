//! The instrument of the benchmarks: a mock provider, a load, the gates and the comparison.
//!
//! `scripts/bench.sh` builds and calls it. `mock` and `load` can also be used alone, on anything that listens on loopback.

mod choice;
mod gate;
mod load;
mod message;
mod mock;
mod page;
mod process;
mod prompt;
mod rounds;
mod target;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};

use crate::gate::{Gate, Gates, Limits};
use crate::process::Placement;
use crate::prompt::Prompt;
use crate::rounds::Comparison;
use crate::target::Programs;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Answer chat completions until stopped
    Mock(MockArguments),
    /// Send requests, check the answers, print a report as JSON
    Load(LoadArguments),
    /// Count at the gates, and compare side by side
    Run(RunArguments),
    /// Write the page from the JSON of a run
    Page { json: PathBuf, page: PathBuf },
}

#[derive(Args)]
struct MockArguments {
    #[arg(long)]
    listen: SocketAddr,
    /// Ends by itself after this many seconds
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
}

#[derive(Args)]
struct LoadArguments {
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, value_enum)]
    prompt: Prompt,
    #[arg(long)]
    connections: u32,
    #[arg(long)]
    requests: u64,
    /// Requests per second, due whether or not answers come; without it, each connection sends after its last answer
    #[arg(long)]
    rate: Option<f64>,
}

#[derive(Args)]
struct RunArguments {
    #[arg(long)]
    pointsman: PathBuf,
    #[arg(long)]
    bare: PathBuf,
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// The bench of decisions
    #[arg(long)]
    decide: PathBuf,
    /// The bench of the routing model
    #[arg(long)]
    score: PathBuf,
    /// The committed limits
    #[arg(long)]
    limits: PathBuf,
    /// Rounds of the comparison; none with 0
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Leaves the gates out
    #[arg(long)]
    without_gates: bool,
    /// What could not be compared, and why
    #[arg(long)]
    skipped: Vec<String>,
    /// Where the JSON goes
    #[arg(long)]
    json: PathBuf,
}

/// All that a run found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub date: String,
    pub machine: String,
    pub versions: BTreeMap<String, String>,
    pub skipped: Vec<String>,
    pub gates: Vec<Gate>,
    pub comparison: Option<Comparison>,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Task::Mock(arguments) => serve(&arguments)?,
        Task::Load(arguments) => println!("{}", serde_json::to_string(&send(&arguments)?.faultless()?)?),
        Task::Run(arguments) => return run(&arguments),
        Task::Page { json, page } => {
            page::write(&serde_json::from_str(&fs::read_to_string(json)?)?, &page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(arguments: &MockArguments) -> Result<()> {
    ensure!(arguments.listen.ip().is_loopback(), "the mock listens on loopback only");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
        mock::serve(listener, Duration::from_secs(arguments.seconds)).await;
        Ok(())
    })
}

fn send(arguments: &LoadArguments) -> Result<load::Report> {
    let LoadArguments { target, prompt, connections, requests, rate } = *arguments;
    ensure!(target.ip().is_loopback(), "loads go to loopback only");
    match rate {
        Some(rate) => load::open(target, prompt, connections, rate, requests),
        None => load::closed(target, prompt, connections as usize, requests),
    }
}

fn run(arguments: &RunArguments) -> Result<ExitCode> {
    let programs = Programs {
        pointsman: arguments.pointsman.clone(),
        bare: arguments.bare.clone(),
        nginx: arguments.nginx.clone(),
    };
    let folder = tempfile::tempdir()?;
    let gates =
        if arguments.without_gates { Vec::new() } else { gates(arguments, &programs, folder.path())? };
    let placement = Placement::find()?;
    let machine = machine()?;
    let comparison = match arguments.rounds {
        0 => None,
        rounds => {
            rounds::step_aside(&placement)?;
            Some(rounds::compare(&programs, placement, rounds, folder.path())?)
        }
    };
    let outcome = Outcome {
        date: words_of("date", &["-u", "+%Y-%m-%d"])?,
        machine,
        versions: rounds::versions(&programs)?,
        skipped: arguments.skipped.clone(),
        gates,
        comparison,
    };
    fs::write(&arguments.json, serde_json::to_string_pretty(&outcome)?)
        .context("failed to write the JSON")?;
    print!("{}", page::render(&outcome));
    for gate in &outcome.gates {
        println!(
            "{} {}: {:.2} (limit {}; {})",
            verdict(gate.pass),
            gate.name,
            gate.ours,
            gate.limit,
            gate.detail
        );
    }
    Ok(if outcome.gates.iter().all(|gate| gate.pass) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn gates(arguments: &RunArguments, programs: &Programs, folder: &std::path::Path) -> Result<Vec<Gate>> {
    target::require("valgrind")?;
    target::require("strace")?;
    let limits = Limits::read(&arguments.limits)?;
    let mock = target::start_mock(&Placement::anywhere(), folder)?;
    let gates = Gates { programs, upstream: mock.address, folder, limits: &limits };
    eprintln!("bench: counting system calls");
    let syscalls = gates.syscalls()?;
    eprintln!("bench: counting instructions");
    let instructions = gates.instructions()?;
    eprintln!("bench: counting allocations");
    let mut all = vec![instructions, syscalls, gates.allocations()?];
    eprintln!("bench: timing and counting decisions, timing scores");
    all.extend(choice::decisions(&arguments.decide, &limits, folder)?);
    all.extend(choice::scores(&arguments.score, &limits)?);
    eprintln!("bench: counting what a kept score costs");
    all.push(choice::kept_score(&gates)?);
    Ok(all)
}

fn verdict(pass: bool) -> &'static str {
    if pass { "PASS" } else { "FAIL" }
}

/// The class of the machine, without its name.
fn machine() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let total =
        memory.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg")?.split_whitespace().next().unwrap_or("?").to_owned();
    let kernel = words_of("uname", &["-r"])?;
    let version = kernel.split('-').next().unwrap_or_default();
    Ok(format!(
        "{count} cores ({model}), {} GB, Linux {version}, load average {load} at the start",
        total / 1_000_000
    ))
}

fn words_of(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
