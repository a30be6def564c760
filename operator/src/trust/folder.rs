//! A certificate from a folder that somebody else fills, such as cert-manager: `tls.crt`, `tls.key`, `ca.crt`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{CA_CERTIFICATE, Trust, TrustError, certified};
use crate::shared::{Shared, Stop};

/// Follows a folder.
pub(crate) struct Folder {
    path: PathBuf,
    files: Files,
    trust: Arc<Trust>,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: String,
}

impl Folder {
    /// Reads the folder.
    pub(crate) fn open(path: PathBuf) -> Result<Self, TrustError> {
        let files = Files::read(&path)?;
        let trust = Trust::new(files.certified(&path)?, files.authority.clone());
        Ok(Self { path, files, trust })
    }

    /// What is served under.
    pub(crate) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    /// Looks for changes until told to stop. Files that do not fit together, as while they are being replaced, change
    /// nothing.
    pub(crate) async fn run(mut self, tend: Duration, shared: Arc<Shared>, mut stop: Stop) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(tend) => {}
                () = stop.wait() => return,
            }
            if let Err(error) = self.look() {
                shared.metrics.error("trust");
                tracing::warn!(%error, "failed to read the certificate, will retry; the last one serves on");
            }
        }
    }

    fn look(&mut self) -> Result<(), TrustError> {
        let files = Files::read(&self.path)?;
        if files == self.files {
            return Ok(());
        }
        let served = files.certified(&self.path)?;
        // The one before is trusted on: others may still serve under it.
        let bundle = match files.authority == self.files.authority {
            true => files.authority.clone(),
            false => format!("{}\n{}\n", files.authority.trim(), self.files.authority.trim()),
        };
        self.trust.set_bundle(bundle);
        self.trust.serve(served);
        tracing::info!(folder = %self.path.display(), "serves under another certificate");
        self.files = files;
        Ok(())
    }
}

impl Files {
    fn read(folder: &Path) -> Result<Self, TrustError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| TrustError::Read { path, source })
        };
        let authority = String::from_utf8(read(CA_CERTIFICATE)?)
            .ok()
            .filter(|text| text.contains("BEGIN CERTIFICATE"))
            .ok_or_else(|| TrustError::Content { path: folder.join(CA_CERTIFICATE), what: "certificate" })?;
        Ok(Self { certificate: read("tls.crt")?, key: read("tls.key")?, authority })
    }

    fn certified(&self, folder: &Path) -> Result<rustls::sign::CertifiedKey, TrustError> {
        let wrong = |name: &str, what| TrustError::Content { path: folder.join(name), what };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain =
            chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| wrong("tls.crt", "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| wrong("tls.key", "key"))?;
        Ok(certified(chain, key)?)
    }
}
