//! The data plane against a provider that keeps its own books, over real sockets and without Kubernetes.

mod answers;
mod client;
mod store;
mod world;
