//! A port for a program that has to be told one.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

use anyhow::Context;

/// Below those that the kernel gives to connections and to whoever asks for any port: one of these could be taken between
/// now and the program's start.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A port of 127.0.0.1 where nobody listens now, and where nobody will by chance.
pub fn free_port() -> anyhow::Result<u16> {
    let drawn = || PORTS.start + (RandomState::new().hash_one(()) % PORTS.len() as u64) as u16;
    let mut drawn = std::iter::repeat_with(drawn).take(100);
    drawn.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("a hundred ports are taken")
}
