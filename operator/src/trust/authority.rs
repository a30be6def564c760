//! One certificate authority of ours: a key, and a certificate of it. It signs short-lived server certificates.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::{TrustError, certified};

const DAY: Duration = Duration::from_secs(86_400);
/// How long an authority is good for.
pub(super) const LIFE: Duration = Duration::from_secs(365 * 86_400);
/// How long a server certificate is good for.
pub(super) const LEAF: Duration = Duration::from_secs(7 * 86_400);
/// Clocks of nodes may be behind.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// An authority. Its key is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// PEM.
    pub(super) certificate: String,
    /// PEM.
    pub(super) key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new one.
    pub(super) fn make(now: Timestamp) -> Result<Self, TrustError> {
        let key = KeyPair::generate()?;
        let certificate = params(now).self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Whether its key can be used at all.
    pub(super) fn is_usable(&self) -> bool {
        KeyPair::from_pem(&self.key).is_ok() && self.certificate.contains("BEGIN CERTIFICATE")
    }

    /// Signs a certificate for a server under these names and addresses.
    pub(super) fn sign(&self, names: &[String], now: Timestamp) -> Result<CertifiedKey, TrustError> {
        let mut leaf = CertificateParams::new(names.to_vec())?;
        leaf.distinguished_name = named("pointsman");
        leaf.not_before = time(now - BACKDATED).into();
        leaf.not_after = time(now + LEAF).into();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer_key = KeyPair::from_pem(&self.key)?;
        let certificate = leaf.signed_by(&key, &Issuer::new(params(now), &issuer_key))?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(certified(vec![certificate.der().clone()], private)?)
    }
}

fn params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("pointsman authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = time(now - BACKDATED).into();
    params.not_after = time(now + LIFE + DAY).into();
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn time(at: Timestamp) -> std::time::SystemTime {
    at.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    fn verifies(authorities: &[&Authority], served: &CertifiedKey, at: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let name = ServerName::try_from("pointsman.pointsman-system.svc").unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_second()).unwrap()));
        verifier.verify_server_cert(&served.cert[0], &[], &name, &[], at).is_ok()
    }

    #[test]
    fn clocks_five_minutes_apart_agree_on_a_certificate() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let (authority, other) = (Authority::make(now).unwrap(), Authority::make(now).unwrap());
        let names = ["pointsman.pointsman-system.svc".to_owned()];
        let served = authority.sign(&names, now).unwrap();
        let skew = Duration::from_secs(300);
        for at in [now - skew, now, now + skew, now + LEAF - skew] {
            assert!(verifies(&[&authority], &served, at), "{at}");
            assert!(verifies(&[&other, &authority], &served, at), "{at}");
        }
        assert!(!verifies(&[&other], &served, now), "another authority of the same name");
        assert!(!verifies(&[&authority], &served, now + LEAF + skew), "it ends");
        let later = authority.sign(&names, now + LIFE - LEAF).unwrap();
        assert!(verifies(&[&authority], &later, now + LIFE - skew), "the authority outlives what it signs");
    }
}
