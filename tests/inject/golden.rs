//! Ninety pods and what becomes of each, committed side by side; `UPDATE_GOLDEN=1` writes the second half.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixture::shared;
use crate::patch::{apply, contains, planned};

struct Golden {
    name: String,
    path: PathBuf,
    /// The workload's text, and what stands behind it.
    text: String,
    workload: Value,
    outcome: Value,
}

fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inject/golden");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> Golden {
    let text = std::fs::read_to_string(&path).unwrap();
    let mut documents = serde_yaml::Deserializer::from_str(&text).map(|document| {
        Value::deserialize(document).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    });
    let (workload, outcome) = (documents.next().unwrap(), documents.next().unwrap_or_default());
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Golden {
        name,
        text: text.split("\n---\n").next().unwrap().trim_end().to_owned(),
        path,
        workload,
        outcome,
    }
}

/// The pod that a workload's controller would create.
fn pod_of(workload: &Value) -> Value {
    let template = match workload["kind"].as_str().unwrap() {
        "Pod" => return workload.clone(),
        "CronJob" => &workload["spec"]["jobTemplate"]["spec"]["template"],
        _ => &workload["spec"]["template"],
    };
    let mut pod = template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["generateName"] = json!(format!("{}-", workload["metadata"]["name"].as_str().unwrap()));
    pod
}

fn outcome(pod: &Value) -> Value {
    match planned(pod) {
        Ok(patch) if patch.is_empty() => json!({"unchanged": true}),
        Ok(patch) => json!({"patch": patch}),
        Err(refusal) => json!({"refused": refusal.to_string()}),
    }
}

#[test]
fn every_pod_becomes_what_stands_beside_it() {
    let all = goldens();
    assert!(all.len() >= 60, "only {} pods", all.len());
    let mut wrong = Vec::new();
    for golden in all {
        let outcome = outcome(&pod_of(&golden.workload));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let rendered = serde_yaml::to_string(&outcome).unwrap();
            std::fs::write(&golden.path, format!("{}\n---\n{rendered}", golden.text)).unwrap();
        } else if outcome != golden.outcome {
            wrong.push(format!("{}: {outcome}", golden.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_second_pass_adds_nothing_and_nothing_that_was_written_is_lost() {
    for golden in goldens() {
        let pod = pod_of(&golden.workload);
        let Ok(patch) = planned(&pod) else { continue };
        let patched = apply(&pod, &patch);
        assert!(contains(&patched, &pod), "{}", golden.name);
        assert_eq!(planned(&patched), Ok(Vec::new()), "{}", golden.name);
    }
}

#[tokio::test]
async fn the_api_server_takes_every_patched_pod_that_it_took_before() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("golden").await?;
    let strict = &shared.control_plane.create_namespace("golden-strict").await?;
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    shared.control_plane.run_kubectl(&["label", "namespace", strict, restricted]).await?;
    let (mut taken, mut untaken) = (0, Vec::new());
    for golden in goldens() {
        let pod = pod_of(&golden.workload);
        let Ok(patch) = planned(&pod) else { continue };
        let namespaces = [Some(namespace), golden.name.starts_with("restricted").then_some(strict)];
        for namespace in namespaces.into_iter().flatten() {
            let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
            if dry_run(&api, namespace, &pod).await.is_err() {
                untaken.push(golden.name.clone());
                continue;
            }
            let patched = dry_run(&api, namespace, &apply(&pod, &patch)).await;
            patched.unwrap_or_else(|error| panic!("{}: {error}", golden.name));
            taken += 1;
        }
    }
    // Only those of which the API server says that nobody may create them so.
    assert_eq!(untaken, ["by-hand", "ephemeral"], "{taken} were taken");
    Ok(())
}

pub(crate) async fn dry_run(api: &Api<Pod>, namespace: &str, pod: &Value) -> Result<Pod, kube::Error> {
    let mut pod = pod.clone();
    pod["metadata"]["namespace"] = json!(namespace);
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await
}
