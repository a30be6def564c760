//! `pointsman explain`: which model a prompt goes to and why, or what became of a call.
//!
//! A folder is explained by the data plane itself, started on a free port with nothing sent to a provider: what is
//! explained is what would be served.

mod table;
mod why;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use pointsman_sidecar::{Config, Sidecar};
use serde_json::{Value, json};

use crate::args::{Explain, Output};
use crate::environment::Environment;
use crate::http;
use crate::ledger::Ledger;
use crate::routing;
use crate::run::{Serving, Source};

const PATIENCE: Duration = Duration::from_secs(10);

/// Prints the explanation.
pub(crate) fn run(args: Explain) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(explain(&args))?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

async fn explain(args: &Explain) -> anyhow::Result<String> {
    if args.what.starts_with("req_") {
        let url = format!("{}/v1/calls/{}", args.server.trim_end_matches('/'), args.what);
        let answer = http::get(&url, None, PATIENCE).await;
        let call = parse(&answer.map_err(|error| failed(error, &args.server))?)?;
        return Ok(shown(args.output, &call, table::call));
    }
    let body = json!({
        "model": args.model,
        "messages": [{"role": "user", "content": args.what}],
        "max_tokens": args.max_tokens,
        "seed": args.seed,
    });
    let decision = match &args.path {
        Some(path) => decide_by_folder(path, args, &body).await?,
        None => route(&args.server, &body).await.map_err(|error| failed(error, &args.server))?,
    };
    Ok(shown(args.output, &decision, table::decision))
}

async fn decide_by_folder(path: &Path, args: &Explain, body: &Value) -> anyhow::Result<Value> {
    let source = Source::Folder(path.to_owned());
    let loaded = Serving::new(Environment::of_process())
        .load(&source)
        .with_context(|| format!("failed to read {}", path.display()))?;
    if let Some(problems) = loaded.problems_text() {
        eprint!("{problems}");
    }
    loaded.ensure_nothing_is_served_around()?;
    if loaded.entries.is_empty() {
        bail!("{} holds no object that can be served; `pointsman check {0}` says why", path.display());
    }
    // Budgets start full: a ledger of its own, gone afterwards.
    let state = tempfile::tempdir()?;
    let ledger = Ledger::open(state.path()).map_err(|e| anyhow::anyhow!("failed to open a ledger: {e}"))?;
    let handle = Sidecar::start(Config {
        folder: source.folder(),
        workload: Some(format!("{}/pointsman", loaded.namespace)),
        rights: Some(Box::new(ledger)),
        routing_model: routing::shipped(),
        models: Some(args.models_dir.clone().unwrap_or_else(|| source.folder().join("models"))),
        ..Config::default()
    })?;
    handle.apply(loaded.update()).await;
    let address = *handle.data_addrs().first().context("the data plane listens")?;
    let decision = route(&format!("http://{address}"), body).await;
    handle.shutdown(Duration::ZERO).await;
    decision
}

async fn route(server: &str, body: &Value) -> anyhow::Result<Value> {
    let url = format!("{}/v1/route", server.trim_end_matches('/'));
    parse(&http::post(&url, body.to_string(), PATIENCE).await?)
}

fn parse(body: &[u8]) -> anyhow::Result<Value> {
    serde_json::from_slice(body).context("the answer is not JSON")
}

/// Who was refused an answer has reached somebody; all others are told whom to start.
fn failed(error: anyhow::Error, server: &str) -> anyhow::Error {
    if error.is::<http::Refused>() {
        return error;
    }
    error.context(format!(
        "nothing answers at {server}: start `pointsman run`, name it with --server, or explain a folder with -f"
    ))
}

fn shown(output: Output, value: &Value, table: fn(&Value) -> String) -> String {
    match output {
        Output::Json => format!("{value:#}\n"),
        Output::Table => table(value),
    }
}
