//! Whom do we trust upstream?
//!
//! Mozilla's roots, the system's, and what the process was told to add. They are read when the first provider with TLS
//! is configured: a process without one keeps its memory.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The lazily built client configuration for TLS to providers.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    extra_roots: Option<PathBuf>,
    built: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// Roots that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of additional roots.
    #[error("failed to read certificates from \"{path}\": {reason}; write a PEM file")]
    ReadRoots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The cryptography provider refused its own defaults.
    #[error("failed to set up TLS: {0}")]
    SetUp(#[from] rustls::Error),
}

impl Tls {
    /// Adds the certificates of a PEM file to the roots.
    pub(crate) fn new(extra_roots: Option<PathBuf>) -> Self {
        Self { extra_roots, built: Arc::default() }
    }

    /// The configuration, built on first use.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(built) = self.built.get() {
            return Ok(built.clone());
        }
        let config = Arc::new(client_config(self.roots()?)?);
        Ok(self.built.get_or_init(|| config).clone())
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = &self.extra_roots {
            roots.add_parsable_certificates(read_certificates(path)?);
        }
        Ok(roots)
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn read_certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |reason: String| TlsError::ReadRoots { path: path.clone(), reason };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e: rustls::pki_types::pem::Error| error(e.to_string()))?;
    if certificates.is_empty() { Err(error("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
