//! Labels ask, the webhook adds, and whoever is left without a sidecar is told why.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};
use pointsman_operator::OperatorConfig;
use pointsman_test_support::{LONG, free_port, wait_for};
use serde_json::{Value, json};

use crate::fixture::{
    INJECT, ROOT, cluster, config, create, event, has_sidecar, install_webhook, plain, shared,
    until_injecting,
};
use crate::patch::{IMAGE, contains};

fn labelled(label: Option<&str>) -> Value {
    let labels = label.map_or(json!({}), |value| json!({"pointsman.dev/inject": value}));
    json!({"metadata": {"generateName": "bot-", "labels": labels}, "spec": plain()})
}

#[tokio::test]
async fn a_label_on_the_namespace_or_the_pod_is_all_it_takes() -> anyhow::Result<()> {
    let shared = shared().await?;
    for (namespace_label, pod_label, expected) in [
        (None, None, false),
        (None, Some("enabled"), true),
        (Some("enabled"), None, true),
        (Some("enabled"), Some("enabled"), true),
        (Some("enabled"), Some("disabled"), false),
        (Some("disabled"), Some("enabled"), false),
    ] {
        let namespace = shared.control_plane.create_namespace("labels").await?;
        if let Some(value) = namespace_label {
            let label = format!("pointsman.dev/inject={value}");
            shared.control_plane.run_kubectl(&["label", "namespace", &namespace, &label]).await?;
        }
        let api: Api<Pod> = Api::namespaced(shared.client.clone(), &namespace);
        let pod = labelled(pod_label);
        // The API server's view of namespaces may be behind for a moment.
        wait_for(&format!("{namespace_label:?} and {pod_label:?} give {expected}"), LONG, || async {
            let created = create(&api, &pod, false).await?;
            Ok((has_sidecar(&created) == expected).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Were a cluster's own pods to need our webhook, a broken webhook could keep the cluster from mending itself.
#[tokio::test]
async fn pods_of_the_cluster_and_of_the_operator_are_never_touched_whatever_their_labels()
-> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let operator = config(&control_plane, "operator-0").await?.start().await?;
    let webhook = operator.webhook_address.context("it injects")?;
    install_webhook(&control_plane, webhook, "Fail").await?;
    let exempt = ["kube-system", "kube-public", "kube-node-lease", ROOT];
    for namespace in exempt {
        control_plane.run_kubectl(&["label", "namespace", namespace, INJECT]).await?;
        if namespace != ROOT {
            control_plane.run_kubectl(&["create", "serviceaccount", "default", "-n", namespace]).await?;
        }
    }
    until_injecting(&control_plane).await?;
    for namespace in exempt {
        let api: Api<Pod> = Api::namespaced(control_plane.new_client().await?, namespace);
        for label in [None, Some("enabled")] {
            let created = create(&api, &labelled(label), true).await?;
            assert!(!has_sidecar(&created), "{namespace}, {label:?}");
        }
    }
    operator.stop().await?;
    Ok(())
}

/// Whoever waits for the operator, as `helm install --wait` does, need not wait for more.
#[tokio::test]
async fn once_the_operator_is_ready_the_next_pod_is_injected() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let free = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    install_webhook(&control_plane, free, "Ignore").await?;
    let namespace = control_plane.create_namespace("soon").await?;
    let api: Api<Pod> = Api::namespaced(control_plane.new_client().await?, &namespace);
    let config = OperatorConfig { webhook_listen: free, ..config(&control_plane, "operator-0").await? };
    let operator = config.start().await?;
    let ready = format!("http://{}/readyz", operator.admin_address);
    wait_for("the operator is ready", LONG, || async {
        let request = http::Request::get(&ready).body(String::new())?;
        let status = pointsman_test_support::http::send(request).await?.status();
        Ok((status == 200).then_some(()))
    })
    .await?;
    let created = create(&api, &labelled(Some("enabled")), false).await?;
    assert!(has_sidecar(&created));
    operator.stop().await?;
    Ok(())
}

/// A webhook that takes the connection and never answers: `Ignore` lets the pod through, `Fail` says why not.
#[tokio::test]
async fn a_webhook_that_hangs_holds_a_pod_up_for_seconds_and_no_longer() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let held = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
            let _ = called.send(());
        }
    });
    let namespace = control_plane.create_namespace("hung").await?;
    control_plane.run_kubectl(&["label", "namespace", &namespace, INJECT]).await?;
    let api: Api<Pod> = Api::namespaced(control_plane.new_client().await?, &namespace);
    install_webhook(&control_plane, address, "Ignore").await?;
    wait_for("the API server calls the webhook", LONG, || async {
        let created = create(&api, &labelled(None), true).await?;
        assert!(!has_sidecar(&created));
        Ok((!calls.is_empty()).then_some(()))
    })
    .await?;
    while calls.try_recv().is_ok() {}

    // The manifest says five seconds; the API server's own limit is thirty.
    let create_one = async || {
        let pod = labelled(None);
        let created = tokio::time::timeout(Duration::from_secs(20), create(&api, &pod, false));
        created.await.context("it was held up for longer than the webhook may take")
    };
    let created = create_one().await??;
    assert!(!has_sidecar(&created) && !calls.is_empty(), "the webhook was asked and did not answer");

    install_webhook(&control_plane, address, "Fail").await?;
    let refused = wait_for("a pod is refused", LONG, || async {
        Ok(create_one().await?.err().map(|error| error.to_string()))
    })
    .await?;
    assert!(refused.contains("namespace.inject.pointsman.dev"), "{refused}");
    held.abort();
    Ok(())
}

