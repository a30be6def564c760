//! `pointsman run`: the whole of Pointsman in one process, from a folder or from the keys in the environment.

mod banner;
mod keys;
mod news;
mod serving;
mod source;
mod watch;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use pointsman_sidecar::{Config, Handle, Sidecar};
use tokio::sync::mpsc;

use crate::args::Run;
use crate::calls::{self, Calls};
use crate::environment::Environment;
use crate::ledger::Ledger;
use crate::routing;
use crate::stop;

use self::news::Told;
use self::serving::Loaded;

pub(crate) use self::banner::write_ready_file;
pub(crate) use self::serving::Serving;
pub(crate) use self::source::Source;

/// Serves until a signal to stop.
pub(crate) fn run(args: Run) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: Run) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let environment = Environment::of_process();
    let source = match &args.path {
        Some(path) => Source::Folder(path.clone()),
        None if environment.names_itself(args.listen) => bail!(
            "OPENAI_BASE_URL names {}, where this process itself would listen: every call would come back to it; unset \
             it, or listen elsewhere (--listen 127.0.0.1:7172)",
            args.listen
        ),
        None => Source::Keys(keys::manifests(&environment).await?),
    };
    if args.print {
        banner::print(source.yaml())?;
        return Ok(ExitCode::SUCCESS);
    }
    // Before the first reading and before anybody is told: no edit and no signal may fall between.
    let stop = stop::listen();
    let edits = source.edits();
    let mut serving = Serving::new(environment);
    let first = serving.load(&source).with_context(|| source.failed())?;
    let (stop, edits) = (stop?, edits?);
    if let Some(problems) = first.problems_text() {
        eprint!("{problems}");
    }
    first.ensure_nothing_is_served_around()?;
    if first.entries.is_empty() {
        bail!("{}", source.empty());
    }
    let state = args.state_dir.clone().unwrap_or_else(|| source.state_dir());
    let ledger = Ledger::open(&state)
        .map_err(|e| anyhow::anyhow!("failed to open the ledger {}/ledger.redb, in which the budgets stand: {e}; where the file is damaged, bring back a copy, or move it away: budgets then count from nothing", state.display()))?;
    let handle = Sidecar::start(Config {
        data: vec![args.listen],
        folder: source.folder(),
        workload: Some(format!("{}/pointsman", first.namespace)),
        rights: Some(Box::new(ledger)),
        calls: Calls::open_or_go_without(&state, calls::ALONE_AT_MOST),
        learned: Some(state.clone()),
        routing_model: routing::shipped(),
        models: Some(args.models_dir.clone().unwrap_or_else(|| source.folder().join("models"))),
        ..Config::default()
    })
    .map_err(|e| anyhow::anyhow!("failed to serve on {}: {e}", args.listen))?;
    let mut told = Told::default();
    apply(&handle, &first, &mut told).await;
    banner::show(&source, &first, &handle, started).await?;
    if let Some(file) = &args.process.ready_file {
        banner::write_ready_file(file, &handle).await?;
    }
    keep_up(&source, &mut serving, &handle, told, stop, edits).await;
    handle.shutdown(args.process.drain_timeout).await;
    Ok(ExitCode::SUCCESS)
}

/// Applies every edit of the folder until a signal to stop.
async fn keep_up(
    source: &Source,
    serving: &mut Serving,
    handle: &Handle,
    mut told: Told,
    stop: impl Future<Output = ()>,
    mut edits: Option<mpsc::Receiver<()>>,
) {
    tokio::pin!(stop);
    loop {
        let edited = async {
            match &mut edits {
                Some(edits) => edits.recv().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut stop => return,
            _ = edited => match serving.load(source) {
                Ok(loaded) => {
                    if let Some(problems) = loaded.problems_text() {
                        eprint!("{problems}");
                    }
                    for line in apply(handle, &loaded, &mut told).await {
                        // Whoever reads the output may have gone; serving goes on.
                        let _ = writeln!(std::io::stdout().lock(), "{line}");
                    }
                }
                Err(error) => tracing::error!(%error, "failed to read the folder; the last good version serves on"),
            },
        }
    }
}

/// Hands a version of the folder over; says what serves since.
async fn apply(handle: &Handle, loaded: &Loaded, told: &mut Told) -> Vec<String> {
    let problems = handle.apply(loaded.update()).await.problems;
    for problem in &problems {
        tracing::error!(object = %problem.key, path = problem.path, "{}", problem.message);
    }
    told.news(&loaded.entries, |key| problems.iter().any(|problem| problem.key == *key))
}
