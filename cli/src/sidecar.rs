//! `pointsman sidecar run`: the data plane of one pod.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use pointsman_sidecar::link::LinkConfig;
use pointsman_sidecar::{Config, Sidecar};

use crate::args::SidecarRun;
use crate::{routing, run, stop};

/// Serves until a signal to stop.
pub(crate) fn run(args: SidecarRun) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = Sidecar::start(Config {
            data: loopbacks(args.listen_port),
            admin: Some(
                args.admin_listen.unwrap_or_else(|| SocketAddr::new(every_address(), args.admin_port)),
            ),
            admin_on_data: false,
            state: Some(args.state_dir),
            keys: args.keys_dir,
            routing_model: routing::shipped(),
            models: args.models_dir,
            link: Some(LinkConfig {
                address: format!("https://{}", args.operator),
                token_file: Some(args.token_file),
                ca_file: Some(args.ca_file),
                server_name: None,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            ..Config::default()
        })
        .context("failed to start the data plane")?;
        if let Some(file) = &args.process.ready_file {
            run::write_ready_file(file, &handle).await?;
        }
        tracing::info!(data = ?handle.data_addrs(), admin = ?handle.admin_addr(), "listening");
        stop::requested().await?;
        handle.shutdown(args.process.drain_timeout).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Both loopback addresses. Where the machine has no IPv6, or any port is wanted, IPv4 alone.
fn loopbacks(port: u16) -> Vec<SocketAddr> {
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    if port == 0 || !has_v6() { vec![v4] } else { vec![v4, v6] }
}

/// Every address of the pod, of both families where there are two.
fn every_address() -> IpAddr {
    if has_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn has_v6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
