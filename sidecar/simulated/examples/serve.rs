//! Serves simulated providers on their own: `cargo run -p pointsman-simulated --example serve -- google.json together.json`
//!
//! Each file is a `SimulatedConfig` in JSON. Prints one line per provider, then serves until it is interrupted.
#![allow(clippy::print_stdout, reason = "a tool's data goes to stdout")]

use std::error::Error;

use pointsman_simulated::{Running, Simulated};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut running: Vec<Running> = Vec::new();
    for path in std::env::args().skip(1) {
        let provider = Simulated::start(serde_json::from_slice(&std::fs::read(path)?)?)?;
        println!("http://{}/v1 control {}", provider.addr, provider.control);
        running.push(provider);
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}
