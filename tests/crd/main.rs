//! Does a real API server hold objects to the rules, in the words that we chose?
#![allow(clippy::unwrap_used)]

mod cases;
mod kubectl;
mod roles;
mod status;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::{Client, CustomResourceExt};
use pointsman_crds::{ABTest, Budget, LLMProvider, RoutingPolicy, all_crds};
use pointsman_test_support::control_plane::{self, Shared};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cases::{Case, cases};

const NAMESPACE: &str = "default";

/// A server that knows the kinds; one for all tests.
async fn server() -> anyhow::Result<Shared> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let server = control_plane::shared().await?;
    let manifests = manifests();
    INSTALLED.get_or_try_init(|| server.apply_crds(&manifests)).await?;
    Ok(server)
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/crds")
}

fn api(client: &Client, kind: &str) -> anyhow::Result<Api<DynamicObject>> {
    let resource = match kind {
        "LLMProvider" => LLMProvider::api_resource(),
        "RoutingPolicy" => RoutingPolicy::api_resource(),
        "ABTest" => ABTest::api_resource(),
        "Budget" => Budget::api_resource(),
        other => bail!("no kind \"{other}\""),
    };
    Ok(in_namespace(client, &resource))
}

fn in_namespace(client: &Client, resource: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), NAMESPACE, resource)
}

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

#[tokio::test]
async fn accepts_what_is_right_and_fills_in_the_defaults_of_the_types() -> anyhow::Result<()> {
    let server = server().await?;
    let cases = cases("accept")?;
    assert_at_least_ten_per_kind(&cases);
    for case in cases {
        let created = api(&server.client, case.kind())?.create(&dry_run(), &case.object).await;
        let created = created.with_context(|| case.name.clone())?;
        assert_eq!(created.data["spec"], typed_spec(&case)?, "defaults of {}", case.name);
    }
    Ok(())
}

/// The spec with the defaults that the Rust types fill in, as `pointsman run` reads it without an API server.
fn typed_spec(case: &Case) -> anyhow::Result<Value> {
    let spec = case.object.data["spec"].clone();
    Ok(match case.kind() {
        "LLMProvider" => {
            serde_json::to_value(serde_json::from_value::<pointsman_crds::v1alpha1::LLMProviderSpec>(spec)?)?
        }
        "RoutingPolicy" => serde_json::to_value(serde_json::from_value::<
            pointsman_crds::v1alpha1::RoutingPolicySpec,
        >(spec)?)?,
        "ABTest" => {
            serde_json::to_value(serde_json::from_value::<pointsman_crds::v1alpha1::ABTestSpec>(spec)?)?
        }
        "Budget" => {
            serde_json::to_value(serde_json::from_value::<pointsman_crds::v1alpha1::BudgetSpec>(spec)?)?
        }
        other => bail!("no kind \"{other}\""),
    })
}

#[tokio::test]
async fn refuses_what_is_wrong_in_words_that_say_what_to_do() -> anyhow::Result<()> {
    let server = server().await?;
    let cases = cases("reject")?;
    assert_at_least_ten_per_kind(&cases);
    let wrong: Vec<String> = stream::iter(&cases)
        .map(|case| refused(&server.client, case))
        .buffer_unordered(8)
        .try_filter_map(|wrong| async { Ok(wrong) })
        .try_collect()
        .await?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

/// What is wrong with how the API server answers to the case.
async fn refused(client: &Client, case: &Case) -> anyhow::Result<Option<String>> {
    let expected =
        case.expected.as_ref().with_context(|| format!("{} does not begin with # expect:", case.name))?;
    Ok(match send(client, case).await {
        Ok(()) => Some(format!("{}: was accepted", case.name)),
        Err(kube::Error::Api(status)) if status.message.contains(expected) => None,
        Err(kube::Error::Api(status)) => {
            Some(format!("{}: expected\n  {expected}\nbut it said\n  {}", case.name, status.message))
        }
        Err(error) => bail!("{}: {error}", case.name),
    })
}

async fn send(client: &Client, case: &Case) -> Result<(), kube::Error> {
    let api = api(client, case.kind()).expect("cases are of our kinds");
    let Some(before) = &case.before else {
        return api.create(&dry_run(), &case.object).await.map(drop);
    };
    // The name is the case's own, so that cases do not meet.
    let name = case.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml");
    let named = |object: &DynamicObject| {
        let mut object = object.clone();
        object.metadata.name = Some(name.to_owned());
        object
    };
    let created = api.create(&PostParams::default(), &named(before)).await?;
    let mut object = named(&case.object);
    object.metadata.resource_version = created.metadata.resource_version;
    let replaced = api.replace(name, &dry_run(), &object).await;
    api.delete(name, &DeleteParams::default()).await?;
    replaced.map(drop)
}

fn assert_at_least_ten_per_kind(cases: &[Case]) {
    for kind in ["LLMProvider", "RoutingPolicy", "ABTest", "Budget"] {
        let count = cases.iter().filter(|case| case.kind() == kind).count();
        assert!(count >= 10, "only {count} cases of {kind}");
    }
}

#[test]
fn every_rule_of_a_spec_is_broken_by_a_case() {
    let cases = cases("reject").unwrap();
    let mut untried = Vec::new();
    for crd in all_crds() {
        let kind = crd.spec.names.kind.clone();
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.clone().unwrap();
        let mut schema = serde_json::to_value(schema).unwrap();
        schema["properties"].as_object_mut().unwrap().remove("status");
        let tried = |message: &str| {
            cases
                .iter()
                .any(|c| c.kind() == kind && c.expected.as_deref().is_some_and(|e| e.ends_with(message)))
        };
        let of_our_own = kind == "BudgetLedger";
        untried.extend(
            messages(&schema)
                .into_iter()
                .filter(|m| !of_our_own && !tried(m))
                .map(|m| format!("{kind}: {m}")),
        );
    }
    assert!(untried.is_empty(), "no case under reject/ breaks these rules:\n{}", untried.join("\n"));
}

fn messages(schema: &Value) -> Vec<String> {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let own = own.map(|rule| rule["message"].as_str().unwrap().to_owned());
    let below = match schema {
        Value::Object(map) => map.values().flat_map(messages).collect(),
        Value::Array(items) => items.iter().flat_map(messages).collect(),
        _ => Vec::new(),
    };
    own.chain(below).collect()
}
