//! Does the operator do on a real API server what its pure parts promise?
#![allow(clippy::unwrap_used)]

mod fixture;
mod objects;
mod restart;
mod secrets;
mod sidecar;
mod streams;
mod usage;
