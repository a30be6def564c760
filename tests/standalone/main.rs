//! Does `pointsman run` do on one machine what it promises, from outside?
//!
//! Every test starts the built program on free loopback ports, with a state folder of its own and an empty environment;
//! the provider behind it misbehaves on demand and keeps its own books. Build the program first:
//! `cargo build --workspace --bins`.

mod bad_input;
mod books;
mod budget;
mod check;
mod client;
mod crash;
mod environment;
mod explain;
mod gateway;
mod learning;
mod probe;
mod program;
mod reload;
mod routing_models;
mod rules;
mod stop;
mod tiers;
mod world;
