//! What stands at the far end of a call when no real provider shall be asked?
//!
//! A simulated LLM provider: a real HTTP/1.1 server on a loopback socket that speaks the OpenAI chat dialect, answers
//! with the lengths, speeds and prices it was given, replays recorded outcomes (right or wrong) where it has a file of
//! them, fails and goes dark on request, and keeps **its own books** by its own arithmetic, so that whoever accounts
//! for its calls can be checked against somebody else's figures.
//!
//! It deliberately knows nothing of Pointsman: no shared types, no shared arithmetic. Its answers are filler text that
//! ends in `(graded right)` or `(graded wrong)` where the outcome is recorded; an answer cut by a token limit loses
//! that ending, which is how a caller sees that it never got to the point.
//!
//! ```text
//!  data address     POST /v1/chat/completions   GET /v1/models   (refuses connections while Dark)
//!  both addresses   GET /_simulated   GET /_simulated/books   PUT /_simulated/availability   PUT /_simulated/keys
//! ```
//! The control address is a second socket because the first one really stops listening while the provider is dark.

mod answer;
mod availability;
mod books;
mod config;
mod dialect;
mod keys;
mod outcomes;
mod router;
mod server;
mod stream;

pub use availability::{Availability, InFlight};
pub use books::{BooksReport, CallEnd, CallRow, Totals};
pub use config::{ConfigError, Failures, SimulatedConfig, SimulatedModel};
pub use outcomes::{OutcomeError, Outcomes, RecordedAnswer, RecordedPrompt};
pub use server::{Running, Simulated};
