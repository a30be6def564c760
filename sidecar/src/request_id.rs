//! Names calls: `req_`, then 16 characters of Crockford's base 32, the first ten of them the time.

use std::fmt;
use std::time::SystemTime;

use http::HeaderValue;

use crate::chance::Chance;

const PREFIX: &[u8; 4] = b"req_";
const LENGTH: usize = 20;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The id of one call. Ours alone: what callers send as `x-request-id` is never taken for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId([u8; LENGTH]);

impl RequestId {
    /// A new id: 50 bits of milliseconds, then 30 random bits.
    pub(crate) fn new(now: SystemTime, chance: &mut Chance) -> Self {
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let mut id = [0; LENGTH];
        id[..4].copy_from_slice(PREFIX);
        write(&mut id[4..14], millis);
        write(&mut id[14..], chance.bits());
        Self(id)
    }

    /// Reads an id that somebody asks for; anything else is nobody's.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let id: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let known = id.starts_with(PREFIX) && id[4..].iter().all(|c| ALPHABET.contains(c));
        known.then_some(Self(id))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of ASCII")
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("made of visible ASCII")
    }
}

fn write(out: &mut [u8], mut number: u64) {
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(number & 31) as usize];
        number >>= 5;
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_read_back() {
        let mut chance = Chance::seeded(7);
        let at = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let early = RequestId::new(at(1_700_000_000), &mut chance);
        let late = RequestId::new(at(1_700_000_001), &mut chance);
        assert!(early.as_str() < late.as_str());
        assert!(early.as_str().starts_with("req_01HF7YAT00"), "{early}");
        assert_eq!(RequestId::parse(early.as_str()), Some(early));
    }

    #[test]
    fn what_is_not_an_id_is_nobodys() {
        for text in [
            "",
            "req_",
            "req_01HF7YAT00",
            "req_01HF7YAT00ILOU00",
            "abc_01HF7YAT00000000",
            "req_01HF7YAT000000000",
        ] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }
}