#[tokio::test]
async fn the_pod_is_what_the_reference_shows() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("shape").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let pod = json!(create(&api, &labelled(Some("enabled")), false).await?);
    let mounts = json!([
        {"name": "pointsman-token", "mountPath": "/var/run/pointsman/token", "readOnly": true},
        {"name": "pointsman-trust", "mountPath": "/var/run/pointsman/trust", "readOnly": true},
        {"name": "pointsman-state", "mountPath": "/var/lib/pointsman"},
        {"name": "pointsman-keys", "mountPath": "/run/pointsman-keys"},
    ]);
    let token = json!({"audience": "pointsman.dev/sidecar", "expirationSeconds": 3600, "path": "token"});
    let expected = json!({
        "metadata": {"annotations": {"pointsman.dev/port": "14100"}},
        "spec": {
            "initContainers": [{
                "name": "pointsman", "image": IMAGE, "restartPolicy": "Always",
                "args": [
                    "sidecar", "run", "--listen-port=14100", "--admin-port=14101",
                    "--operator=pointsman.pointsman-system.svc:14110", "--keys-dir=/run/pointsman-keys",
                ],
                "ports": [{"name": "pointsman-admin", "containerPort": 14101}],
                "startupProbe": {"httpGet": {"path": "/readyz", "port": 14101}, "periodSeconds": 1, "failureThreshold": 120},
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {
                    "runAsNonRoot": true, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "volumeMounts": mounts,
            }],
            "containers": [{"name": "app", "env": [
                {"name": "OPENAI_BASE_URL", "value": "http://127.0.0.1:14100/v1"},
                {"name": "OPENAI_API_KEY", "value": "pointsman"},
                {"name": "NO_PROXY", "value": "127.0.0.1,localhost,::1"},
            ]}],
            "volumes": [
                {"name": "pointsman-token", "projected": {"sources": [{"serviceAccountToken": token}]}},
                {"name": "pointsman-trust", "configMap": {"name": "pointsman-trust"}},
                {"name": "pointsman-state", "emptyDir": {"sizeLimit": "64Mi"}},
                {"name": "pointsman-keys", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ],
        },
    });
    assert!(contains(&pod, &expected), "{pod:#}");
    // As a person would copy it: everything is there, and nothing comes twice.
    let copy = json!({"metadata": {
        "generateName": "copy-", "labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"],
    }, "spec": pod["spec"]});
    let copied = json!(create(&api, &copy, true).await?);
    assert_eq!(copied["spec"], pod["spec"]);
    Ok(())
}

