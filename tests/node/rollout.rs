//! A rolling update under load.

use std::process::Stdio;

use pointsman_test_support::wait_for;

use crate::node::{PATIENT, node};
use crate::stage::{Stage, deployment};

/// Streams one answer after the other; asked to end, it finishes the one that it is in. A whole answer has a finish
/// reason and, as usage was asked for, a count of tokens.
const STREAM: &str = "
import signal
from openai import OpenAI
ending = False
def end(*_):
    global ending
    ending = True
signal.signal(signal.SIGTERM, end)
client = OpenAI(max_retries=0)
whole = lost = 0
print('started', flush=True)
while not ending:
    finish = usage = None
    try:
        chunks = client.chat.completions.create(model='auto', max_tokens=120, stream=True,
            stream_options={'include_usage': True}, messages=[{'role': 'user', 'content': 'tell me more'}])
        for chunk in chunks:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
    except Exception as error:
        print('error', error, flush=True)
    if finish and usage:
        whole += 1
    else:
        lost += 1
print(f'ended with {whole} whole and {lost} lost', flush=True)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_under_streaming_load_loses_no_answer() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "rollout").await?;
    stage.apply(&deployment("stream", 3, STREAM)).await?;
    stage.kubectl(&["rollout", "status", "deployment/stream", "--timeout=180s"]).await?;
    let names = stage.kubectl(&["get", "pods", "-l", "app=stream", "-o", "name"]).await?;
    let old: Vec<&str> = names.lines().collect();
    assert_eq!(old.len(), 3, "{names}");

    // Followed from before the end: what a pod said is gone with it.
    let mut logs = Vec::new();
    for pod in &old {
        let mut command = node.kubectl_command(&["-n", &stage.name, "logs", "--follow", pod, "-c", "app"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        logs.push(command.spawn()?);
    }
    all_heed_the_end(&stage).await?;
    wait_for("something is billed", PATIENT, || async { Ok((stage.billed().await? > 0).then_some(())) })
        .await?;
    stage.kubectl(&["rollout", "restart", "deployment/stream"]).await?;
    stage.kubectl(&["rollout", "status", "deployment/stream", "--timeout=180s"]).await?;
    for (pod, log) in old.iter().zip(logs) {
        stage.kubectl(&["wait", "--for=delete", pod, "--timeout=120s"]).await?;
        let said = String::from_utf8(log.wait_with_output().await?.stdout)?;
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("ended with") && last.ends_with(" and 0 lost"), "{pod}:\n{said}");
        assert_ne!(last, "ended with 0 whole and 0 lost", "{pod} streamed at all");
        eprintln!("{pod} {last}");
    }
    all_heed_the_end(&stage).await?;
    stage.kubectl(&["scale", "deployment/stream", "--replicas=0"]).await?;
    stage.kubectl(&["wait", "--for=delete", "pod", "-l", "app=stream", "--timeout=120s"]).await?;
    stage.books_agree().await?;
    Ok(())
}

/// Waits until every pod's script would take a signal to end. Before, the first process of a container does not hear it, and
/// is killed in the middle of an answer when its time is up.
async fn all_heed_the_end(stage: &Stage<'_>) -> anyhow::Result<()> {
    let names = stage.kubectl(&["get", "pods", "-l", "app=stream", "-o", "name"]).await?;
    for pod in names.lines() {
        wait_for("the script has started", PATIENT, || async {
            let said = stage.kubectl(&["logs", pod, "-c", "app"]).await?;
            Ok(said.contains("started").then_some(()))
        })
        .await?;
    }
    Ok(())
}
