//! `pointsman operator`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::shared::{Log, duration};

/// `pointsman operator …`
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Reconcile the four kinds and serve sidecars until a signal to stop
    Run(OperatorRun),
}

/// `pointsman operator run`
#[derive(Debug, Args)]
pub(crate) struct OperatorRun {
    /// The operator's own namespace: objects there are the organisation's
    #[arg(long, env = "POINTSMAN_NAMESPACE", default_value = "pointsman-system", value_name = "NAME")]
    pub(crate) namespace: String,
    /// Where sidecars connect (gRPC, TLS)
    #[arg(long, env = "POINTSMAN_LISTEN", default_value = "0.0.0.0:14110", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "POINTSMAN_ADMIN_LISTEN", default_value = "0.0.0.0:14101", value_name = "ADDR")]
    pub(crate) admin_listen: SocketAddr,
    /// Where sidecars reach this very replica [default: the listening address]
    #[arg(long, env = "POINTSMAN_ADVERTISE", value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// A further name in the operator's certificate; may be repeated
    #[arg(long = "server-name", env = "POINTSMAN_SERVER_NAMES", value_delimiter = ',', value_name = "NAME")]
    pub(crate) server_names: Vec<String>,
    /// The image of the sidecar that is injected into pods; without it nothing is injected
    #[arg(long, env = "POINTSMAN_SIDECAR_IMAGE", value_name = "IMAGE")]
    pub(crate) sidecar_image: Option<String>,
    /// When nodes pull that image: Always, IfNotPresent or Never
    #[arg(
        long,
        env = "POINTSMAN_SIDECAR_IMAGE_PULL_POLICY",
        default_value = "IfNotPresent",
        value_parser = ["Always", "IfNotPresent", "Never"],
        value_name = "POLICY"
    )]
    pub(crate) sidecar_image_pull_policy: String,
    /// Where injected sidecars connect [default: pointsman.NAMESPACE.svc:14110]
    #[arg(long, env = "POINTSMAN_SIDECAR_OPERATOR", value_name = "HOST:PORT")]
    pub(crate) sidecar_operator: Option<String>,
    /// What an injected sidecar requests
    #[arg(
        long,
        env = "POINTSMAN_SIDECAR_REQUESTS",
        default_value = "cpu=50m,memory=32Mi",
        value_parser = resources,
        value_name = "LIST"
    )]
    pub(crate) sidecar_requests: Resources,
    /// What an injected sidecar is limited to; in Guaranteed pods also what it requests
    #[arg(
        long,
        env = "POINTSMAN_SIDECAR_LIMITS",
        default_value = "memory=128Mi",
        value_parser = resources,
        value_name = "LIST"
    )]
    pub(crate) sidecar_limits: Resources,
    /// Where the API server asks about new pods (HTTPS, /mutate)
    #[arg(long, env = "POINTSMAN_WEBHOOK_LISTEN", default_value = "0.0.0.0:14111", value_name = "ADDR")]
    pub(crate) webhook_listen: SocketAddr,
    /// The MutatingWebhookConfiguration whose caBundle the operator writes
    #[arg(long, env = "POINTSMAN_WEBHOOK_CONFIGURATION", default_value = "pointsman", value_name = "NAME")]
    pub(crate) webhook_configuration: String,
    /// A folder with tls.crt, tls.key and ca.crt to serve under, read anew when it changes, as cert-manager fills it
    /// [default: an authority of the operator's own]
    #[arg(long, env = "POINTSMAN_CERTIFICATE_DIR", value_name = "DIR")]
    pub(crate) certificate_dir: Option<PathBuf>,
    /// The ServiceAccount that the operator runs as; named in the command that lets it read Secrets
    #[arg(long, env = "POINTSMAN_SERVICE_ACCOUNT", default_value = "pointsman", value_name = "NAME")]
    pub(crate) service_account: String,
    /// Names this replica among others [default: the host's name, which is the pod's]
    #[arg(long, env = "HOSTNAME", default_value = "pointsman", value_name = "NAME")]
    pub(crate) identity: String,
    /// Let providers name plain HTTP and private addresses by URL
    #[arg(long, env = "POINTSMAN_ALLOW_PRIVATE_ENDPOINTS")]
    pub(crate) allow_private_endpoints: bool,
    /// Take a pod's token from any address, as where sidecars reach the operator through a proxy
    #[arg(long, env = "POINTSMAN_ANY_PEER_ADDRESS")]
    pub(crate) any_peer_address: bool,
    /// How often figures are written to status at most
    #[arg(
        long,
        env = "POINTSMAN_FIGURES_INTERVAL",
        default_value = "10s",
        value_parser = duration,
        value_name = "TIME"
    )]
    pub(crate) figures_interval: Duration,
    /// How often ledgers are written at most
    #[arg(
        long,
        env = "POINTSMAN_LEDGER_INTERVAL",
        default_value = "60s",
        value_parser = duration,
        value_name = "TIME"
    )]
    pub(crate) ledger_interval: Duration,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// Amounts of resources by name, as Kubernetes spells them.
pub(crate) type Resources = std::collections::BTreeMap<String, String>;

/// Reads `cpu=50m,memory=32Mi`.
fn resources(text: &str) -> Result<Resources, String> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, amount) = pair.split_once('=').unwrap_or((pair, ""));
            let usual = matches!(name, "cpu" | "memory" | "ephemeral-storage");
            if !usual || !amount.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(format!("\"{pair}\": write it as cpu=50m or memory=32Mi"));
            }
            Ok((name.to_owned(), amount.to_owned()))
        })
        .collect()
}