#[tokio::test]
async fn what_sidecars_trust_stands_in_every_namespace_that_has_some_and_comes_back() -> anyhow::Result<()> {
    let shared = shared().await?;
    let by_label = shared.control_plane.create_namespace("trust").await?;
    shared.control_plane.run_kubectl(&["label", "namespace", &by_label, INJECT]).await?;
    let by_pod = shared.control_plane.create_namespace("trust-pod").await?;
    let neither = shared.control_plane.create_namespace("trust-none").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), &by_pod);
    create(&api, &labelled(Some("enabled")), false).await?;
    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(shared.client.clone(), namespace);
    let here = maps(ROOT).get("pointsman-trust").await?.data.context("the trust has data")?;
    for namespace in [&by_label, &by_pod] {
        let api = maps(namespace);
        let published = || {
            wait_for("the trust stands", LONG, || async {
                let map = api.get_opt("pointsman-trust").await?;
                Ok(map.and_then(|map| map.data).filter(|data| *data == here))
            })
        };
        published().await?;
        api.delete("pointsman-trust", &DeleteParams::default()).await?;
        published().await?;
    }
    assert!(maps(&neither).get_opt("pointsman-trust").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn the_bundle_is_the_operators_field_and_nothing_else_is() -> anyhow::Result<()> {
    let control_plane = cluster().await?;
    let operator = config(&control_plane, "operator-0").await?.start().await?;
    let address = operator.webhook_address.context("it injects")?;
    install_webhook(&control_plane, address, "Fail").await?;
    until_injecting(&control_plane).await?;
    let api: Api<MutatingWebhookConfiguration> = Api::all(control_plane.client.clone());
    let bundle = |object: &MutatingWebhookConfiguration| {
        object
            .webhooks
            .iter()
            .flatten()
            .map(|entry| entry.client_config.ca_bundle.clone())
            .collect::<Vec<_>>()
    };
    let before = api.get("pointsman").await?;
    assert!(bundle(&before).len() == 2 && bundle(&before).iter().all(Option::is_some));
    let managers = before.metadata.managed_fields.clone().unwrap_or_default();
    let ours =
        managers.iter().find(|entry| entry.manager.as_deref() == Some("pointsman")).context("we own")?;
    let fields = json!(ours.fields_v1).to_string();
    assert!(fields.contains("f:caBundle") && !fields.contains("f:failurePolicy"), "{fields}");
    // An upgrade applies its own half again; a person removes ours.
    install_webhook(&control_plane, address, "Fail").await?;
    assert_eq!(bundle(&api.get("pointsman").await?), bundle(&before));
    let remove = r#"[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]"#;
    let kind = "mutatingwebhookconfiguration/pointsman";
    control_plane.run_kubectl(&["patch", kind, "--type=json", "-p", remove]).await?;
    wait_for("the bundle is back", LONG, || async {
        Ok((bundle(&api.get("pointsman").await?) == bundle(&before)).then_some(()))
    })
    .await?;
    // Whoever does not answer keeps pods of ours from being created where the policy says Fail, and no others.
    operator.stop().await?;
    let namespace = control_plane.create_namespace("away").await?;
    let pods: Api<Pod> = Api::namespaced(control_plane.client.clone(), &namespace);
    let refused = create(&pods, &labelled(Some("enabled")), false).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("pod.inject.pointsman.dev")));
    assert!(!has_sidecar(&create(&pods, &labelled(None), false).await?));
    let system: Api<Pod> = Api::namespaced(control_plane.client.clone(), ROOT);
    assert!(!has_sidecar(&create(&system, &labelled(Some("enabled")), true).await?));
    install_webhook(&control_plane, address, "Ignore").await?;
    let late = wait_for("the policy is Ignore", LONG, || async {
        Ok(create(&pods, &labelled(Some("enabled")), false).await.ok())
    })
    .await?;
    assert!(!has_sidecar(&late));
    // Back again, the operator finds the pod that went without.
    let operator = config(&control_plane, "operator-1").await?.start().await?;
    let note = event(&control_plane.client, &namespace, ("Pod", &late.name_any(), "SidecarMissing")).await?;
    assert!(note.contains("kubectl rollout restart"), "{note}");
    operator.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_that_cannot_have_a_sidecar_runs_without_and_says_why() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("refusals").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    for (name, change, expected) in [
        ("host-network", json!({"hostNetwork": true}), "No sidecar: hostNetwork:"),
        ("processes", json!({"shareProcessNamespace": true}), "No sidecar: shareProcessNamespace:"),
        (
            "port",
            json!({"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 14100}]}]}),
            "No sidecar: container \"app\" declares port 14100; set annotation pointsman.dev/port to a free one.",
        ),
    ] {
        let mut pod = labelled(Some("enabled"));
        pod["metadata"] = json!({"name": name, "labels": pod["metadata"]["labels"]});
        for (field, value) in change.as_object().unwrap() {
            pod["spec"][field] = value.clone();
        }
        assert!(!has_sidecar(&create(&api, &pod, false).await?), "{name}");
        let note = event(&shared.client, namespace, ("Pod", name, "InjectionRefused")).await?;
        assert!(note.starts_with(expected), "{name}: {note}");
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_from_before_its_label_and_one_with_an_endpoint_of_its_own_are_told() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("told").await?;
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), namespace);
    let old = create(&api, &labelled(None), false).await?;
    shared.control_plane.run_kubectl(&["label", "namespace", namespace, INJECT]).await?;
    event(&shared.client, namespace, ("Pod", &old.name_any(), "SidecarMissing")).await?;
    let mut own = labelled(Some("enabled"));
    own["spec"]["containers"][0]["env"] =
        json!([{"name": "OPENAI_BASE_URL", "value": "https://llm.example.com/v1"}]);
    let own = create(&api, &own, false).await?;
    assert!(has_sidecar(&own));
    let note = event(&shared.client, namespace, ("Pod", &own.name_any(), "OwnEndpoint")).await?;
    assert!(note.contains("remove the variable, or set it to http://127.0.0.1:14100/v1"), "{note}");
    Ok(())
}
