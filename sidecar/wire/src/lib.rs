//! What the bytes of a provider's API say, and how to change them without rewriting them.
//!
//! ```text
//! request body ──► openai::request ──► facts for the decision ──► splice ──► request body upstream
//! response body ─► openai::response ─► usage, model, finish     ──► splice ─► response body downstream
//! SSE chunks ────► openai::stream ───► the same, while they pass through
//! ```
//!
//! One folder per provider format. Bytes and typed values only: nothing here opens a socket, reads a clock or
//! waits. Bodies are read by one borrowed scan ([`json`]) and edited as splices ([`body::Spliced`]); they are never
//! parsed into a tree and never serialised again, so that what we do not act on passes through byte for byte.

pub mod body;
pub mod estimate;
pub mod json;
pub mod openai;
