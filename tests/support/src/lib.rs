//! What do the tests that drive Pointsman from outside have in common?
//!
//! A real Kubernetes API server ([`control_plane`]), started programs ([`process`]), a provider of language models that
//! misbehaves on demand and keeps its own books ([`provider`]), certificates, and waiting for conditions ([`wait_for`]).
//! Nothing here knows how Pointsman works inside: it imports none of our crates, so that no mistake of theirs can hide.

pub mod certificates;
pub mod control_plane;
pub mod http;
mod port;
pub mod process;
pub mod provider;
mod skip;
mod wait;
mod watchdog;

pub use port::free_port;
pub use skip::{Skipped, skip};
pub use wait::{LONG, wait_for};
