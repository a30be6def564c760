//! What commands that keep running have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// A data plane as a process: how it starts, says so, and ends.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// How long running calls may take to end after a signal to stop
    #[arg(
        long,
        env = "POINTSMAN_DRAIN_TIMEOUT",
        default_value = "30s",
        value_parser = duration,
        value_name = "TIME"
    )]
    pub(crate) drain_timeout: Duration,
    /// Once ready, write addresses to this file as JSON
    #[arg(long, env = "POINTSMAN_READY_FILE", value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: Log,
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

/// Reads `30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    pointsman_config::duration::parse(text).map_err(|error| error.to_string())
}
