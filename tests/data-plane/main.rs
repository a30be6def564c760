//! The data plane against a provider that keeps its own books, over real sockets and without Kubernetes.

mod answers;
mod budgets;
mod client;
mod configuration;
mod errors;
mod failover;
mod refusals;
mod store;
mod streams;
mod world;
