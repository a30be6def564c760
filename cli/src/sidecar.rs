//! `pointsman sidecar run`: the data plane of one pod. `ready`: whether it is.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use pointsman_sidecar::link::LinkConfig;
use pointsman_sidecar::{Config, Sidecar};

use crate::args::{SidecarReady, SidecarRun};
use crate::calls::{Calls, OF_A_POD_AT_MOST};
use crate::{routing, run, stop};

/// An answer is a word.
const MOST_BYTES: u64 = 4096;
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Serves until a signal to stop.
pub(crate) fn run(args: SidecarRun) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = Sidecar::start(Config {
            data: loopbacks(args.listen_port, has_v6()),
            admin: Some(
                args.admin_listen.unwrap_or_else(|| SocketAddr::new(every_address(), args.admin_port)),
            ),
            admin_on_data: false,
            state: Some(args.state_dir.clone()),
            learned: Some(args.state_dir.clone()),
            calls: Calls::open_or_go_without(&args.state_dir, OF_A_POD_AT_MOST),
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

/// Asks `/readyz` on loopback, which no mesh takes over; no proxy of the environment is heard.
pub(crate) fn ready(args: &SidecarReady) -> anyhow::Result<ExitCode> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.admin_port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)
        .with_context(|| format!("no sidecar listens on {address}"))?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    let ask = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    // In one piece, and told as our own words: a pipe that broke here must not pass for a reader who has seen enough.
    let heard =
        stream.write_all(ask.as_bytes()).and_then(|()| stream.take(MOST_BYTES).read_to_string(&mut answer));
    heard.map_err(|error| anyhow::anyhow!("not ready: the sidecar does not answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    anyhow::ensure!(head.starts_with("HTTP/1.1 200 "), "not ready: {}", body.trim());
    Ok(ExitCode::SUCCESS)
}

/// Both loopback addresses. Where the machine has no IPv6, or any port is wanted, IPv4 alone.
fn loopbacks(port: u16, has_v6: bool) -> Vec<SocketAddr> {
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    if port == 0 || !has_v6 { vec![v4] } else { vec![v4, v6] }
}

/// Every address of the pod, of both families where there are two.
fn every_address() -> IpAddr {
    if has_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn has_v6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_served_on_every_loopback_address_that_the_machine_has() {
        let v6 = if has_v6() { &[false, true][..] } else { &[false] };
        for with_v6 in v6 {
            let data = loopbacks(free_port(), *with_v6);
            assert_eq!(data.len(), 1 + usize::from(*with_v6));
            let handle = Sidecar::start(Config { data: data.clone(), ..Config::default() }).unwrap();
            assert_eq!(handle.data_addrs(), data);
            for address in data {
                assert!(TcpStream::connect(address).is_ok(), "{address}");
            }
        }
    }

    #[test]
    fn any_port_is_one_port_and_so_one_address() {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        assert_eq!([loopbacks(0, true), loopbacks(0, false)], [vec![v4], vec![v4]]);
    }

    /// A port that is free on both addresses.
    fn free_port() -> u16 {
        let of_both = || {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = v4.local_addr().unwrap().port();
            (!has_v6() || TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok()).then_some(port)
        };
        std::iter::repeat_with(of_both).take(100).flatten().next().unwrap()
    }
}
