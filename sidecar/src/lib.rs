//! The data plane: listen, decide, forward, account.
//!
//! ```text
//!  data thread      listen ─► PARSE ─► DECIDE ─► forward ─► settle          one current-thread runtime, no locks to wait for
//!                      ▲ plane (swapped whole)      │ counters, rights (atomics)
//!  control thread   objects ─► check ─► Snapshot ─► plane   rights store   link to the operator   /metrics   reports
//! ```
//! [`Sidecar::start`] starts both threads; the [`Handle`] configures and ends them. Decisions are made by
//! `pointsman-core`, formats are read by `pointsman-wire`; here are sockets, timers and tasks.

mod body;
mod chance;
mod clock;
mod config;
mod control;
mod data;
mod deadline;
mod feedback;
mod forward;
mod handle;
mod keys;
mod learned;
pub mod link;
mod listen;
mod pacing;
mod plane;
mod pool;
mod records;
mod request_id;
mod rights;
mod scoring;
mod secret;
mod shared;
mod simulated;
mod state;
mod telemetry;
mod usage;

pub use config::Config;
pub use control::{Applied, Update};
pub use feedback::{CallRow, CallStore};
pub use handle::{Handle, Sidecar, StartError};
pub use pool::TlsError;
pub use rights::{LimitReport, OpenedWindow, RightsStore, StoreError};
pub use secret::{Credential, Secret};
pub use simulated::SimulatedAddress;
pub use usage::Totals;
