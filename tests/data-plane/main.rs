//! The data plane against a provider that keeps its own books, over real sockets and without Kubernetes.

#![allow(clippy::unwrap_used)]

mod answers;
mod balancing;
mod budgets;
mod choices;
mod client;
mod configuration;
mod errors;
mod failover;
mod feedback;
mod guard;
mod refusals;
mod scoring;
mod spending;
mod store;
mod streams;
mod world;
