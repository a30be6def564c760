//! The contract between the two halves: what the operator compiles and the sidecar obeys.
//!
//! ```text
//! operator: compile ──► Entry { key, uid, generation, Valid | Invalid | Deleted } ──► sidecar: Objects ──► Snapshot
//! ```
//!
//! Kubernetes-free, free of I/O and of clocks. Every type here travels as JSON inside the messages of
//! `proto/link.proto`; unknown fields are ignored in both directions, so that neighbouring versions understand each
//! other. Keys of providers never travel in these types: a provider names a credential, and credentials travel apart.

pub mod amount;
pub mod budget;
pub mod duration;
pub mod entry;
pub mod latency;
pub mod money;
pub mod objects;
pub mod policy;
pub mod provider;
pub mod score_text;
pub mod usage;
pub mod window;

/// The messages of both streams between operator and sidecar, generated from `proto/link.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod link {
    include!(concat!(env!("OUT_DIR"), "/pointsman.link.v1.rs"));

    impl std::fmt::Debug for Credential {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Self { reference, version, secret: _ } = self;
            f.debug_struct("Credential")
                .field("reference", reference)
                .field("version", version)
                .finish_non_exhaustive()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::link::{ConfigUpdate, Credential};

    #[test]
    fn an_update_that_is_printed_shows_no_key() {
        let secret = b"sk-verysecret".to_vec();
        let bytes = format!("{secret:?}");
        let credential =
            Credential { reference: "shop/openai#apiKey".to_owned(), secret, ..Default::default() };
        let printed = format!("{:?}", ConfigUpdate { credentials: vec![credential], ..Default::default() });
        assert!(printed.contains("shop/openai#apiKey") && !printed.contains(&bytes), "{printed}");
    }
}
