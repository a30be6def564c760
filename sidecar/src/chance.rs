//! Random numbers for ids and jitter. Not for secrets.

use std::hash::{BuildHasher, RandomState};

/// SplitMix64, seeded from the operating system's randomness by way of the standard library's hash keys.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Seeded anew: no two start alike.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().hash_one(std::process::id()))
    }

    /// Seeded by hand, for what must repeat.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from 0 up to 1, 1 excluded.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// What one decision may leave to chance: the draw of a model and the draw of a provider.
    pub(crate) fn draws(&mut self) -> [f64; 2] {
        [self.fraction(), self.fraction()]
    }
}
