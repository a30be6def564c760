//! `pointsman records`: the scored calls that a process has kept, one JSON line each, oldest first.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::args::Records;
use crate::calls::Calls;
use crate::http;
use crate::run::Source;

/// For one page.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the rows.
pub(crate) fn run(args: &Records) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if let Some(url) = &args.url {
        ask(url, args.rated, &mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = args.path.clone().unwrap_or_else(|| PathBuf::from("."));
    let state = match &args.state_dir {
        Some(folder) => folder.clone(),
        None => Source::Folder(path).state_dir(),
    };
    let calls = Calls::read(&state).map_err(|error| anyhow::anyhow!("{error}")).with_context(|| {
        format!("failed to read the calls in {}: stop the pointsman that serves with it or ask it with --url, or name another --state-dir", state.display())
    })?;
    for row in calls.all().map_err(|error| anyhow::anyhow!("{error}"))? {
        if row.feedback.is_some() || !args.rated {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The last line of a page that is not the last one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    next: String,
}

/// Page by page.
fn ask(url: &str, rated: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = url.trim_end_matches('/');
    let mut after = String::new();
    loop {
        let page = format!("{url}/v1/calls?rated={rated}&after={after}");
        let body = runtime.block_on(http::get(&page, None, PATIENCE))?;
        let text = std::str::from_utf8(&body)?;
        let mut lines: Vec<&str> = text.lines().collect();
        let next = lines.last().and_then(|line| serde_json::from_str::<Next>(line).ok());
        if next.is_some() {
            lines.pop();
        }
        for line in lines {
            writeln!(out, "{line}")?;
        }
        let Some(Next { next }) = next else { return Ok(()) };
        after = next;
    }
}
