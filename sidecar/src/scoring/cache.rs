//! What was predicted of late, by the text's keyed hash. No text is kept.

use std::collections::HashMap;
use std::hash::Hash;

use pointsman_models::scorer::folder::ModelHash;
use pointsman_models::scorer::{RoutingModel, ScoreText};
use sha2::{Digest, Sha256};

/// A bounded map that forgets what was not asked for longest, in two generations: what is asked for moves to the young
/// one; when that is full, the old one goes.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    pub(super) fn new(at_most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (at_most / 2).max(1) }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.put(key.clone(), value);
        }
        self.young.get(key)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// What a prediction depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    model: ModelHash,
    extractor: u32,
    text: [u8; 16],
}

/// Hashes texts under a key of this process, so that nobody outside can find two texts with one hash, or tell a text by
/// its hash.
pub(super) struct TextKey([u8; 16]);

impl TextKey {
    pub(super) fn new([a, b]: [u64; 2]) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&a.to_le_bytes());
        key[8..].copy_from_slice(&b.to_le_bytes());
        Self(key)
    }

    pub(super) fn of(&self, model: &RoutingModel, text: &ScoreText) -> Key {
        Key {
            model: model.hash(),
            extractor: model.manifest().extractor.version,
            text: self.hash(text.as_str().as_bytes()),
        }
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> [u8; 16] {
        let digest = Sha256::new().chain_update(self.0).chain_update(bytes).finalize();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut recent = Recent::new(8);
        for i in 0..100 {
            recent.put(i, i * 10);
            assert_eq!(recent.get(&0).copied(), Some(0), "asked for after every other one, at {i}");
            assert!(recent.len() <= 8, "{}", recent.len());
        }
        assert_eq!(recent.get(&99).copied(), Some(990));
        assert_eq!(recent.get(&50), None);
    }

    #[test]
    fn hashes_of_two_processes_differ() {
        let (one, other) = (TextKey::new([1, 2]), TextKey::new([1, 3]));
        assert_eq!(one.hash(b"a text"), one.hash(b"a text"));
        assert_ne!(one.hash(b"a text"), one.hash(b"a texts"));
        assert_ne!(one.hash(b"a text"), other.hash(b"a text"));
    }
}
