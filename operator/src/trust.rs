//! The operator's own authority: made once, kept in a Secret, published in a ConfigMap; every replica signs its own
//! short-lived server certificate with it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::shared::Stop;

const SECRET: &str = "pointsman-tls";
const CONFIG_MAP: &str = "pointsman-trust";
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CA_YEARS: i64 = 10;
const LEAF: Duration = Duration::from_secs(7 * 86_400);
/// Clocks of nodes may be behind.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// Why there is no usable authority.
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
    /// The stored Secret.
    #[error("Secret \"{SECRET}\" lacks \"{0}\": delete it, and a new authority is made")]
    Incomplete(&'static str),
    /// A key or certificate.
    #[error("failed to make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key that TLS cannot use.
    #[error("failed to use a certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// An authority that signs server certificates.
pub(crate) struct Authority {
    key: KeyPair,
    pub(crate) certificate: String,
}

impl Authority {
    /// Reads the authority, or makes it where there is none. Of several replicas that start at once the first one's counts.
    pub(crate) async fn obtain(client: &Client, root_namespace: &str) -> Result<Self, TrustError> {
        let store = |source| TrustError::Store { object: SECRET, source: Box::new(source) };
        let api: Api<Secret> = Api::namespaced(client.clone(), root_namespace);
        if let Some(secret) = api.get_opt(SECRET).await.map_err(store)? {
            return Self::read(&secret);
        }
        match api.create(&PostParams::default(), &Self::make()?).await {
            Ok(secret) => Self::read(&secret),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Self::read(&api.get(SECRET).await.map_err(store)?)
            }
            Err(error) => Err(store(error)),
        }
    }

    fn make() -> Result<Secret, TrustError> {
        let key = KeyPair::generate()?;
        let certificate = authority_params(Timestamp::now()).self_signed(&key)?;
        let data = [(CA_CERTIFICATE, certificate.pem()), (CA_KEY, key.serialize_pem())];
        Ok(Secret {
            metadata: ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() },
            data: Some(
                data.into_iter()
                    .map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())))
                    .collect(),
            ),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        })
    }

    fn read(secret: &Secret) -> Result<Self, TrustError> {
        let text = |name: &'static str| {
            let bytes =
                secret.data.as_ref().and_then(|data| data.get(name)).ok_or(TrustError::Incomplete(name))?;
            String::from_utf8(bytes.0.clone()).map_err(|_| TrustError::Incomplete(name))
        };
        Ok(Self { key: KeyPair::from_pem(&text(CA_KEY)?)?, certificate: text(CA_CERTIFICATE)? })
    }

    /// Publishes the certificate to whoever must trust this operator.
    pub(crate) async fn publish(&self, client: &Client, root_namespace: &str) -> Result<(), TrustError> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), root_namespace);
        let map = serde_json::json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP},
            "data": {CA_CERTIFICATE: self.certificate},
        });
        let params = PatchParams::apply(crate::FIELD_MANAGER).force();
        let written = api.patch(CONFIG_MAP, &params, &Patch::Apply(&map)).await;
        written
            .map(|_| ())
            .map_err(|source| TrustError::Store { object: CONFIG_MAP, source: Box::new(source) })
    }

    /// Signs a certificate for a server under these names and addresses.
    fn sign(&self, names: &[String]) -> Result<CertifiedKey, TrustError> {
        let now = Timestamp::now();
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name = named("pointsman");
        params.not_before = time(now - BACKDATED).into();
        params.not_after = time(now + LEAF).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &Issuer::new(authority_params(now), &self.key))?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        Ok(CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider())?)
    }
}

fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("pointsman authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = time(now - BACKDATED).into();
    params.not_after =
        time(now + Duration::from_secs(u64::try_from(CA_YEARS * 365 * 86_400).unwrap_or(u64::MAX))).into();
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

/// The server certificate that is used now.
pub(crate) struct ServerCertificate {
    authority: Authority,
    names: Vec<String>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerCertificate {
    pub(crate) fn new(authority: Authority, names: Vec<String>) -> Result<Self, TrustError> {
        let current = RwLock::new(Arc::new(authority.sign(&names)?));
        Ok(Self { authority, names, current })
    }

    /// Signs a new one at two thirds of its life, until told to stop.
    pub(crate) async fn renew(self: Arc<Self>, mut stop: Stop) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LEAF * 2 / 3) => {}
                () = stop.wait() => return,
            }
            match self.authority.sign(&self.names) {
                Ok(next) => *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next),
                Err(error) => tracing::error!(%error, "failed to renew the server certificate"),
            }
        }
    }
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
