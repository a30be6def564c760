//! The control plane: gather, validate, plan, apply, status.
//!
//! ```text
//! gather ──► COMPILE ──► publish ──► serve: Config stream ──► sidecars
//!                           │                                    │
//!                           ▼                                    ▼
//!            report ◄── STATUS ◄── ACCOUNTS, LINKS ◄── serve: acks, Ledger stream
//!
//! API server ──► inject: PLAN ──► pods with a sidecar          trust: who we are, and who may know
//! ```
//!
//! Capitals are pure: [`compile`], [`accounts`], [`links`] and [`status`] see no client and no clock; [`compile`] also
//! serves the command line, which compiles a folder instead of a cluster. [`OperatorConfig::start`] is the one entry.

pub mod accounts;
mod admin;
pub mod compile;
mod gather;
pub mod inject;
mod inquiries;
mod leader;
mod ledger_store;
pub mod links;
mod metrics;
mod operator;
mod plans;
mod publish;
mod report;
mod serve;
mod shared;
pub mod status;
mod trust;

pub use operator::{Operator, OperatorConfig, OperatorError, Pace, run};
pub use trust::TrustError;

/// Who wrote: the field manager of every write, and the controller of every Event.
pub const FIELD_MANAGER: &str = "pointsman";
