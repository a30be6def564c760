//! Where connections go, and small numbers for it.

use std::collections::HashMap;
use std::sync::Arc;

/// Scheme, host and port: connections to equal origins are interchangeable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether private, loopback and link-local addresses may be connected to.
    pub(crate) allow_private: bool,
}

/// An index into the data thread's pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginId(pub(crate) u32);

/// Numbers origins for the life of the process, so that pools survive every change of configuration.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    known: HashMap<Arc<Origin>, OriginId>,
}

impl Origins {
    /// The number of an origin, always the same one.
    pub(crate) fn number(&mut self, origin: Origin) -> (OriginId, Arc<Origin>) {
        if let Some((known, id)) = self.known.get_key_value(&origin) {
            return (*id, known.clone());
        }
        let id = OriginId(u32::try_from(self.known.len()).expect("fewer than four billion origins"));
        let origin = Arc::new(origin);
        self.known.insert(origin.clone(), id);
        (id, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_origins_have_one_number() {
        let origin =
            |port| Origin { tls: true, host: "api.openai.com".to_owned(), port, allow_private: false };
        let mut origins = Origins::default();
        let numbers = [443, 8443, 443].map(|port| origins.number(origin(port)).0.0);
        assert_eq!(numbers, [0, 1, 0]);
    }
}
