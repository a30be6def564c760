//! The `pointsman` program.
fn main() {}
