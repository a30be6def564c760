//! The `pointsman` program: both halves in one process on a laptop, either half in a cluster, and the tools around them.

mod args;
mod calls;
mod check;
mod crds;
mod environment;
mod evaluate;
mod explain;
mod http;
mod ledger;
mod manifests;
mod operator;
mod outcomes;
mod records;
mod routing;
mod run;
mod scorer_folder;
mod sidecar;
mod simulated;
mod stop;
mod store;
mod train;
mod world;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command, Log, LogFormat, OperatorCommand, SidecarCommand};

/// A call allocates two dozen times; the C library's allocator spends a tenth of the call's instructions on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Train(_)) {
        // The allocator asks for huge pages, which would make four times as much resident as a small heap uses.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    // Several crates of the graph could choose one; the first choice holds for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match cli.command {
        Command::Run(args) => start_log(&args.process.log).and_then(|()| run::run(args)),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Simulated(args) => start_log(&args.log).and_then(|()| simulated::run(args)),
        Command::Records(args) => records::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Crds => crds::run(),
        Command::Operator { command: OperatorCommand::Run(args) } => {
            start_log(&args.log).and_then(|()| operator::run(args))
        }
        Command::Sidecar { command: SidecarCommand::Run(args) } => {
            start_log(&args.process.log).and_then(|()| sidecar::run(*args))
        }
        Command::Sidecar { command: SidecarCommand::Ready(args) } => sidecar::ready(&args),
    };
    match done {
        Ok(code) => code,
        // Whoever read our output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pointsman: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let pipe = error.downcast_ref::<std::io::Error>();
    pipe.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Colours are for people: none into files and pipes, and none where NO_COLOR says so.
fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !refused
}

fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.log).map_err(|e| {
        anyhow::anyhow!(
            "--log \"{}\": {e}; write info, or a list such as info,pointsman_sidecar=debug",
            log.log
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(wants_colours())
        .with_writer(std::io::stderr);
    match log.log_format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
