//! The OpenAI chat completions format, as OpenAI and the many compatible servers speak it.

pub mod error;
pub mod models;
pub mod request;
pub mod response;
pub mod stream;
pub mod usage;
