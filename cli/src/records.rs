//! `pointsman records`: the scored calls that a process on its own has kept, one JSON line each, oldest first.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::Records;
use crate::calls::Calls;
use crate::run::Source;

/// Prints the rows.
pub(crate) fn run(args: &Records) -> anyhow::Result<ExitCode> {
    let state = match &args.state_dir {
        Some(folder) => folder.clone(),
        None => Source::Folder(args.path.clone()).state_dir(),
    };
    let calls = Calls::read(&state).map_err(|error| anyhow::anyhow!("{error}")).with_context(|| {
        format!("failed to read the calls in {}: stop the pointsman that serves with it, or name another --state-dir", state.display())
    })?;
    let mut out = std::io::stdout().lock();
    for row in calls.rows().map_err(|error| anyhow::anyhow!("{error}"))? {
        if row.feedback.is_some() || !args.rated {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
