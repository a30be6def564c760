//! Providers that this process runs itself, on loopback sockets and a thread of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pointsman_config::entry::Name;
use pointsman_config::provider::{ProviderConfig, SimulatedUpstream, Upstream};
use pointsman_simulated::{Failures, Running, Simulated, SimulatedConfig, SimulatedModel};

/// Where a simulated provider listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedAddress {
    /// The provider.
    pub provider: Name,
    /// Where calls go.
    pub data: SocketAddr,
    /// Where its books are, and where it can be taken away.
    pub control: SocketAddr,
}

/// The simulated providers of this process.
pub(crate) struct Simulations {
    folder: PathBuf,
    runtime: Option<tokio::runtime::Runtime>,
    running: BTreeMap<Name, (SimulatedConfig, Running)>,
}

impl Simulations {
    /// Outcomes files are relative to `folder`.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, runtime: None, running: BTreeMap::new() }
    }

    /// Starts a provider, or starts it anew where its configuration changed. An error names the field.
    pub(crate) fn ensure(&mut self, name: &Name, provider: &ProviderConfig) -> Result<(), String> {
        let Upstream::Simulated(upstream) = &provider.upstream else { return Ok(()) };
        let config = translate(name, provider, upstream, &self.folder);
        if self.running.get(name).is_some_and(|(known, _)| *known == config) {
            return Ok(());
        }
        let running = self.start(config.clone()).map_err(|e| e.to_string())?;
        self.running.insert(name.clone(), (config, running));
        Ok(())
    }

    /// Stops the providers that are gone.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Name) -> bool) {
        self.running.retain(|name, _| wanted(name));
    }

    pub(crate) fn address(&self, name: &Name) -> Option<SocketAddr> {
        self.running.get(name).map(|(_, running)| running.addr)
    }

    pub(crate) fn addresses(&self) -> Vec<SimulatedAddress> {
        let address = |(name, (_, running)): (&Name, &(SimulatedConfig, Running))| SimulatedAddress {
            provider: name.clone(),
            data: running.addr,
            control: running.control,
        };
        self.running.iter().map(address).collect()
    }

    fn start(&mut self, config: SimulatedConfig) -> std::io::Result<Running> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("simulated")
                .enable_all()
                .build()?,
        };
        let started = {
            let _inside = runtime.enter();
            Simulated::start(config)
        };
        self.runtime = Some(runtime);
        started
    }
}

impl Drop for Simulations {
    /// A runtime must not be dropped inside another one's thread in the ordinary way.
    fn drop(&mut self) {
        self.running.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn translate(
    name: &Name,
    provider: &ProviderConfig,
    upstream: &SimulatedUpstream,
    folder: &Path,
) -> SimulatedConfig {
    let whole = |value: f64| value.round().max(0.0) as u64;
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let models = provider.models.iter().map(|model| {
        let prices = model.prices.unwrap_or_default();
        SimulatedModel {
            name: model.provider_model.clone(),
            input_price: prices.input.0,
            output_price: prices.output.0,
            first_token_ms: whole(model.prior.first_token_ms),
            tokens_per_second: small(whole(model.prior.tokens_per_second)).max(1),
            output_tokens: small(whole(model.prior.output_tokens)).max(1),
        }
    });
    SimulatedConfig {
        name: name.name.clone(),
        models: models.collect(),
        outcomes: upstream.outcomes_file.as_ref().map(|file| folder.join(file)),
        clock_factor: upstream.clock_factor,
        failures: Failures {
            rate_ppm: small(whole(upstream.failure_rate * 1_000_000.0)),
            status: upstream.failure_status,
        },
    }
}
