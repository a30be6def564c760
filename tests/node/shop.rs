//! The first steps, as the README has them: three commands, and a stock client is answered.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use pointsman_test_support::wait_for;

use crate::node::{PATIENT, node};
use crate::stage::Stage;

const RESTRICTED: &str = "pod-security.kubernetes.io/enforce=restricted";

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_is_answered_and_an_edit_of_its_policy_restarts_nothing() -> anyhow::Result<()> {
    let node = node!();
    let shop = Stage::of(&node, "shop");
    node.kubectl(&["create", "namespace", "shop"]).await?;
    node.kubectl(&["label", "ns", "shop", "pointsman.dev/inject=enabled", RESTRICTED]).await?;
    node.kubectl(&["apply", "-k", "examples/shop"]).await?;
    shop.kubectl(&["rollout", "status", "deployment/assistant", "--timeout=180s"]).await?;

    let pods = shop.kubectl(&["get", "pods", "-l", "app=assistant"]).await?;
    let ready = pods.lines().filter(|line| line.contains("2/2") && line.contains("Running")).count();
    assert_eq!(ready, 2, "application and sidecar of both pods are ready:\n{pods}");

    // The application's container has neither a key nor an address of a provider, and is answered.
    wait_for("calls are answered", PATIENT, || async {
        Ok(answered_by(&shop).await?.is_some().then_some(()))
    })
    .await?;
    let written = shop.kubectl(&["get", "pods", "-l", "app=assistant", "-o", "yaml"]).await?;
    assert!(!written.contains("sk-not-a-real-key"));

    // What kubectl shows is what happened.
    wait_for("the columns tell", PATIENT, || async {
        let policy = shop.kubectl(&["get", "rpol"]).await?;
        let budget = shop.kubectl(&["get", "bgt"]).await?;
        let told = ["Serving", "2/2", "100%"].iter().all(|word| policy.contains(word));
        anyhow::ensure!(told && budget.contains("$5/Day"), "{policy}{budget}");
        let today = shop.value("rpol/default", "{.status.summary.today}").await?;
        let spent = shop.value("bgt/shop", "{.status.summary.spent}").await?;
        let is_money = |told: &str| told.starts_with('$') && told != "$0.00";
        Ok((is_money(&today) && is_money(&spent)).then(|| eprintln!("{policy}{budget}")))
    })
    .await?;

    // The edit is obeyed by the very same processes: another model than the one that answered last.
    let before = identities(&shop).await?;
    let first = answered_by(&shop).await?.context("calls are answered")?;
    let second = if first == "gpt-5" { "gpt-5-mini" } else { "gpt-5" };
    shop.only(second).await?;
    let edited = Timestamp::now();
    wait_for("one model answers each of the six prompts", PATIENT, || async {
        let log = shop.kubectl(&["logs", "deployment/assistant", "-c", "assistant", "--tail=6"]).await?;
        let by: Vec<&str> = log.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        anyhow::ensure!(by == [second; 6], "{log}");
        Ok(Some(()))
    })
    .await?;
    assert_eq!(identities(&shop).await?, before, "no pod and no container was started anew");
    let late = last_answer_by_another(&shop, second, edited).await?;
    eprintln!("the last answer of another model came {:.1} s after the edit", late.as_secs_f64());
    // A second is what is promised; a busy machine gets some more.
    assert!(late < SignedDuration::from_secs(5), "{late}");

    // Watching, the same pods are served what the policy names, and the columns tell what that costs too much.
    let watch = r#"{"spec":{"mode":"Observe","objective":"Cost","baseline":"gpt-5","candidates":[{"model":"gpt-5"},{"model":"gpt-5-nano"}]}}"#;
    shop.kubectl(&["patch", "rpol", "default", "--type=merge", "-p", watch]).await?;
    wait_for("the columns tell what would have been saved", PATIENT, || async {
        let policy = shop.kubectl(&["get", "rpol"]).await?;
        let saved = shop.value("rpol/default", "{.status.summary.saved}").await?;
        anyhow::ensure!(policy.contains("Observing") && policy.contains(&saved), "{policy}");
        Ok((saved.starts_with("($") && saved != "($0.00)").then(|| eprintln!("{policy}")))
    })
    .await?;
    assert_eq!(answered_by(&shop).await?.as_deref(), Some("gpt-5"), "the baseline is served");

    // Once nobody calls any more, the columns are to the nano-dollar what the provider billed.
    shop.kubectl(&["scale", "deployment/assistant", "--replicas=0"]).await?;
    shop.kubectl(&["wait", "--for=delete", "pod", "-l", "app=assistant", "--timeout=180s"]).await?;
    shop.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_provider_of_four_lines_its_secret_and_the_label_are_enough_for_auto() -> anyhow::Result<()> {
    let node = node!();
    // The shop's server stands for OpenAI's; the policy and the provider are not taken over.
    let stage = Stage::set(&node, "four-lines").await?;
    stage.kubectl(&["delete", "rpol/default", "llmp/cloud", "rolebinding/pointsman-secrets"]).await?;
    let secret = stage.value("secret/cloud", "{.metadata.name}").await?;
    stage
        .apply(&format!(
            "apiVersion: pointsman.dev/v1alpha1\nkind: LLMProvider\nmetadata: {{name: openai}}\n\
             spec: {{type: OpenAI, endpoint: {{type: Service, service: {{name: cloud, port: 8080}}}}, \
             auth: {{apiKey: {{secretRef: {{name: {secret}}}}}}}}}\n"
        ))
        .await?;

    // The condition prints the command that is missing, and the command works as printed.
    stage.kubectl(&["wait", "--for=condition=ResolvedRefs=False", "llmp/openai", "--timeout=60s"]).await?;
    let message =
        stage.value("llmp/openai", "{.status.conditions[?(@.type=='ResolvedRefs')].message}").await?;
    let command = message.split("permit it with: kubectl ").nth(1).unwrap_or_default();
    let words: Vec<&str> = command.split_whitespace().collect();
    assert!(words.starts_with(&["create", "rolebinding"]), "{message}");
    node.kubectl(&words).await?;
    stage.kubectl(&["wait", "--for=condition=Ready", "llmp/openai", "--timeout=60s"]).await?;

    stage.app("app").await?;
    let model =
        wait_for("auto is answered", PATIENT, || async { stage.ask("app", "auto").await.map(Some) }).await?;
    assert!(model.starts_with("gpt-5"), "{model}");
    stage.books_agree().await?;
    Ok(())
}

/// The model of the application's last answered call.
async fn answered_by(shop: &Stage<'_>) -> anyhow::Result<Option<String>> {
    let log = shop.kubectl(&["logs", "deployment/assistant", "-c", "assistant", "--tail=1"]).await?;
    let model = log.split_whitespace().nth(1).unwrap_or_default();
    Ok(model.starts_with("gpt-").then(|| model.to_owned()))
}

/// How long after the edit another model's last answer was written, over both pods; before it there were such answers.
async fn last_answer_by_another(
    shop: &Stage<'_>,
    model: &str,
    edited: Timestamp,
) -> anyhow::Result<SignedDuration> {
    let log = shop
        .kubectl(&["logs", "-l", "app=assistant", "-c", "assistant", "--timestamps", "--tail=-1"])
        .await?;
    let other = log.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let at: Timestamp = words.next()?.parse().ok()?;
        words.nth(1).filter(|by| *by != model).map(|_| at.duration_since(edited))
    });
    other.max().context("another model answered before the edit")
}

/// Which pods and processes there are.
async fn identities(shop: &Stage<'_>) -> anyhow::Result<String> {
    let path = "{range .items[*]}{.metadata.uid} {.status.containerStatuses[*].containerID} {.status.initContainerStatuses[*].containerID}{\"\\n\"}{end}";
    let output = format!("jsonpath={path}");
    shop.kubectl(&["get", "pods", "-l", "app=assistant", "-o", &output]).await
}
