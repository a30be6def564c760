//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Route every LLM call to the model that is worth its price, under budgets that hold.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version = version(), propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Start here:  pointsman run examples/quickstart\nExit codes:  0 done, 1 failed, 2 wrong usage"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a folder of manifests, or just the API keys in the environment; no cluster needed
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Lint manifests offline with the API server's own rules; exit 1 on an error
    #[command(after_help = "Example:\n  pointsman check examples/quickstart")]
    Check(Check),
    /// Say which model a prompt, or a call that has happened, goes to, and why
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Print the CRDs and roles as YAML, ready for kubectl apply
    Crds,
}

const RUN_EXAMPLES: &str = "Examples:
  pointsman run examples/quickstart        three simulated models under a budget, no key needed
  OPENAI_API_KEY=sk-… pointsman run        every recommended model that the key opens, as \"auto\"
  pointsman run --print > pointsman.yaml   the manifests that the environment stands for

Point any OpenAI client at it:  export OPENAI_BASE_URL=http://127.0.0.1:7171/v1";

const EXPLAIN_EXAMPLES: &str = "Examples:
  pointsman explain -f examples/quickstart \"Which has the lowest melting point, NaCl or CCl4?\"
  pointsman explain req_01JD7QH3W9         a call that the running pointsman has answered";

/// `pointsman run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Folder (or file) of manifests; without one, the API keys in the environment
    pub(crate) path: Option<PathBuf>,
    /// Where clients connect; port 0 takes a free one
    #[arg(long, env = "POINTSMAN_LISTEN", default_value = "127.0.0.1:7171", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where the ledger of budgets is kept [default: .pointsman in the folder's place, or the user's state folder]
    #[arg(long, env = "POINTSMAN_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// How long running calls may take to end after a signal to stop
    #[arg(long, env = "POINTSMAN_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub(crate) drain_timeout: std::time::Duration,
    /// Print the manifests that the environment stands for, and end
    #[arg(long, conflicts_with = "path")]
    pub(crate) print: bool,
    /// Once ready, write addresses to this file as JSON
    #[arg(long, env = "POINTSMAN_READY_FILE", value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// `pointsman check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Folder or file of manifests
    pub(crate) path: PathBuf,
}

/// `pointsman explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A prompt, or the id of a call (`req_…`) that the running pointsman has answered
    pub(crate) what: String,
    /// Folder or file of manifests to decide by
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// The model that the caller asks for
    #[arg(long, default_value = "auto")]
    pub(crate) model: String,
    /// The caller's cap on output tokens
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_tokens: Option<u64>,
    /// The running pointsman to ask about calls
    #[arg(long, env = "POINTSMAN_SERVER", default_value = "http://127.0.0.1:7171", value_name = "URL")]
    pub(crate) server: String,
    /// table or json
    #[arg(short = 'o', long, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Logging, for commands that keep running.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// What is logged to stderr, such as info or pointsman_sidecar=debug
    #[arg(long, env = "POINTSMAN_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    /// text or json
    #[arg(long, env = "POINTSMAN_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    pointsman_config::duration::parse(text).map_err(|error| error.to_string())
}

/// Version, commit and API version.
fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("POINTSMAN_COMMIT"), ", API pointsman.dev/v1alpha1)")
}
