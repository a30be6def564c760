//! A connection to the operator, and the token that goes with each stream.

use std::path::PathBuf;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::LinkConfig;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Why a stream ended or never began.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("failed to read \"{path}\": {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("failed to connect to the operator: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("the operator refused: {} ({:?})", .0.message(), .0.code())]
    Refused(#[from] Status),
    #[error("the token is no header")]
    Token,
    #[error("the operator ended the stream")]
    Ended,
    #[error("this process ends")]
    Leaving,
}

/// Connects to `address`: that of the configuration, or where the leader is.
pub(super) async fn connect(config: &LinkConfig, address: &str) -> Result<Channel, LinkError> {
    let mut endpoint = Endpoint::from_shared(address.to_owned())?
        .connect_timeout(CONNECT_WITHIN)
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN)
        .keep_alive_while_idle(true);
    if address.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(config)?)?;
    }
    Ok(endpoint.connect().await?)
}

fn tls(config: &LinkConfig) -> Result<ClientTlsConfig, LinkError> {
    let mut tls = ClientTlsConfig::new();
    if let Some(path) = &config.ca_file {
        tls = tls.ca_certificate(Certificate::from_pem(read(path)?));
    }
    // The leader is called by its address; its certificate names the service.
    let name = config.server_name.clone().or_else(|| host(&config.address));
    Ok(match name {
        Some(name) => tls.domain_name(name),
        None => tls,
    })
}

/// Wraps the first message of a stream with the token as it is now.
pub(super) fn authorized<T>(config: &LinkConfig, message: T) -> Result<Request<T>, LinkError> {
    let mut request = Request::new(message);
    if let Some(path) = &config.token_file {
        let token = read(path)?;
        let bearer = [b"Bearer ", token.trim_ascii()].concat();
        let mut value = MetadataValue::try_from(bearer).map_err(|_| LinkError::Token)?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    Ok(request)
}

/// Where the leader said it is; a bare `host:port` is reached as we reach the others.
pub(super) fn leader(config: &LinkConfig, address: &str) -> String {
    if address.contains("://") {
        return address.to_owned();
    }
    let scheme = config.address.split_once("://").map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{address}")
}

fn host(address: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    uri.host().map(|host| host.trim_matches(['[', ']']).to_owned())
}

fn read(path: &PathBuf) -> Result<Vec<u8>, LinkError> {
    std::fs::read(path).map_err(|source| LinkError::Read { path: path.clone(), source })
}
