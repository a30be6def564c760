//! `pointsman sidecar`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::Process;

/// `pointsman sidecar …`
#[derive(Debug, Subcommand)]
pub(crate) enum SidecarCommand {
    /// Serve the pod's calls as the operator says, until a signal to stop
    Run(Box<SidecarRun>),
    /// Say whether the sidecar of this pod is ready: for probes that cannot reach the pod's address
    Ready(SidecarReady),
}

/// `pointsman sidecar ready`
#[derive(Debug, Args)]
pub(crate) struct SidecarReady {
    /// Port of the sidecar's admin listener
    #[arg(long, env = "POINTSMAN_ADMIN_PORT", default_value_t = 14101, value_name = "PORT")]
    pub(crate) admin_port: u16,
}

/// `pointsman sidecar run`
#[derive(Debug, Args)]
pub(crate) struct SidecarRun {
    /// Port on 127.0.0.1 and ::1 where the application connects; 0 takes a free one
    #[arg(long, env = "POINTSMAN_LISTEN_PORT", default_value_t = 14100, value_name = "PORT")]
    pub(crate) listen_port: u16,
    /// Where /healthz, /readyz and /metrics are served [default: --admin-port on every address of the pod]
    #[arg(long, env = "POINTSMAN_ADMIN_LISTEN", value_name = "ADDR")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Port of the admin listener where --admin-listen names none; 0 takes a free one
    #[arg(long, env = "POINTSMAN_ADMIN_PORT", default_value_t = 14101, value_name = "PORT")]
    pub(crate) admin_port: u16,
    /// The operator
    #[arg(
        long,
        env = "POINTSMAN_OPERATOR",
        default_value = "pointsman.pointsman-system.svc:14110",
        value_name = "HOST:PORT"
    )]
    pub(crate) operator: String,
    /// The token that shows which pod this is; read anew at every connection
    #[arg(
        long,
        env = "POINTSMAN_TOKEN_FILE",
        default_value = "/var/run/pointsman/token/token",
        value_name = "FILE"
    )]
    pub(crate) token_file: PathBuf,
    /// The CA that signs the operator's certificate; read anew at every connection
    #[arg(
        long,
        env = "POINTSMAN_CA_FILE",
        default_value = "/var/run/pointsman/trust/ca.crt",
        value_name = "FILE"
    )]
    pub(crate) ca_file: PathBuf,
    /// Where the last good configuration is kept, without keys
    #[arg(long, env = "POINTSMAN_STATE_DIR", default_value = "/var/lib/pointsman", value_name = "DIR")]
    pub(crate) state_dir: PathBuf,
    /// A memory-backed folder (tmpfs) of this container alone, where keys outlive a restart of the process
    #[arg(long, env = "POINTSMAN_KEYS_DIR", value_name = "DIR")]
    pub(crate) keys_dir: Option<PathBuf>,
    /// A folder with a routing model per subfolder, for policies that name one
    #[arg(long, env = "POINTSMAN_MODELS_DIR", value_name = "DIR")]
    pub(crate) models_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) process: Process,
}
