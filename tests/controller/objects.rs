//! Objects in; conditions, columns and Events out; and no write without a change.

use pointsman_test_support::{LONG, wait_for};

use crate::fixture::{api, budget, condition, get, metric, pod, policy, provider, shared, status};

const DRAFT: &str = "---\napiVersion: pointsman.dev/v1alpha1\nkind: ABTest\nmetadata: {name: draft, namespace: NAMESPACE}\nspec:\n  policyRef: {name: default}\n  controlName: control\n  variants: [{name: control, weight: 90}, {name: cheap, weight: 10, override: {type: Model, model: {name: small}}}]\n";

#[tokio::test]
async fn the_four_kinds_become_ready_and_their_columns_tell_the_truth() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("columns").await?;
    let manifests = provider("sim", namespace, &["large", "small"])
        + &policy("default", namespace, &["large", "small"], "")
        + &budget("month", namespace, "500 USD", "")
        + &DRAFT.replace("NAMESPACE", namespace);
    shared.control_plane.apply_yaml(&manifests).await?;
    for object in ["llmp/sim", "rpol/default", "bgt/month", "abt/draft"] {
        let arguments = ["wait", "-n", namespace, "--for=condition=Ready", object, "--timeout=60s"];
        shared.control_plane.run_kubectl(&arguments).await?;
    }
    let columns = async |kind: &str| -> anyhow::Result<Vec<String>> {
        let arguments = ["get", kind, "-n", namespace, "--no-headers", "-o", "wide"];
        let text = shared.control_plane.run_kubectl(&arguments).await?;
        Ok(text.split_whitespace().map(ToOwned::to_owned).collect())
    };
    assert_eq!(columns("llmp").await?[..6], ["sim", "Simulated", "True", "Healthy", "2/2", "$0.00"]);
    assert_eq!(columns("llmp").await?[7..], ["-", "-", "spec", "simulated"]);
    assert_eq!(columns("rpol").await?[..7], ["default", "Balanced", "True", "NoPods", "0/0", "-", "$0.00"]);
    assert_eq!(columns("bgt").await?[..6], ["month", "$500/Total", "$0.00", "0%", "-", "OnTrack"]);
    assert_eq!(columns("abt").await?[..3], ["draft", "Draft", "True"]);
    condition(&shared.client, ("bgt", namespace, "month"), "CountingOnly", "True", "RightsNotAllotted")
        .await?;
    condition(&shared.client, ("bgt", namespace, "month"), "Exhausted", "False", "WithinLimit").await?;
    condition(&shared.client, ("llmp", namespace, "sim"), "Unhealthy", "False", "Healthy").await?;
    condition(&shared.client, ("rpol", namespace, "default"), "Programmed", "True", "NoPods").await?;
    Ok(())
}

#[tokio::test]
async fn mistakes_that_only_the_cluster_shows_are_said_and_mended() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("mistakes").await?;
    let wrong = policy("p", namespace, &["smal"], "")
        + &budget("b", namespace, "5 USD", "  selector: {policies: [{name: q}]}\n")
        + &budget("spread", namespace, "5 USD", "  namespaceSelector: {matchLabels: {a: b}}\n")
        + &DRAFT.replace("NAMESPACE", namespace)
        + &provider("sim", namespace, &["small"]);
    shared.control_plane.apply_yaml(&wrong).await?;
    let client = &shared.client;
    let hint = "spec.candidates[0].model: no LLMProvider of namespace \"NAMESPACE\" serves \"smal\": did you mean \"small\"?";
    let hint = hint.replace("NAMESPACE", namespace);
    wait_for("the hint is given", LONG, || async {
        let message =
            condition(client, ("rpol", namespace, "p"), "ResolvedRefs", "False", "UnknownModel").await?;
        Ok((message == hint).then_some(()))
    })
    .await?;
    condition(client, ("rpol", namespace, "p"), "Programmed", "False", "NotProgrammed").await?;
    condition(client, ("rpol", namespace, "p"), "Ready", "False", "UnknownModel").await?;
    condition(client, ("bgt", namespace, "b"), "Ready", "False", "PolicyNotFound").await?;
    condition(client, ("bgt", namespace, "spread"), "Accepted", "False", "NotRootNamespace").await?;
    condition(client, ("abt", namespace, "draft"), "Ready", "False", "PolicyNotFound").await?;
    let mended = policy("p", namespace, &["small"], "")
        + &policy("q", namespace, &["small"], "")
        + &policy("default", namespace, &["small"], "");
    shared.control_plane.apply_yaml(&mended).await?;
    condition(client, ("rpol", namespace, "p"), "Ready", "True", "Ready").await?;
    condition(client, ("bgt", namespace, "b"), "Ready", "True", "Ready").await?;
    condition(client, ("abt", namespace, "draft"), "Ready", "True", "Ready").await?;
    Ok(())
}

