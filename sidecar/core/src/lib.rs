//! Decide and account, pure: which model answers a call, in which order others stand by, and what it costs.
//!
//! ```text
//! Objects ─► Snapshot            Facts + View ─► admit ─► [score] ─► decide ─► { next ─► reserve ─► send } ─► settle
//! ```
//!
//! No I/O, no clock, no randomness: `now` and the random draws are handed in, so that every decision can be replayed.
//! What awaits (scoring, sending) stands between these calls; nothing is decided twice. Logs, headers, `explain` and
//! tests all read the one [`decide::Decision`].

pub mod account;
pub mod decide;
pub mod dual;
pub mod explain;
pub mod facts;
pub mod failover;
pub mod guard;
pub mod health;
pub mod lengths;
pub mod measured;
pub mod overrides;
pub mod pace;
mod pii;
pub mod savings;
pub mod shadow;
pub mod snapshot;
pub mod time;
