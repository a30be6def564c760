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
    /// A provider to try things out with: an OpenAI-compatible server with prices, speeds and books of its own
    #[command(after_help = SIMULATED_EXAMPLES)]
    Simulated(SimulatedRun),
    /// Print the scored calls of a stopped `pointsman run`, with what was said of them, one JSON line each
    #[command(after_help = "Example:\n  pointsman records examples/quickstart --rated > rated.jsonl")]
    Records(Records),
    /// Fit a routing model to your own outcomes; refuses one that does not beat a blind mix of the models
    #[command(after_help = TRAIN_EXAMPLES)]
    Train(Train),
    /// Decide every prompt of a file as the data plane would, without looking at its outcomes
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(Evaluate),
    /// Print the CRDs and roles as YAML, ready for kubectl apply
    Crds,
    /// The control plane, in a cluster
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// The data plane, in a pod
    Sidecar {
        #[command(subcommand)]
        command: SidecarCommand,
    },
}

const RUN_EXAMPLES: &str = "Examples:
  pointsman run examples/quickstart        three simulated models under a budget, no key needed
  OPENAI_API_KEY=sk-… pointsman run        every recommended model that the key opens, as \"auto\"
  pointsman run --print > pointsman.yaml   the manifests that the environment stands for

Point any OpenAI client at it:  export OPENAI_BASE_URL=http://127.0.0.1:7171/v1";

const SIMULATED_EXAMPLES: &str = "Example:
  pointsman simulated --config provider.yaml --listen 127.0.0.1:8080 &
  curl http://127.0.0.1:8081/_simulated/books        what it has answered, and what it bills";

const EXPLAIN_EXAMPLES: &str = "Examples:
  pointsman explain -f examples/quickstart \"Which has the lowest melting point, NaCl or CCl4?\"
  pointsman explain req_01JD7QH3W9         a call that the running pointsman has answered";

const TRAIN_EXAMPLES: &str = "Example:
  pointsman train --data outcomes.jsonl.gz --models models.json --out my-routing-model

A line of --data is one prompt and what each model made of it; the lists run parallel to the models of its source:
  {\"prompt_id\": \"1\", \"source\": \"support\", \"task\": \"refund\", \"prompt\": \"…\", \"in_tokens\": 48,
   \"score\": [1, 0.5, null], \"out_tokens\": [120, 80, null], \"cost\": [0.0021, 0.0003, null]}
--models names them and their prices (USD per million tokens):
  {\"sources\": {\"support\": {\"models\": [\"gpt-4o\", \"gpt-4o-mini\", \"mine\"]}},
   \"prices\": {\"gpt-4o\": {\"in\": 2.5, \"out\": 10}, …}}
About 1,000 labelled prompts of your own give most of what there is to gain. The same files give the same bytes.";

const EVALUATE_EXAMPLES: &str = "Example:
  pointsman evaluate --data outcomes.jsonl.gz --models models.json --policy policy.yaml \\
      --spend 0.1,0.2,0.4 --out decisions.jsonl

One line per prompt: {prompt_id, model, propensity, scores {model: chance of a good answer}, cost {model: expected USD}},
with every candidate of the policy, and with `spend` where --spend is given: then each value is one pass from the start.
Outcomes in the file (score, out_tokens, cost) are never read, so they may be null or missing.";

/// `pointsman train`
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Outcomes, one prompt per line, plain or gzip; may be repeated
    #[arg(long, required = true, value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// The models of each source and their prices, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) models: PathBuf,
    /// Where the routing model is written
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Leave out every question of this file (lines with a `prompt`), however it is worded around its options
    #[arg(long, value_name = "FILE")]
    pub(crate) hold_out: Option<PathBuf>,
    /// Canonical names, as JSON: `{"models": {NAME: [names in the data]}, "tasks": {label: kind of task}}`
    #[arg(long, value_name = "FILE")]
    pub(crate) names: Option<PathBuf>,
    /// Folder with vocabulary.txt, vectors.bin and scales.bin [default: those of the shipped routing model]
    #[arg(long, value_name = "DIR")]
    pub(crate) tables: Option<PathBuf>,
    /// What the routing model is called
    #[arg(long, default_value = "trained", value_name = "NAME")]
    pub(crate) name: String,
    /// Which one of that name it is
    #[arg(long = "model-version", default_value = "1", value_name = "VERSION")]
    pub(crate) model_version: String,
    /// The licence of its weights, as an SPDX expression
    #[arg(long, default_value = "LicenseRef-Private", value_name = "SPDX")]
    pub(crate) licence: String,
    /// The day that the manifest names [default: none, so that the same files give the same bytes on any day]
    #[arg(long, default_value = "", value_name = "DATE")]
    pub(crate) on: String,
    /// Only cross-validate and print every way of choosing, with the shape chosen anew for every fold; write no model
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With --dry-run, a picture of the curves per source into this folder
    #[arg(long, requires = "dry_run", value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// Only these models of the data
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) only: Vec<String>,
}

