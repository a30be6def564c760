//! Fits routing models to outcomes, and judges them.
//!
//! ```text
//! lines of outcomes ─► Source { prompts, quality, cost } ─► features ─► reduced-rank ridge ─► folder { manifest, weights }
//!                                              └► folds ─► curves of quality against spend
//! rated calls ─► what the scorer saw of each, and one answer's quality ─► reduced-rank ridge ─► folder
//! ```
//!
//! Pure: bytes in, bytes out. The same outcomes always give the same folder.

pub mod axes;
pub mod curve;
pub mod features;
pub mod fit;
pub mod folder;
pub mod kinds;
pub mod lengths;
pub mod outcomes;
pub mod plot;
pub mod quality;
pub mod records;
pub mod sets;
pub mod solve;
pub mod split;
pub mod train;
pub mod validate;