#[tokio::test]
async fn every_other_reason_is_said_where_the_schema_lets_a_mistake_through() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("reasons").await?;
    let header = |kind: &str, name: &str| {
        format!(
            "---\napiVersion: pointsman.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
        )
    };
    let rules = "  rules: [{name: r, matches: [{text: {regex: \"(\"}}], action: {type: Reject, reject: {message: stop}}}]\n";
    let manifests = provider("sim", namespace, &["m"])
        + &header("LLMProvider", "unpriced")
        + "  type: Simulated\n  models: [{name: mystery}]\n"
        + &header("LLMProvider", "empty")
        + "  type: OpenRouter\n  auth: {type: None}\n"
        + &policy("regex", namespace, &["m"], rules)
        + &header("RoutingPolicy", "dangling")
        + "  candidates: [{model: m, providerRefs: [{name: sim}, {name: sun}]}]\n"
        + &budget("zone", namespace, "5 USD", "")
            .replace("window: Total", "window: Day, timeZone: Nowhere/Land")
        + &budget("models", namespace, "5 USD", "  selector: {models: [other]}\n")
        + &budget("providers", namespace, "5 USD", "  selector: {providerRefs: [{name: sun}]}\n")
        + &policy("default", namespace, &["m"], "")
        + &DRAFT.replace("NAMESPACE", namespace);
    shared.control_plane.apply_yaml(&manifests).await?;
    for (kind, name, type_, reason) in [
        ("llmp", "unpriced", "ResolvedRefs", "PriceUnknown"),
        ("llmp", "empty", "Accepted", "Invalid"),
        ("rpol", "regex", "Accepted", "Invalid"),
        ("rpol", "dangling", "ResolvedRefs", "UnknownProvider"),
        ("bgt", "zone", "Accepted", "Invalid"),
        ("bgt", "models", "ResolvedRefs", "UnknownModel"),
        ("bgt", "providers", "ResolvedRefs", "UnknownProvider"),
        ("abt", "draft", "ResolvedRefs", "UnknownModel"),
    ] {
        condition(&shared.client, (kind, namespace, name), type_, "False", reason).await?;
        condition(&shared.client, (kind, namespace, name), "Ready", "False", reason).await?;
        let state =
            status(&shared.client, (kind, namespace, name), |s| s["summary"]["state"] == reason).await;
        state.map_err(|error| error.context(format!("the column of {kind}/{name}")))?;
    }
    // What is left out does not take the rest with it.
    for (kind, name) in [("llmp", "unpriced"), ("rpol", "dangling"), ("bgt", "models"), ("bgt", "providers")]
    {
        let programmed = status(&shared.client, (kind, namespace, name), |s| {
            let conditions = s["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|c| c["type"] == "Programmed" && c["status"] == "True")
        });
        programmed.await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_provider_of_another_namespace_serves_once_it_consents() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("consumer").await?;
    let platform = &shared.control_plane.create_namespace("platform").await?;
    let consumer = format!(
        "---\napiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: p, namespace: {namespace}}}\nspec:\n  candidates: [{{model: m, providerRefs: [{{name: sim, namespace: {platform}}}]}}]\n"
    );
    shared.control_plane.apply_yaml(&(provider("sim", platform, &["m"]) + &consumer)).await?;
    let object = ("rpol", namespace.as_str(), "p");
    condition(&shared.client, object, "ResolvedRefs", "False", "NotPermitted").await?;
    let consent = "  credentialPlacement: Sidecar\n  allowedNamespaces: {from: Selector, selector: {matchLabels: {llm: shared}}}\n";
    shared.control_plane.apply_yaml(&(provider("sim", platform, &["m"]) + consent)).await?;
    shared.control_plane.run_kubectl(&["label", "namespace", namespace, "llm=shared"]).await?;
    condition(&shared.client, object, "Ready", "True", "Ready").await?;
    shared.control_plane.run_kubectl(&["label", "namespace", namespace, "llm-"]).await?;
    let message = condition(&shared.client, object, "ResolvedRefs", "False", "NotPermitted").await?;
    assert!(message.contains("does not exist or does not allow namespace"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_policy_that_loses_pods_says_how_many_and_to_whom() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("conflict").await?;
    let bots = "  targetSelector: {matchLabels: {app: bot}}\n";
    let manifests = provider("sim", namespace, &["m"])
        + &policy("high", namespace, &["m"], &format!("{bots}  priority: 20\n"))
        + &policy("low", namespace, &["m"], bots);
    shared.control_plane.apply_yaml(&manifests).await?;
    for name in ["bot-1", "bot-2"] {
        pod(shared.control_plane, namespace, name, serde_json::json!({"app": "bot"})).await?;
    }
    let low = ("rpol", namespace.as_str(), "low");
    let told = format!("2 pods take virtual model \"auto\" from {namespace}/high.");
    wait_for("both pods are counted", LONG, || async {
        let message = condition(&shared.client, low, "Conflicted", "True", "LowerPriority").await?;
        Ok(message.contains(&told).then_some(()))
    })
    .await?;
    condition(&shared.client, ("rpol", namespace, "high"), "Conflicted", "False", "NoConflict").await?;
    let high = status(&shared.client, ("rpol", namespace, "high"), |s| s["summary"]["pods"] == "0/2").await?;
    assert_eq!(high["summary"]["state"], "SidecarsBehind");
    Ok(())
}

#[tokio::test]
async fn the_same_world_reconciled_again_writes_nothing() -> anyhow::Result<()> {
    // A cluster of its own: other tests' objects would be written about.
    let control_plane = crate::fixture::cluster().await?;
    let operator = crate::fixture::operator(&control_plane, "operator-0").await?;
    control_plane.create_namespace_named("still").await?;
    let manifests = provider("sim", "still", &["large", "small"])
        + &policy("default", "still", &["large", "small"], "")
        + &budget("month", "still", "500 USD", "")
        + &DRAFT.replace("NAMESPACE", "still");
    control_plane.apply_yaml(&manifests).await?;
    for (kind, name) in [("llmp", "sim"), ("rpol", "default"), ("bgt", "month"), ("abt", "draft")] {
        condition(&control_plane.client, (kind, "still", name), "Ready", "True", "Ready").await?;
    }
    let versions = async || -> anyhow::Result<Vec<Option<String>>> {
        let mut versions = Vec::new();
        for (kind, name) in [("llmp", "sim"), ("rpol", "default"), ("bgt", "month"), ("abt", "draft")] {
            versions
                .push(api(&control_plane.client, kind, "still").get(name).await?.metadata.resource_version);
        }
        Ok(versions)
    };
    let before = settled(operator.admin_address, &versions).await?;
    let writes = metric(operator.admin_address, "pointsman_status_writes_total").await?;
    // Changes of the world that change no status: each is seen, compiled and planned anew.
    for round in 0..5 {
        let published = metric(operator.admin_address, "pointsman_reconcile_duration_seconds_count").await?;
        control_plane
            .run_kubectl(&["label", "--overwrite", "namespace", "still", &format!("round=r{round}")])
            .await?;
        control_plane
            .run_kubectl(&[
                "annotate",
                "--overwrite",
                "-n",
                "still",
                "rpol/default",
                &format!("round=r{round}"),
            ])
            .await?;
        wait_for("the change is seen", LONG, || async {
            let now = metric(operator.admin_address, "pointsman_reconcile_duration_seconds_count").await?;
            Ok((now > published).then_some(()))
        })
        .await?;
    }
    let after = settled(operator.admin_address, &versions).await?;
    assert_eq!(metric(operator.admin_address, "pointsman_status_writes_total").await?, writes);
    // The annotated policy alone has a new version, by the annotations.
    assert_eq!([&after[0], &after[2], &after[3]], [&before[0], &before[2], &before[3]]);
    // An operator that starts anew finds everything as it should be.
    operator.stop().await?;
    let operator = crate::fixture::operator(&control_plane, "operator-1").await?;
    wait_for("it leads and has read the cluster", LONG, || async {
        let leads = metric(operator.admin_address, "pointsman_leader").await? == 1.0;
        Ok((leads && get(operator.admin_address, "/readyz").await?.0 == 200).then_some(()))
    })
    .await?;
    assert_eq!(settled(operator.admin_address, &versions).await?, after);
    assert_eq!(metric(operator.admin_address, "pointsman_status_writes_total").await?, 0.0);
    operator.stop().await?;
    Ok(())
}

/// The versions once several rounds of planning have passed without a write.
async fn settled<F>(admin: std::net::SocketAddr, versions: &F) -> anyhow::Result<Vec<Option<String>>>
where
    F: AsyncFn() -> anyhow::Result<Vec<Option<String>>>,
{
    loop {
        let (writes, rounds) = (
            metric(admin, "pointsman_status_writes_total").await?,
            metric(admin, "pointsman_status_rounds_total").await?,
        );
        wait_for("five rounds pass", LONG, || async {
            Ok((metric(admin, "pointsman_status_rounds_total").await? >= rounds + 5.0).then_some(()))
        })
        .await?;
        if metric(admin, "pointsman_status_writes_total").await? == writes {
            return versions().await;
        }
    }
}

#[tokio::test]
async fn events_tell_what_happened_to_an_object() -> anyhow::Result<()> {
    let shared = shared().await?;
    let namespace = &shared.control_plane.create_namespace("events").await?;
    shared.control_plane.apply_yaml(&policy("p", namespace, &["m"], "")).await?;
    condition(&shared.client, ("rpol", namespace, "p"), "Ready", "False", "UnknownModel").await?;
    shared.control_plane.apply_yaml(&provider("sim", namespace, &["m"])).await?;
    condition(&shared.client, ("rpol", namespace, "p"), "Ready", "True", "Ready").await?;
    wait_for("both events are written", LONG, || async {
        let arguments = [
            "get",
            "events.events.k8s.io",
            "-n",
            namespace,
            "-o",
            "jsonpath={range .items[*]}{.regarding.name} {.reason} {.reportingController}{'\\n'}{end}",
        ];
        let events = shared.control_plane.run_kubectl(&arguments).await?;
        let written = |line: &str| events.lines().any(|event| event == line);
        Ok((written("p NotResolved pointsman") && written("p Published pointsman")).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_admin_port_says_alive_ready_and_the_metrics() -> anyhow::Result<()> {
    let shared = shared().await?;
    wait_for("it is ready", LONG, || async {
        Ok((get(shared.admin, "/readyz").await?.0 == 200).then_some(()))
    })
    .await?;
    assert_eq!(get(shared.admin, "/healthz").await?, (200, "ok\n".to_owned()));
    assert_eq!(get(shared.admin, "/other").await?.0, 404);
    assert!(metric(shared.admin, "pointsman_worlds_published_total").await? >= 1.0);
    Ok(())
}
