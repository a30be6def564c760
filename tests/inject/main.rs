//! Do pods get their sidecars, and nobody else what is the sidecars'? On a real API server.
#![allow(clippy::unwrap_used)]

mod certificates;
mod fixture;
mod generated;
mod golden;
mod keys;
mod patch;
mod policies;
#[expect(dead_code, reason = "the controller tests use more of it")]
#[path = "../controller/sidecar.rs"]
mod sidecar;
mod tokens;
mod webhook;
mod wiring;
