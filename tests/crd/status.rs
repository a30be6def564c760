//! Does the API server keep everything that the operator reports?

use std::fmt::Debug;

use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Resource, core::NamespaceResourceScope};
use pointsman_crds::{ABTest, Budget, BudgetLedger, LLMProvider, RoutingPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server;

/// Creates the object, patches its status, and gives back what the server kept, read into the type and written again.
async fn kept<K>(api: &Api<K>, spec: Value, status: &Value) -> anyhow::Result<Value>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let object = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": "example"}, "spec": spec,
    });
    api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    let patch = Patch::Merge(json!({ "status": status }));
    let patched = api.patch_status("example", &PatchParams::default(), &patch).await?;
    Ok(serde_json::to_value(patched)?["status"].take())
}

fn conditions() -> Value {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "Every field is valid.",
            "observedGeneration": 1, "lastTransitionTime": "2026-11-21T08:00:00Z",
        })
    };
    json!([condition("Accepted", "True", "Accepted"), condition("Ready", "True", "Ready")])
}

#[tokio::test]
async fn a_full_status_of_each_kind_is_kept() -> anyhow::Result<()> {
    let server = server().await?;
    let namespace = server.create_namespace("status").await?;

    let status = json!({
        "observedGeneration": 1, "conditions": conditions(),
        "summary": {
            "state": "Healthy", "endpoint": "https://api.openai.com", "models": "2/2", "today": "$15.08",
            "p50": "520ms", "errors": "0.1%", "prices": "catalogue 2026-11-14",
        },
        "models": [{
            "model": "gpt-4o", "state": "Healthy",
            "price": {
                "asOf": "2026-11-01", "cachedInput": "1.25", "input": "2.5", "output": "10", "source": "Catalogue",
            },
        }],
    });
    let spec = json!({"type": "OpenAI", "auth": {"type": "None"}});
    let providers: Api<LLMProvider> = Api::namespaced(server.client.clone(), &namespace);
    assert_eq!(kept(&providers, spec, &status).await?, status);

    let status = json!({
        "observedGeneration": 1, "conditions": conditions(),
        "summary": {
            "state": "Serving", "virtualModels": "auto,support", "pods": "12/12", "routed": "95%", "today": "$38.21",
            "models": "gpt-4o-mini 71%, gpt-4o 29%", "price": "$0.11/pt",
        },
        "dataPlane": {"matched": 12, "connected": 12, "synced": 12, "nacked": 0, "wired": 11, "silent": 1, "refused": 0, "sidecarsOutdated": 3},
        "mode": {"effective": "Route"},
        "shadowPrice": {"lambda": "0.0031", "meaning": "one point of quality is worth $0.11 per 1000 calls"},
        "models": [{"model": "gpt-4o", "p50": "520ms", "requests": 2618, "share": 22, "spent": "28.02"}],
    });
    let policies: Api<RoutingPolicy> = Api::namespaced(server.client.clone(), &namespace);
    assert_eq!(kept(&policies, json!({"candidates": [{"model": "gpt-4o"}]}), &status).await?, status);

    let status = json!({
        "observedGeneration": 1, "conditions": conditions(),
        "summary": {"state": "Draft", "policy": "default", "variants": "control 90%, cheap 10%"},
    });
    let spec = json!({
        "policyRef": {"name": "default"}, "controlName": "control",
        "variants": [
            {"name": "control", "weight": 90},
            {"name": "cheap", "weight": 10, "override": {"type": "Model", "model": {"name": "gpt-4o-mini"}}},
        ],
    });
    let tests: Api<ABTest> = Api::namespaced(server.client.clone(), &namespace);
    assert_eq!(kept(&tests, spec, &status).await?, status);

    let status = json!({
        "observedGeneration": 1, "conditions": conditions(),
        "summary": {
            "state": "OnTrack", "limit": "$2000/Month", "spent": "$1204.18", "used": "60%", "forecast": "$1893",
            "resetsAt": "Dec 1", "held": "$11.30", "burnPerHour": "$2.96", "asOf": "2026-11-21T08:00:05Z",
        },
        "guarantee": "None: calls are counted and not refused.",
        "limits": [{
            "for": "shop", "limit": "month", "remaining": "795.82", "reserved": "0.42",
            "resetsAt": "2026-12-01T00:00:00+01:00", "spent": "1204.18", "uncertain": "0.31",
        }],
        "ledgerName": "shop.month",
    });
    let spec = json!({"limits": [{"name": "month", "amount": "2000 USD", "window": "Month"}]});
    let budgets: Api<Budget> = Api::namespaced(server.client.clone(), &namespace);
    assert_eq!(kept(&budgets, spec, &status).await?, status);
    Ok(())
}

#[tokio::test]
async fn a_ledger_is_kept_to_the_last_digit() -> anyhow::Result<()> {
    let server = server().await?;
    let namespace = server.create_namespace("ledger").await?;
    let instance = json!({
        "podUid": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "incarnation": "3", "uncertain": "0",
        "spent": "18446744073709551615",
    });
    let data = json!({
        "budget": {"namespace": "shop", "name": "month"},
        "limits": [{
            "limit": "month", "unit": "USD", "window": "Month",
            "windows": [{"windowId": "2026-11-01T00:00:00Z", "closed": "1204180000000", "closedUncertain": "0", "instances": [instance]}],
        }],
    });
    let mut object = json!({"apiVersion": "pointsman.dev/v1alpha1", "kind": "BudgetLedger"});
    object["metadata"] = json!({"name": "shop.month"});
    object["budget"] = data["budget"].clone();
    object["limits"] = data["limits"].clone();
    let ledgers: Api<BudgetLedger> = Api::namespaced(server.client.clone(), &namespace);
    ledgers.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    assert_eq!(serde_json::to_value(ledgers.get("shop.month").await?.spec)?, data);
    Ok(())
}
