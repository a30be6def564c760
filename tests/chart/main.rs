//! The chart: what it renders, that it says the same as `operator/kustomize`, and that Kubernetes' own schemas take it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use pointsman_test_support::control_plane;
use serde_json::Value;

const NAMESPACE: &str = "pointsman-system";

#[test]
fn the_chart_lints() -> anyhow::Result<()> {
    let said = run(helm()?.args(["lint", "--strict", "operator/chart"]))?;
    assert!(said.contains("0 chart(s) failed"), "{said}");
    Ok(())
}

/// After a change that is meant: `POINTSMAN_WRITE_GOLDEN=1 cargo test -p pointsman-tests --test chart`, and read the diff.
#[test]
fn the_templates_render_as_recorded() -> anyhow::Result<()> {
    for (case, values) in [
        ("default", vec![]),
        (
            "available",
            vec![
                "replicas=3",
                "podMonitor.enabled=true",
                "certificateSecret=pointsman-certificate",
                "operator.allowPrivateEndpoints=true",
                "operator.logFormat=json",
                "priorityClassName=system-cluster-critical",
            ],
        ),
    ] {
        let mut sets = vec!["crds.install=false"];
        sets.extend(values);
        let rendered = template(NAMESPACE, &sets)?;
        let golden = checkout().join(format!("tests/chart/golden/{case}.yaml"));
        if std::env::var_os("POINTSMAN_WRITE_GOLDEN").is_some() {
            std::fs::write(&golden, &rendered)?;
        }
        let recorded = std::fs::read_to_string(&golden).with_context(|| golden.display().to_string())?;
        // Objects, not text: how a version of Helm separates documents is its own business.
        let (now, then) = (objects(&rendered)?, objects(&recorded)?);
        assert_eq!(now.iter().map(title).collect::<Vec<_>>(), then.iter().map(title).collect::<Vec<_>>());
        for (now, then) in now.iter().zip(&then) {
            assert_eq!(
                now,
                then,
                "{case}: {}; if that is meant, POINTSMAN_WRITE_GOLDEN=1 writes it",
                title(now)
            );
        }
    }
    Ok(())
}

#[test]
fn the_chart_with_its_defaults_and_kustomize_say_the_same() -> anyhow::Result<()> {
    let chart = objects(&template(NAMESPACE, &[])?)?;
    let kustomized = objects(&run(kubectl()?.args(["kustomize", "operator/kustomize"]))?)?;
    let names = |objects: &[Value]| objects.iter().map(title).collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&kustomized));
    for (ours, theirs) in chart.iter().zip(&kustomized) {
        assert_eq!(ours, theirs, "{}", title(ours));
    }
    assert!(chart.len() > 20);
    Ok(())
}

#[test]
fn another_namespace_is_meant_everywhere() -> anyhow::Result<()> {
    let rendered = template("elsewhere", &[])?;
    let left: Vec<&str> = rendered
        .lines()
        // A default that the schema documents, for all installations.
        .filter(|line| line.contains(NAMESPACE) && !line.trim_start().starts_with(['#', '*', '\'', '"']))
        .filter(|line| !line.contains("description:"))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    Ok(())
}

#[test]
fn two_replicas_fail_closed_and_one_fails_open() -> anyhow::Result<()> {
    for (replicas, policy, disruption) in [(1, "Ignore", false), (2, "Fail", true)] {
        let rendered = objects(&template(NAMESPACE, &[&format!("replicas={replicas}")])?)?;
        let webhook = rendered.iter().find(|o| o["kind"] == "MutatingWebhookConfiguration").unwrap();
        for entry in webhook["webhooks"].as_array().unwrap() {
            assert_eq!(entry["failurePolicy"], policy, "{replicas} replicas");
            assert!(entry["clientConfig"]["caBundle"].is_null(), "the operator owns the bundle");
        }
        assert_eq!(rendered.iter().any(|o| o["kind"] == "PodDisruptionBudget"), disruption);
    }
    Ok(())
}

