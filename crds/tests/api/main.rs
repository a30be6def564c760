//! What the generated API promises, without an API server.
#![allow(clippy::unwrap_used)]

mod conventions;
mod freshness;
mod round_trip;
mod walk;