/// `pointsman evaluate`
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Prompts, one per line, plain or gzip, in the format of `pointsman train`
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// The models of each source and their prices, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) models: PathBuf,
    /// Manifests with a RoutingPolicy; candidates that no LLMProvider beside it serves get one with the prices of --models
    #[arg(long, value_name = "PATH")]
    pub(crate) policy: PathBuf,
    /// Where decisions are written; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Folder of a routing model [default: the shipped one]
    #[arg(long, value_name = "DIR")]
    pub(crate) scorer: Option<PathBuf>,
    /// Spend to aim at, in USD per 1,000 calls, instead of the policy's; several make several passes
    #[arg(long, value_delimiter = ',', value_name = "USD,…")]
    pub(crate) spend: Vec<String>,
}

/// `pointsman run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Folder (or file) of manifests; without one, the API keys in the environment
    pub(crate) path: Option<PathBuf>,
    /// Where clients connect; port 0 takes a free one
    #[arg(long, env = "POINTSMAN_LISTEN", default_value = "127.0.0.1:7171", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where the ledger of budgets is kept [default: one per folder of manifests, in the user's state folder]
    #[arg(long, env = "POINTSMAN_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// A folder with a routing model per subfolder, for policies that name one [default: models in the folder of manifests]
    #[arg(long, env = "POINTSMAN_MODELS_DIR", value_name = "DIR")]
    pub(crate) models_dir: Option<PathBuf>,
    /// How long running calls may take to end after a signal to stop
    #[arg(
        long,
        env = "POINTSMAN_DRAIN_TIMEOUT",
        default_value = "30s",
        value_parser = duration,
        value_name = "TIME"
    )]
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

/// `pointsman records`
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// Folder (or file) of manifests that was served
    pub(crate) path: PathBuf,
    /// The state folder, where `run` was given one
    #[arg(long, env = "POINTSMAN_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Only calls that somebody rated
    #[arg(long)]
    pub(crate) rated: bool,
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
    /// Folder or file of manifests to decide by; without one, the running pointsman is asked
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// The model that the caller asks for
    #[arg(long, default_value = "auto")]
    pub(crate) model: String,
    /// The caller's cap on output tokens
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_tokens: Option<u64>,
    /// A folder with a routing model per subfolder, for policies that name one [default: models in the folder of manifests]
    #[arg(long, env = "POINTSMAN_MODELS_DIR", value_name = "DIR")]
    pub(crate) models_dir: Option<PathBuf>,
    /// What a policy leaves to chance is drawn by this number: the same one draws the same
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(crate) seed: u32,
    /// The running pointsman to ask
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
    pub(crate) figures_interval: std::time::Duration,
    /// How often ledgers are written at most
    #[arg(
        long,
        env = "POINTSMAN_LEDGER_INTERVAL",
        default_value = "60s",
        value_parser = duration,
        value_name = "TIME"
    )]
    pub(crate) ledger_interval: std::time::Duration,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// `pointsman simulated`
#[derive(Debug, Args)]
pub(crate) struct SimulatedRun {
    /// Its models, with prices in nano-USD per million tokens, speeds and lengths of answers (YAML or JSON)
    #[arg(long, env = "POINTSMAN_SIMULATED_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Where calls go
    #[arg(long, env = "POINTSMAN_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Where its books are read, keys are set and outages are made; answers while it is dark too
    #[arg(long, env = "POINTSMAN_CONTROL_LISTEN", default_value = "127.0.0.1:8081", value_name = "ADDR")]
    pub(crate) control: SocketAddr,
    /// An API key that it takes; may be repeated. Without one it asks nobody for a key
    #[arg(long = "key", env = "POINTSMAN_SIMULATED_KEYS", value_delimiter = ',', value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    #[command(flatten)]
    pub(crate) log: Log,
}

/// `pointsman sidecar …`
#[derive(Debug, Subcommand)]
pub(crate) enum SidecarCommand {
    /// Serve the pod's calls as the operator says, until a signal to stop
    Run(SidecarRun),
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
    /// How long running calls may take to end after a signal to stop
    #[arg(
        long,
        env = "POINTSMAN_DRAIN_TIMEOUT",
        default_value = "30s",
        value_parser = duration,
        value_name = "TIME"
    )]
    pub(crate) drain_timeout: std::time::Duration,
    /// Once listening, write addresses to this file as JSON
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

fn duration(text: &str) -> Result<std::time::Duration, String> {
    pointsman_config::duration::parse(text).map_err(|error| error.to_string())
}

/// Version, commit and API version.
fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("POINTSMAN_COMMIT"), ", API pointsman.dev/v1alpha1)")
}
