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
pub mod usage;
pub mod window;

/// The messages of both streams between operator and sidecar, generated from `proto/link.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod link {
    include!(concat!(env!("OUT_DIR"), "/pointsman.link.v1.rs"));
}
