//! Which API keys does the provider take?
//!
//! None named: it asks nobody for a key. Otherwise it takes those and answers 401 to all others, as real providers do,
//! so that a rotation of keys can be watched from the far end.

use std::sync::{PoisonError, RwLock};

use hyper::header::{AUTHORIZATION, HeaderMap};

/// The keys that are taken now.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<Vec<String>>);

impl Keys {
    pub(crate) fn set(&self, keys: Vec<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether a call with these headers is answered.
    pub(crate) fn open_to(&self, headers: &HeaderMap) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        keys.is_empty() || shown.is_some_and(|shown| keys.iter().any(|key| key == shown))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_provider_that_names_keys_takes_those_alone() {
        let keys = Keys::default();
        let with = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        assert!(keys.open_to(&HeaderMap::new()), "nobody is asked for a key");
        keys.set(vec!["old".into(), "new".into()]);
        assert!(keys.open_to(&with("Bearer old")));
        keys.set(vec!["new".into()]);
        assert!(keys.open_to(&with("Bearer new")));
        for other in ["Bearer old", "Bearer newer", "new", "Basic new", ""] {
            assert!(!keys.open_to(&with(other)), "{other}");
        }
        assert!(!keys.open_to(&HeaderMap::new()));
    }
}
