//! Under which certificate we serve, and what others must trust for it.
//!
//! ```text
//! Secret pointsman-tls ──► KEYRING ──► a leaf of this replica's own ──► streams, webhook
//!     ▲ leader: make, TURN, restore       └─► bundle (old and new) ──► ConfigMaps pointsman-trust, caBundle
//! ```
//! or a folder that cert-manager fills. Either way a change is served at once, without a restart.

mod authority;
mod folder;
mod keeper;
mod keyring;
mod publisher;

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

pub(crate) use folder::Folder;
pub(crate) use keeper::{Keeper, KeeperConfig};
pub(crate) use keyring::Turns;
pub(crate) use publisher::{Publisher, publish_here};

/// The ConfigMap with what sidecars trust.
pub(crate) const CONFIG_MAP: &str = "pointsman-trust";
/// Its key, and that of a certificate in the Secret.
pub(crate) const CA_CERTIFICATE: &str = "ca.crt";
/// The Secret with the authority.
const SECRET: &str = "pointsman-tls";

/// Why there is nothing to serve under.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The API server.
    #[error("failed to read or write {object}: {source}")]
    Store {
        /// Which object.
        object: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A file.
    #[error("failed to read \"{path}\": {source}")]
    Read {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file's content.
    #[error("\"{path}\" holds no usable {what}")]
    Content {
        /// Which file.
        path: std::path::PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// A key or certificate.
    #[error("failed to make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key that TLS cannot use.
    #[error("failed to use a certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// What is served under now, and what must be trusted for it.
pub(crate) struct Trust {
    served: RwLock<Arc<CertifiedKey>>,
    bundle: watch::Sender<String>,
}

impl Trust {
    pub(crate) fn new(served: CertifiedKey, bundle: String) -> Arc<Self> {
        Arc::new(Self { served: RwLock::new(Arc::new(served)), bundle: watch::Sender::new(bundle) })
    }

    /// Serves under another certificate from now on.
    fn serve(&self, next: CertifiedKey) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// Certificates, PEM: whoever calls us must trust them all.
    pub(crate) fn bundle(&self) -> String {
        self.bundle.borrow().clone()
    }

    fn set_bundle(&self, bundle: String) {
        self.bundle.send_if_modified(|current| {
            let changed = *current != bundle;
            *current = bundle;
            changed
        });
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Trust {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A chain and its key, ready to serve.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: rustls::pki_types::PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
}