/// A server that knows the real definitions says what it thinks of every object of other projects' kinds.
#[tokio::test]
async fn other_projects_own_definitions_take_what_is_rendered_for_them() -> anyhow::Result<()> {
    let control_plane = control_plane::start().await?;
    let folder = run(&mut Command::new("scripts/definitions.sh"))?;
    control_plane.apply_crds(Path::new(folder.trim())).await?;
    control_plane.create_namespace_named(NAMESPACE).await?;
    let mut taken = BTreeSet::new();
    for sets in [
        vec!["certManager.enabled=true", "podMonitor.enabled=true", "podMonitor.labels.release=prometheus"],
        vec![
            "certManager.enabled=true",
            "certManager.issuerRef.name=vault",
            "certManager.issuerRef.kind=ClusterIssuer",
        ],
    ] {
        let others = objects(&template(NAMESPACE, &sets)?)?.into_iter().filter(is_of_others);
        for object in others {
            let file = tempfile::NamedTempFile::new()?;
            std::fs::write(file.path(), object.to_string())?;
            let path = file.path().display().to_string();
            let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", &path];
            control_plane.run_kubectl(&apply).await.with_context(|| title(&object))?;
            taken.insert(title(&object));
        }
    }
    let expected = [
        "Certificate pointsman-system/pointsman",
        "Certificate pointsman-system/pointsman-authority",
        "Issuer pointsman-system/pointsman",
        "Issuer pointsman-system/pointsman-root",
        "PodMonitor pointsman-system/pointsman",
    ];
    assert_eq!(taken.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    Ok(())
}

fn is_of_others(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.starts_with("cert-manager.io/") || version.starts_with("monitoring.coreos.com/")
}

#[test]
fn cert_manager_fills_the_secret_that_the_operator_reads() -> anyhow::Result<()> {
    let rendered = objects(&template(NAMESPACE, &["certManager.enabled=true"])?)?;
    let one = |name: &str| rendered.iter().find(|object| title(object) == name).context(name.to_owned());
    let secret = &one("Certificate pointsman-system/pointsman")?["spec"]["secretName"];
    let pod = &one("Deployment pointsman-system/pointsman")?["spec"]["template"]["spec"];
    assert_eq!(&pod["volumes"][0]["secret"]["secretName"], secret);
    let arguments = pod["containers"][0]["args"].as_array().context("it has arguments")?;
    assert!(arguments.contains(&Value::from("--certificate-dir=/var/run/pointsman/certificate")));
    Ok(())
}

#[test]
fn the_api_servers_port_is_yours_to_name() -> anyhow::Result<()> {
    let rendered = objects(&template(NAMESPACE, &["networkPolicy.apiServerPorts={16443}"])?)?;
    let policy = rendered.iter().find(|o| o["kind"] == "NetworkPolicy").context("there is a policy")?;
    assert_eq!(policy["spec"]["egress"][1]["ports"], serde_json::json!([{"port": 16443, "protocol": "TCP"}]));
    Ok(())
}

#[test]
fn wrong_values_are_refused_by_name() -> anyhow::Result<()> {
    for (value, said) in [
        ("replica=2", "replica"),
        ("replicas=many", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.digest=latest", "digest"),
        ("operator.figuresInterval=often", "figuresInterval"),
        ("sidecar.limits.gpu=1", "gpu"),
        ("networkPolicy.apiServerPorts={https}", "apiServerPorts"),
        ("certManager.enabled=true,certificateSecret=mine", "certificateSecret"),
    ] {
        let refused = format!("{:#}", template(NAMESPACE, &[value]).unwrap_err());
        assert!(refused.contains(said), "{value}: {refused}");
    }
    Ok(())
}

#[test]
fn kubernetes_own_schemas_take_every_object() -> anyhow::Result<()> {
    let schemas = tempfile::tempdir()?;
    let openapi = tools("kubernetes")?.join("openapi.json");
    run(Command::new("python3").arg("scripts/schemas.py").arg(openapi).arg(schemas.path()))?;
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.path().display());
    // The definitions themselves are checked by a real API server, in tests/crd.
    for rendered in [
        template(NAMESPACE, &["crds.install=false"])?,
        template(NAMESPACE, &["crds.install=false", "replicas=3"])?,
        run(kubectl()?.args(["kustomize", "operator/kustomize"]))?,
        run(kubectl()?.args(["kustomize", "examples/shop"]))?,
    ] {
        let mut command = Command::new(tools("kubeconform")?.join("kubeconform"));
        command.args([
            "-strict",
            "-summary",
            "-skip",
            "CustomResourceDefinition,LLMProvider,RoutingPolicy,Budget",
        ]);
        let said = run_with(command.args(["-schema-location", &location]), &rendered)?;
        assert!(said.contains("Invalid: 0, Errors: 0"), "{said}");
        assert!(!said.contains("Valid: 0,"), "{said}");
    }
    Ok(())
}

/// Comparable objects, in order: without what marks a release, and without the namespace, which helm makes by itself.
fn objects(yaml: &str) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let mut object: Value = serde::Deserialize::deserialize(document)?;
        if object.is_null() || object["kind"] == "Namespace" {
            continue;
        }
        let metadata = object["metadata"].as_object_mut().context("an object has metadata")?;
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("helm.sh/resource-policy");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        objects.push(object);
    }
    objects.sort_by_key(title);
    Ok(objects)
}

fn title(object: &Value) -> String {
    let part = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {}/{}", part("/kind"), part("/metadata/namespace"), part("/metadata/name"))
}

fn template(namespace: &str, sets: &[&str]) -> anyhow::Result<String> {
    let mut command = helm()?;
    command.args(["template", "pointsman", "operator/chart", "--namespace", namespace]);
    for set in sets {
        command.args(["--set", set]);
    }
    run(&mut command)
}

fn helm() -> anyhow::Result<Command> {
    Ok(Command::new(tools("helm")?.join("helm")))
}

fn kubectl() -> anyhow::Result<Command> {
    Ok(Command::new(tools("kubernetes")?.join("kubectl")))
}

/// The folder of a tool; built once, in minutes, where it is missing.
fn tools(name: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(checkout().join("scripts/tools.sh"));
    let output = command.arg(name).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("scripts/tools.sh {name} failed ({}); what it said stands above", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    run_with(command, "")
}

fn run_with(command: &mut Command, input: &str) -> anyhow::Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), input)?;
    let output = command.current_dir(checkout()).stdin(file.reopen()?).output()?;
    let (said, told) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    if !output.status.success() {
        bail!("{command:?} failed:\n{said}{told}");
    }
    Ok(said)
}
