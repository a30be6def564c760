//! Keys of providers: held in memory, never shown.

use std::collections::HashMap;
use std::fmt;

use pointsman_config::provider::CredentialName;

/// A secret text. `Debug` shows none of it; the one way to read it is `expose`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a secret into custody. White space around it, which files often have, is not part of it.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(secret.as_ref().trim_ascii().to_vec())
    }

    /// The secret itself, for the header that carries it.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A provider's key, with the name by which providers refer to it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Which one, in which version.
    pub name: CredentialName,
    /// The key.
    pub secret: Secret,
}

/// The keys that this process holds, by reference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credentials(HashMap<String, Credential>);

impl Credentials {
    /// Replaces everything that was held: what is not named is revoked.
    pub(crate) fn replace(&mut self, credentials: Vec<Credential>) {
        self.0 = credentials.into_iter().map(|c| (c.name.reference.clone(), c)).collect();
    }

    /// The key for a provider: the newest version that is held, whatever version the provider names.
    pub(crate) fn get(&self, name: &CredentialName) -> Option<&Credential> {
        self.0.get(&name.reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let name = CredentialName { reference: "shop/openai/key".to_owned(), version: "1".to_owned() };
        let mut credentials = Credentials::default();
        credentials.replace(vec![Credential { name: name.clone(), secret: Secret::new("sk-canary\n") }]);
        assert!(!format!("{credentials:?}").contains("canary"));
        assert_eq!(credentials.get(&name).map(|c| c.secret.expose()), Some(&b"sk-canary"[..]));
    }
}
