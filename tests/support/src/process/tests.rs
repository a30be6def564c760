#![allow(clippy::unwrap_used)]
use super::*;
use crate::LONG;

fn shell(script: &str) -> Process {
    Process::start(Command::new("/bin/sh").args(["-c", script])).unwrap()
}

fn is_alive(pid: i32) -> bool {
    // A zombie still answers to a signal, so ask for its state.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state
        .rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

async fn wait_until_gone(pid: i32) {
    wait_for("the process is gone", LONG, || async move { Ok((!is_alive(pid)).then_some(())) })
        .await
        .unwrap();
}

#[tokio::test]
async fn hears_both_streams_and_finds_urls() {
    let process = shell("echo ready on http://127.0.0.1:7171/v1, and more; echo trouble >&2; sleep 1000");
    assert_eq!(process.wait_for_url("ready", LONG).await.unwrap(), "http://127.0.0.1:7171/v1");
    assert_eq!(process.wait_for_line("trouble", LONG).await.unwrap(), "trouble");
}

#[tokio::test]
async fn tells_what_a_process_said_that_ended_early() {
    let error = shell("echo port is taken; exit 3").wait_for_line("ready", LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "sh ended without saying \"ready\"; it said:\nport is taken");
}

#[tokio::test]
async fn stops_with_sigterm_and_gives_the_status() {
    let mut process = shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done");
    process.wait_for_line("up", LONG).await.unwrap();
    assert_eq!(process.stop(LONG).await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn drop_ends_the_children_too() {
    let process = shell("sleep 1000 & echo child $!; wait");
    let line = process.wait_for_line("child", LONG).await.unwrap();
    let child: i32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(is_alive(child));
    drop(process);
    wait_until_gone(child).await;
}

/// The test binary starts itself as the process that is going to be killed.
#[tokio::test]
async fn children_die_when_the_test_process_is_killed() {
    const INNER: &str = "POINTSMAN_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let child = shell("exec sleep 1000");
        eprintln!("child {}", child.pid());
        std::future::pending::<()>().await;
    }
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "process::tests::children_die_when_the_test_process_is_killed", "--nocapture"]);
    let mut inner = Process::start(inner.env(INNER, "1")).unwrap();
    let line = inner.wait_for_line("child ", LONG).await.unwrap();
    let child: i32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(is_alive(child));
    // The child leads a group of its own: killing the inner test does not reach it, its watchdog does.
    inner.kill().unwrap();
    wait_until_gone(child).await;
}
