//! `pointsman crds`: the manifests that a cluster needs before the first object.

use std::io::Write;
use std::process::ExitCode;

/// Prints every manifest, one YAML document each.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    for (_, manifest) in pointsman_crds::manifests() {
        writeln!(out, "---\n{}", manifest.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
