//! The sidecar in the life of a pod: Jobs, init containers, and its own death.

use anyhow::Context;
use jiff::Timestamp;
use pointsman_test_support::wait_for;
use serde_json::{Value, json};

use crate::node::{PATIENT, node};
use crate::stage::{Stage, container};

const ASK_ONCE: &str = "
from openai import OpenAI
answer = OpenAI().chat.completions.create(model='auto', max_tokens=50, messages=[{'role': 'user', 'content': 'hello'}])
print('answered by', answer.model)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_calls_a_model_ends_within_five_seconds_of_its_main_container() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "job").await?;
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "digest"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container("app", ASK_ONCE)]}}},
    });
    stage.apply(&job.to_string()).await?;
    stage.kubectl(&["wait", "--for=condition=Complete", "job/digest", "--timeout=180s"]).await?;
    let log = stage.kubectl(&["logs", "job/digest", "-c", "app"]).await?;
    assert!(log.contains("answered by gpt-"), "{log}");

    let pods: Value =
        serde_json::from_str(&stage.kubectl(&["get", "pods", "-l", "job-name=digest", "-o", "json"]).await?)?;
    let status = &pods["items"][0]["status"];
    let main = finished(&status["containerStatuses"], "app")?;
    let sidecar = finished(&status["initContainerStatuses"], "pointsman")?;
    let after = sidecar.duration_since(main).as_secs();
    assert!((0..=5).contains(&after), "the sidecar ended {after} s after the main container");
    let completed: Timestamp = stage.value("job/digest", "{.status.completionTime}").await?.parse()?;
    let after = completed.duration_since(main).as_secs();
    assert!((0..=5).contains(&after), "the Job ended {after} s after its main container");
    stage.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_container_can_call_a_model() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "init").await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "warm"},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [container("ask", ASK_ONCE)],
            "containers": [container("app", "print('main')")],
        },
    });
    stage.apply(&pod.to_string()).await?;
    let succeeded = "--for=jsonpath={.status.phase}=Succeeded";
    stage.kubectl(&["wait", succeeded, "pod/warm", "--timeout=180s"]).await?;
    let log = stage.kubectl(&["logs", "pod/warm", "-c", "ask"]).await?;
    assert!(log.contains("answered by gpt-"), "{log}");
    stage.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pod_of_a_mesh_the_sidecar_asks_itself_whether_it_is_ready() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "mesh").await?;
    // By its name it is a mesh's proxy; what it does is of no matter here.
    let mut proxy = container("istio-proxy", "import signal; signal.pause()");
    proxy["restartPolicy"] = json!("Always");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "meshed"},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
            "initContainers": [proxy],
            "containers": [container("app", ASK_ONCE)],
        },
    });
    stage.apply(&pod.to_string()).await?;
    let command = stage.value("pod/meshed", "{.spec.initContainers[1].startupProbe.exec.command[2]}").await?;
    assert_eq!(command, "ready");
    stage
        .kubectl(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/meshed", "--timeout=180s"])
        .await?;
    let log = stage.kubectl(&["logs", "pod/meshed", "-c", "app"]).await?;
    assert!(log.contains("answered by gpt-"), "{log}");
    stage.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_is_killed_comes_back_and_serves_without_the_operator() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "killed").await?;
    stage.only("gpt-5-nano").await?;
    stage.app("app").await?;
    let model = stage.ask("app", "auto").await?;
    node.operator_away().await?;

    let pod = format!("pod/{}", stage.pod("app").await?);
    let status = "{.status.initContainerStatuses[?(@.name=='pointsman')]";
    let id = stage.value(&pod, &format!("{status}.containerID}}")).await?;
    node.kill_container(&id).await?;
    // The stock client tries again by itself, which bridges the second that the container takes to start.
    let next = stage.ask_as_usual("app", "auto").await?;
    assert_eq!(next, model, "the next call is answered as before");
    wait_for("the sidecar is back and ready", PATIENT, || async {
        let count = stage.value(&pod, &format!("{status}.restartCount}}")).await?;
        let ready = stage.value(&pod, &format!("{status}.ready}}")).await?;
        Ok((count == "1" && ready == "true").then_some(()))
    })
    .await?;
    assert_eq!(stage.ask("app", "auto").await?, model);
    let others = stage.value(&pod, "{.status.containerStatuses[0].restartCount}").await?;
    assert_eq!(others, "0", "the application's container was left alone");

    node.operator_back().await?;
    stage.books_agree().await?;
    Ok(())
}

/// When a container ended.
fn finished(statuses: &Value, name: &str) -> anyhow::Result<Timestamp> {
    let of_name = statuses.as_array().into_iter().flatten().find(|status| status["name"] == name);
    let ended = of_name.and_then(|status| status["state"]["terminated"]["finishedAt"].as_str());
    Ok(ended.with_context(|| format!("{name} has ended: {statuses}"))?.parse()?)
}
