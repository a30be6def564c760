//! What do people see who use kubectl?

use std::collections::BTreeSet;

use pointsman_crds::all_crds;
use serde_json::Value;

use crate::cases::folder;
use crate::server;

const UNKNOWN_FIELD: &str = "
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {name: unknown-field, namespace: default}
spec:
  per: User
  limits: [{name: month, amount: 500 USD, window: Month}]
";

#[tokio::test]
async fn every_accepted_manifest_passes_through_kubectl_as_it_is_written() -> anyhow::Result<()> {
    let server = server().await?;
    let accept = folder().join("accept");
    server
        .run_kubectl(&["create", "--dry-run=server", "--recursive", "-f", accept.to_str().unwrap()])
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_field_that_is_not_there_yet_is_an_error() -> anyhow::Result<()> {
    let server = server().await?;
    let client_side = server.apply_yaml(UNKNOWN_FIELD).await.unwrap_err().to_string();
    assert!(client_side.contains(r#"unknown field "spec.per""#), "{client_side}");
    let server_side =
        server.run_kubectl_with_input(&["apply", "--server-side", "-f", "-"], UNKNOWN_FIELD).await;
    let server_side = server_side.unwrap_err().to_string();
    assert!(server_side.contains(".spec.per: field not declared in schema"), "{server_side}");
    Ok(())
}

#[tokio::test]
async fn every_enum_value_is_a_string_without_quotes() -> anyhow::Result<()> {
    let server = server().await?;
    let mut values = BTreeSet::new();
    for crd in all_crds() {
        collect_enums(&serde_json::to_value(crd)?, &mut values);
    }
    // Nobody writes conditions by hand; their True and False are Kubernetes' own.
    values.retain(|value| !["True", "False", "Unknown"].contains(&value.as_str()));
    assert!(values.contains("Metadata") && values.contains("None"), "{values:?}");

    let lines: String = values.iter().map(|value| format!("  v-{value}: {value}\n")).collect();
    let yaml = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: enums}}\ndata:\n{lines}");
    let create = ["create", "--dry-run=client", "-o", "json", "-f", "-"];
    let read = server.run_kubectl_with_input(&create, &(yaml + "  trap: Off\n")).await?;
    let read: Value = serde_json::from_str(&read)?;
    assert_eq!(
        read["data"]["trap"],
        Value::Bool(false),
        "kubectl reads YAML 1.1, or this test shows nothing"
    );
    for value in &values {
        assert_eq!(read["data"][format!("v-{value}")], Value::from(value.as_str()));
    }
    Ok(())
}

fn collect_enums(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let values = map.get("enum").and_then(Value::as_array).into_iter().flatten();
            found.extend(values.filter_map(Value::as_str).map(str::to_owned));
            map.values().for_each(|child| collect_enums(child, found));
        }
        Value::Array(items) => items.iter().for_each(|child| collect_enums(child, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_columns_are_those_that_the_documents_show() -> anyhow::Result<()> {
    let server = server().await?;
    let namespace = server.create_namespace("columns").await?;
    let accept = folder().join("accept");
    for file in [
        "abtest/one-model-against-the-policy.yaml",
        "budget/money-per-month.yaml",
        "llmprovider/hosted-with-a-key.yaml",
        "routingpolicy/two-candidates.yaml",
    ] {
        let file = accept.join(file);
        server.run_kubectl(&["create", "-n", &namespace, "-f", file.to_str().unwrap()]).await?;
    }
    let status = r#"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Ready","message":"",
        "lastTransitionTime":"2026-11-21T00:00:00Z"}],"summary":{"state":"OnTrack","spent":"$1.25"}}}"#;
    let patch =
        ["patch", "bgt/example", "-n", &namespace, "--subresource=status", "--type=merge", "-p", status];
    server.run_kubectl(&patch).await?;

    let heads = |text: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().filter(|line| line.starts_with("NAME")).map(words).collect()
    };
    for selector in ["abt,bgt,llmp,rpol", "pointsman", "llm"] {
        let shown = server.run_kubectl(&["get", selector, "-n", &namespace]).await?;
        assert_eq!(
            heads(&shown),
            [
                "NAME STATE READY AGE",
                "NAME LIMIT SPENT USED FORECAST STATE RESETS AGE",
                "NAME TYPE READY STATE MODELS TODAY AGE",
                "NAME OBJECTIVE READY STATE PODS ROUTED TODAY SAVED AGE",
            ],
            "{selector}\n{shown}"
        );
        assert!(shown.contains("$1.25") && shown.contains("OnTrack"), "{shown}");
    }
    let wide = server.run_kubectl(&["get", "abt,bgt,llmp,rpol", "-n", &namespace, "-o", "wide"]).await?;
    assert_eq!(
        heads(&wide),
        [
            "NAME STATE READY AGE POLICY VARIANTS",
            "NAME LIMIT SPENT USED FORECAST STATE RESETS AGE HELD PER-HOUR ENFORCEMENT",
            "NAME TYPE READY STATE MODELS TODAY AGE P50 ERRORS PRICES ENDPOINT",
            "NAME OBJECTIVE READY STATE PODS ROUTED TODAY SAVED AGE MODELS PRICE BASELINE",
        ]
    );
    Ok(())
}
