//! The control plane: gather, validate, plan, apply, status.
//!
//! [`compile`] is pure and also serves the command line, which compiles a folder instead of a cluster.

pub mod accounts;
pub mod compile;
pub mod links;
pub mod status;
