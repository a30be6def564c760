//! Which addresses does a name have?
//!
//! Asynchronous, with a cache that obeys the records' time to live. The system's resolver configuration and hosts file
//! are read when the first name is looked up: a laptop that calls only simulated providers never reads them.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use tokio::sync::OnceCell;

/// Names to keep; one process calls a handful of hosts.
const CACHED_NAMES: u64 = 256;
/// How long a name that does not exist is believed not to, whatever its zone says: half a minute in most clusters, in which
/// a Service may be made a moment after the pod that calls it.
const ABSENT_AT_MOST: Duration = Duration::from_secs(1);

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
    limit(builder.options_mut());
    builder.build().map_err(|e| e.to_string())
}

fn limit(options: &mut ResolverOpts) {
    options.cache_size = CACHED_NAMES;
    options.negative_max_ttl = Some(ABSENT_AT_MOST);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, SOA};
    use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
    use tokio::net::UdpSocket;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

    /// A name server whose zone lets everybody believe for half a minute that a name does not exist; the second time
    /// that the name's address is asked for, it does.
    async fn name_server(socket: UdpSocket) -> std::io::Result<()> {
        let (mut asked, mut buffer) = (0, [0; 512]);
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            let query = Message::from_vec(&buffer[..length]).map_err(std::io::Error::other)?;
            let name = query.queries[0].name().clone();
            let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
            answer.add_queries(query.queries.clone());
            let is_address = query.queries[0].query_type() == RecordType::A;
            asked += u32::from(is_address);
            if asked > 1 && is_address {
                answer.add_answer(Record::from_rdata(name, 30, RData::A(A(ADDRESS))));
            } else {
                let soa = SOA::new(Name::root(), Name::root(), 1, 30, 30, 30, 30);
                answer.metadata.response_code = ResponseCode::NXDomain;
                answer.add_authority(Record::from_rdata(Name::root(), 30, RData::SOA(soa)));
            }
            let answer = answer.to_vec().map_err(std::io::Error::other)?;
            socket.send_to(&answer, from).await?;
        }
    }

    #[tokio::test]
    async fn a_name_that_appears_is_found_within_a_second_or_so() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let SocketAddr::V4(address) = socket.local_addr().expect("bound") else { panic!("asked for IPv4") };
        tokio::spawn(name_server(socket));
        let mut server = NameServerConfig::udp((*address.ip()).into());
        server.connections.iter_mut().for_each(|connection| connection.port = address.port());
        let config = ResolverConfig::from_parts(None, vec![], vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        limit(builder.options_mut());
        let resolver = Resolver::default();
        resolver.resolver.set(builder.build().expect("a resolver")).expect("the first");

        assert!(resolver.resolve("cloud.shop.").await.is_err(), "it is not there yet");
        assert!(resolver.resolve("cloud.shop.").await.is_err(), "not every call asks again");
        tokio::time::sleep(ABSENT_AT_MOST + Duration::from_millis(200)).await;
        assert_eq!(resolver.resolve("cloud.shop.").await.expect("it is now"), [IpAddr::V4(ADDRESS)]);
    }
}
