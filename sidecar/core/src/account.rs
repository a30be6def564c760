//! What a call may use and has used: rights held locally, reserved before dispatch, settled once.
//!
//! Rights are cumulative and granted ahead of use, never compared after the fact: an attempt is admitted only if
//! `settled + reserved + need <= granted` for every limit that counts it, so that spend never exceeds what was granted,
//! whatever crashes.

mod limit;
mod reservation;

pub use limit::{LimitLive, LimitTerms};
pub use reservation::{Charge, Lost, Reservation, Settlement, reserve, settle};
