//! Who calls, and what do they want?
//!
//! HTTP/1.1 on loopback. Paths, methods and bodies are judged here; what a call means is for `forward`. One place,
//! [`render`], turns every error into a status and a body in the caller's dialect.

pub(crate) mod accept;
pub(crate) mod admin;
mod calls;
pub(crate) mod drain;
pub(crate) mod error;
mod feedback;
pub(crate) mod intake;
mod models;
pub(crate) mod patience;
pub(crate) mod render;
mod route;
mod scorer;
pub(crate) mod service;
