//! Which addresses does a name have?
//!
//! Asynchronous, with a cache that obeys the records' time to live. The system's resolver configuration and hosts file
//! are read when the first name is looked up: a laptop that calls only simulated providers never reads them.

use std::net::IpAddr;

use hickory_resolver::TokioResolver;
use tokio::sync::OnceCell;

/// Names to keep; one process calls a handful of hosts.
const CACHED_NAMES: u64 = 256;

/// Resolves names on the thread that asks.
#[derive(Default)]
pub(crate) struct Resolver {
    resolver: OnceCell<TokioResolver>,
}

/// A name that has no address.
#[derive(Debug, thiserror::Error)]
#[error("failed to resolve \"{host}\": {reason}")]
pub(crate) struct ResolveError {
    host: String,
    reason: String,
}

impl Resolver {
    /// Every address of a host, IPv4 first; an address is its own.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let error = |reason: String| ResolveError { host: host.to_owned(), reason };
        let resolver = self.resolver.get_or_try_init(build).await.map_err(error)?;
        let found = resolver.lookup_ip(host).await.map_err(|e| error(e.to_string()))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses)
    }
}

async fn build() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|e| e.to_string())?;
    builder.options_mut().cache_size = CACHED_NAMES;
    builder.build().map_err(|e| e.to_string())
}
