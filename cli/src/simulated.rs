//! `pointsman simulated`: a provider that costs nothing, as a server of its own.

use std::process::ExitCode;

use anyhow::Context;
use pointsman_simulated::{Simulated, SimulatedConfig};

use crate::args::SimulatedRun;
use crate::stop;

/// Serves until a signal to stop.
pub(crate) fn run(args: SimulatedRun) -> anyhow::Result<ExitCode> {
    let shown = args.config.display();
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("failed to read {shown}"))?;
    let config: SimulatedConfig =
        serde_yaml::from_str(&text).with_context(|| format!("{shown} describes no simulated provider"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let provider = Simulated::start_on(config, args.listen, args.control)
            .with_context(|| format!("failed to serve {shown}"))?;
        provider.set_keys(args.keys);
        tracing::info!(data = %provider.addr, control = %provider.control, "listening");
        stop::requested().await?;
        Ok(ExitCode::SUCCESS)
    })
}
