//! The command line.

mod operator;
mod shared;
mod sidecar;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use operator::{OperatorCommand, OperatorRun};
pub(crate) use shared::{Log, LogFormat, Process};
pub(crate) use sidecar::{SidecarCommand, SidecarReady, SidecarRun};

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
Tasks are kinds; \"set:kind\" says which set of questions a prompt is from, and large sets are fitted apart.
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
    #[arg(long, required_unless_present = "records", requires = "models", value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// Rated calls instead, as `pointsman records --rated` prints them; may be repeated
    #[arg(long, conflicts_with_all = ["data", "models", "hold_out", "dry_run", "plots"], value_name = "FILE")]
    pub(crate) records: Vec<PathBuf>,
    /// The models of each source and their prices, as JSON
    #[arg(long, requires = "data", value_name = "FILE")]
    pub(crate) models: Option<PathBuf>,
    /// Where the routing model is written
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Leave out every question of this file (lines with a `prompt`), however it is worded around its options
    #[arg(long, value_name = "FILE")]
    pub(crate) hold_out: Option<PathBuf>,
    /// Canonical names, as JSON: `{"models": {NAME: [names in the data]}, "tasks": {label: kind of task}}`
    #[arg(long, value_name = "FILE")]
    pub(crate) names: Option<PathBuf>,
    /// Folder with vocabulary.txt, vectors.bin and scales.bin; with --records, of the routing model that saw the texts
    /// [default: the shipped one]
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
    /// Print the manifests that the environment stands for, and end
    #[arg(long, conflicts_with = "path")]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) process: Process,
}

/// `pointsman records`
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// Folder (or file) of manifests that was served
    #[arg(required_unless_present = "url", conflicts_with = "url")]
    pub(crate) path: Option<PathBuf>,
    /// A pointsman that is running, instead of what a folder has left: in a pod http://127.0.0.1:14100
    #[arg(long, value_name = "URL", conflicts_with = "state_dir")]
    pub(crate) url: Option<String>,
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

/// Version, commit and API version.
fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("POINTSMAN_COMMIT"), ", API pointsman.dev/v1alpha1)")
}
