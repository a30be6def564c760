//! A running `pointsman run`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::Context;
use pointsman_test_support::process::{Process, Signal};
use pointsman_test_support::{LONG, wait_for};
use serde_json::Value;

use crate::client::{Client, nano};
use crate::program;
use crate::world::World;

/// The program, serving a folder.
pub(crate) struct Gateway {
    process: Process,
    pub(crate) client: Client,
}

/// What the metrics say of a limit, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Spent in this window, by this process and those before it; what was burned counts as spent.
    pub(crate) spent: u64,
    /// Lost by crashes.
    pub(crate) burned: u64,
}

impl Gateway {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(world: &World) -> anyhow::Result<Self> {
        let manifests = world.manifests();
        Self::start_with(world, Some(&manifests), &[], &[]).await
    }

    /// The same with further arguments and variables, and with or without a folder.
    pub(crate) async fn start_with(
        world: &World,
        folder: Option<&Path>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut started = Self::launch(world, folder, arguments, variables)?;
        let ready = ready_file(world);
        let ready = wait_for("pointsman is ready", LONG, || {
            let ended = started.exit_status();
            let read = std::fs::read(&ready).ok();
            // An end is an answer too: nobody waits for what has ended.
            async move { Ok(read.map(Ok).or(ended?.map(Err))) }
        });
        let ready = ready.await.with_context(|| started.output())?;
        let ready =
            ready.map_err(|status| anyhow::anyhow!("it ended ({status}); it said:\n{}", started.output()));
        let address = address(&ready?)?;
        Ok(Self { process: started, client: Client(address) })
    }

    /// Starts it and does not wait.
    pub(crate) fn launch(
        world: &World,
        folder: Option<&Path>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Process> {
        let ready = ready_file(world);
        let _ = std::fs::remove_file(&ready);
        let mut command = program::command(variables)?;
        command.arg("run").args(folder).args(["--listen", "127.0.0.1:0"]);
        command.arg("--state-dir").arg(world.path().join("state"));
        command.arg("--ready-file").arg(&ready).args(arguments);
        Process::start(&mut command)
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    pub(crate) async fn wait_for_line(&self, needle: &str) -> anyhow::Result<String> {
        self.process.wait_for_line(needle, LONG).await
    }

    /// Sends SIGTERM and does not wait.
    pub(crate) fn ask_to_stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::TERM)
    }

    pub(crate) async fn wait_for_exit(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.wait_for_exit(LONG).await
    }

    /// Ends it in order, which must go well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.stop(LONG).await?;
        anyhow::ensure!(status.success(), "{status}; it said:\n{}", self.output());
        Ok(())
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().map(drop)
    }

    pub(crate) async fn call_record(&self, id: &str) -> anyhow::Result<Value> {
        let answer = self.client.get(&format!("/v1/calls/{id}")).await?;
        anyhow::ensure!(answer.status == 200, "{}", answer.text());
        answer.json()
    }

    /// Every sample of a metric whose labels contain `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> anyhow::Result<Vec<String>> {
        let text = self.client.get("/metrics").await?.text();
        let samples = text.lines().filter_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
            labels.contains(label).then(|| value.to_owned())
        });
        Ok(samples.collect())
    }

    /// What the calls of this process have cost, in nano-USD.
    pub(crate) async fn cost_nano(&self) -> anyhow::Result<u64> {
        self.metric("pointsman_cost_usd_total", "").await?.iter().map(|usd| nano(usd)).sum()
    }

    /// The limit of the budget `shop/cap`.
    pub(crate) async fn ledger(&self) -> anyhow::Result<Ledger> {
        let one = async |name| {
            let samples = self.metric(name, "budget=\"shop/cap\"").await?;
            anyhow::ensure!(samples.len() == 1, "{name} has {} samples for shop/cap", samples.len());
            Ok(samples[0].parse::<u64>()?)
        };
        Ok(Ledger {
            spent: one("pointsman_budget_spent").await?,
            burned: one("pointsman_budget_burned").await?,
        })
    }
}

fn ready_file(world: &World) -> PathBuf {
    world.path().join("ready.json")
}

fn address(ready: &[u8]) -> anyhow::Result<SocketAddr> {
    let ready: Value = serde_json::from_slice(ready)?;
    let data = ready.pointer("/data/0").and_then(Value::as_str).context("the ready file names no address")?;
    Ok(data.trim_start_matches("http://").parse()?)
}
