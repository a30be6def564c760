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
