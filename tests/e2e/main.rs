//! A real API server, the operator as a process with no rights but its own, a sidecar as a process with a pod's token:
//! what a platform engineer applies and then sees.
#![allow(clippy::unwrap_used)]

mod cluster;
mod observe;
mod plans;
mod wiring;

use std::time::{Duration, Instant};

use cluster::{Cluster, Sidecar};
use pointsman_test_support::provider::{Model, Price};
use pointsman_test_support::{LONG, wait_for};
use serde_json::json;

const SMALL: &str = "gpt-small";
const LARGE: &str = "gpt-large";
const SMALL_PRICE: Price = Price { input: 150_000_000, cached_input: 150_000_000, output: 600_000_000 };
const LARGE_PRICE: Price =
    Price { input: 2_500_000_000, cached_input: 2_500_000_000, output: 10_000_000_000 };

/// Two models behind one key.
fn provider(provider_url: &str, namespace: &str) -> String {
    format!(
        "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {{name: llm, namespace: {namespace}}}
spec:
  type: OpenAICompatible
  endpoint: {{type: URL, url: \"{provider_url}\"}}
  auth: {{apiKey: {{secretRef: {{name: llm}}}}}}
  models:
    - {{name: {SMALL}, pricing: {{input: \"0.15\", output: \"0.60\"}}, prior: {{quality: \"0.6\", outputTokens: 60}}}}
    - {{name: {LARGE}, pricing: {{input: \"2.50\", output: \"10\"}}, prior: {{quality: \"0.8\", outputTokens: 60}}}}
"
    )
}

fn four_kinds(provider_url: &str, namespace: &str) -> String {
    let provider = provider(provider_url, namespace);
    format!(
        "\
{provider}---
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {{name: default, namespace: {namespace}}}
spec:
  objective: Cost
  candidates: [{{model: {SMALL}}}, {{model: {LARGE}}}]
---
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {{name: month, namespace: {namespace}}}
spec:
  limits: [{{name: month, amount: 500 USD, window: Month}}]
---
apiVersion: pointsman.dev/v1alpha1
kind: ABTest
metadata: {{name: large-first, namespace: {namespace}}}
spec:
  policyRef: {{name: default}}
  controlName: control
  variants:
    - {{name: control, weight: 50}}
    - {{name: large, weight: 50, override: {{type: Model, model: {{name: {LARGE}}}}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_served_and_what_is_spent_comes_back() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    // An answer of the large model costs ten dollars, so that columns have something to tell.
    cluster.provider.serve(LARGE, Model { reasoning_tokens: 1_000_000, ..Model::priced(LARGE_PRICE) });
    let mut sidecar = cluster.sidecar(&namespace, "support-bot").await?;
    sidecar.wait_until_ready().await?;

    // One call is answered, by the cheap model, with the key that only the operator and the sidecar have seen.
    let answer = sidecar.chat("auto", "hello").await?;
    assert_eq!(answer.header("x-pointsman-model"), SMALL);
    assert_eq!(answer.header("x-pointsman-policy"), format!("{namespace}/default"));
    assert_eq!(cluster.provider.requests()[0].header("authorization"), Some("Bearer sk-e2e"));

    // kubectl wait works for all four kinds.
    for object in ["llmp/llm", "rpol/default", "bgt/month", "abt/large-first"] {
        cluster
            .kubectl(&["wait", "--for=condition=Ready", object, "-n", &namespace, "--timeout=60s"])
            .await?;
    }

    // An edit reaches the sidecar and restarts nothing.
    let patch = json!({"spec": {"objective": "Quality"}}).to_string();
    cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &patch]).await?;
    let edited = Instant::now();
    wait_for("the edited policy is served", LONG, || async {
        let answer = sidecar.chat("auto", "hello").await?;
        Ok((answer.header("x-pointsman-model") == LARGE).then_some(()))
    })
    .await?;
    eprintln!("the edit was served {:.2} s after kubectl came back", edited.elapsed().as_secs_f64());

    // Streams count too.
    let streamed = sidecar.stream("auto", "hello").await?;
    assert!(streamed.body.ends_with("data: [DONE]\n\n"), "{}", streamed.body);

    // What the provider billed is what the objects' status says, to the nano-dollar.
    let billed = cluster.provider.billed_nano();
    assert!(billed > 0);
    let usd = pointsman_config::money::Nano(billed).to_string();
    wait_for("status agrees with the provider's books", LONG, || async {
        let spent = cluster.json_path("bgt/month", &namespace, "{.status.limits[0].spent}").await?;
        anyhow::ensure!(same_amount(&spent, &usd), "the budget says {spent}, the provider billed {usd}");
        let rows = cluster.json_path("rpol/default", &namespace, "{.status.models[*].spent}").await?;
        let sum: u64 = rows.split_whitespace().map(nano).sum();
        Ok((sum == billed).then_some(()))
    })
    .await?;

    // The columns are truthful.
    let cents = (billed + 5_000_000) / 10_000_000;
    let (spent, used) = (format!("${}.{:02}", cents / 100, cents % 100), format!("{}%", cents / 500));
    let columns = cluster.kubectl(&["get", "llmp,rpol,abt,bgt", "-n", &namespace]).await?;
    for (kind, cells) in [
        ("llmprovider", vec!["OpenAICompatible", "True", "Healthy", "2/2"]),
        ("routingpolicy", vec!["Quality", "True", "Serving", "1/1", "100%", &spent]),
        ("abtest", vec!["Draft", "True"]),
        ("budget", vec!["$500/Month", &spent, &used]),
    ] {
        let line = columns.lines().find(|line| line.starts_with(kind)).unwrap_or_default();
        let told: Vec<&str> = line.split_whitespace().collect();
        for cell in cells {
            assert!(told.contains(&cell), "{kind} says {cell}:\n{columns}");
        }
    }
    let counting = cluster
        .json_path("bgt/month", &namespace, "{.status.conditions[?(@.type=='CountingOnly')].status}")
        .await?;
    assert_eq!(counting, "True");

    // The key is nowhere on the sidecar's disk, nor in what either process said.
    assert!(!sidecar.disk_contains("sk-e2e")?, "a key on the sidecar's disk");
    assert!(!sidecar.output().contains("sk-e2e") && !cluster.operator_output().contains("sk-e2e"));

    // The sidecar leaves in good order: its last report counts.
    sidecar.chat("auto", "one more").await?;
    sidecar.stop().await?;
    let usd = pointsman_config::money::Nano(cluster.provider.billed_nano()).to_string();
    wait_for("the last call is accounted for", LONG, || async {
        let spent = cluster.json_path("bgt/month", &namespace, "{.status.limits[0].spent}").await?;
        Ok(same_amount(&spent, &usd).then_some(()))
    })
    .await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_object_blocks_nothing_across_restarts_of_either_side() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace("shop").await?;
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    let mut sidecar = cluster.sidecar(&namespace, "support-bot").await?;
    sidecar.wait_until_ready().await?;
    sidecar.chat("auto", "hello").await?;

    // A rule whose expression no schema can check.
    let rule = json!({"spec": {"objective": "Quality", "rules": [{"name": "bad", "matches": [{"text": {"regex": "(?i)card (number"}}],
        "action": {"type": "Reject", "reject": {"message": "no"}}}]}})
    .to_string();
    cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &rule]).await?;
    cluster
        .kubectl(&[
            "wait",
            "--for=condition=Accepted=False",
            "rpol/default",
            "-n",
            &namespace,
            "--timeout=60s",
        ])
        .await?;
    let message = cluster
        .json_path("rpol/default", &namespace, "{.status.conditions[?(@.type=='Accepted')].message}")
        .await?;
    assert!(message.contains("spec.rules[0].matches[0].text.regex"), "{message}");

    // The last good version serves on, through a restart of each side, and without the operator.
    assert_eq!(sidecar.chat("auto", "hello").await?.header("x-pointsman-model"), SMALL);
    cluster.restart_operator().await?;
    sidecar.restart().await?;
    sidecar.wait_until_ready().await?;
    wait_for("the restarted sidecar serves the last good version", LONG, || async {
        let answer = sidecar.chat("auto", "hello").await?;
        Ok((answer.header("x-pointsman-model") == SMALL).then_some(()))
    })
    .await?;

    // Other objects move on: another policy of the same namespace is taken at once.
    let other = format!(
        "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: other, namespace: {namespace}}}\n\
         spec: {{virtualModels: [best], objective: Quality, candidates: [{{model: {LARGE}}}]}}\n"
    );
    cluster.api.apply_yaml(&other).await?;
    wait_for("the other policy is served", LONG, || async {
        let answer = sidecar.chat("best", "hello").await?;
        Ok((answer.status == 200 && answer.header("x-pointsman-model") == LARGE).then_some(()))
    })
    .await?;

    // Mended, it is served again; deleted, it is gone.
    let mended = json!({"spec": {"rules": null}}).to_string();
    cluster.kubectl(&["patch", "rpol", "default", "-n", &namespace, "--type=merge", "-p", &mended]).await?;
    wait_for("the mended policy is served", LONG, || async {
        let answer = sidecar.chat("auto", "hello").await?;
        Ok((answer.header("x-pointsman-model") == LARGE).then_some(()))
    })
    .await?;
    cluster.kubectl(&["delete", "rpol", "other", "-n", &namespace]).await?;
    wait_for("the deleted policy is gone", LONG, || async {
        Ok((sidecar.chat("best", "hello").await?.status == 404).then_some(()))
    })
    .await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_read_only_where_a_role_binding_says_so_and_rotates_without_a_restart() -> anyhow::Result<()>
{
    let mut cluster = Cluster::start().await?;
    let namespace = cluster.namespace_without_consent("shop").await?;
    cluster.provider.require_key("sk-e2e");
    cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), &namespace)).await?;
    cluster
        .kubectl(&[
            "wait",
            "--for=condition=ResolvedRefs=False",
            "llmp/llm",
            "-n",
            &namespace,
            "--timeout=60s",
        ])
        .await?;
    let message = cluster
        .json_path("llmp/llm", &namespace, "{.status.conditions[?(@.type=='ResolvedRefs')].message}")
        .await?;
    assert!(message.contains("kubectl create rolebinding"), "{message}");

    cluster.consent(&namespace).await?;
    cluster
        .kubectl(&["wait", "--for=condition=Ready", "llmp/llm", "-n", &namespace, "--timeout=60s"])
        .await?;
    let sidecar = cluster.sidecar(&namespace, "support-bot").await?;
    sidecar.wait_until_ready().await?;
    wait_for("a call is answered with the key", LONG, || async {
        Ok((sidecar.chat("auto", "hello").await?.status == 200).then_some(()))
    })
    .await?;

    cluster.provider.require_key("sk-rotated");
    cluster.secret(&namespace, "sk-rotated").await?;
    wait_for("calls carry the new key", LONG, || async {
        Ok((sidecar.chat("auto", "hello").await?.status == 200).then_some(()))
    })
    .await?;
    cluster.stop().await
}

/// Feedback finds the sidecar that served the call, whichever pod it was given to, and no call of another namespace.
#[tokio::test(flavor = "multi_thread")]
async fn feedback_given_to_any_pod_reaches_the_one_that_served_the_call() -> anyhow::Result<()> {
    let mut cluster = Cluster::start().await?;
    let [shop, bank] = [cluster.namespace("shop").await?, cluster.namespace("bank").await?];
    for namespace in [&shop, &bank] {
        cluster.api.apply_yaml(&four_kinds(&cluster.provider.url(), namespace)).await?;
    }
    let mut served = cluster.sidecar(&shop, "served").await?;
    let asked = cluster.sidecar(&shop, "asked").await?;
    let stranger = cluster.sidecar(&bank, "stranger").await?;
    for sidecar in [&served, &asked, &stranger] {
        sidecar.wait_until_ready().await?;
    }
    let answer = served.chat("auto", "Is there a largest prime number? Prove what you say.").await?;
    let id = answer.header("x-request-id").to_owned();
    let completion = serde_json::from_str::<serde_json::Value>(&answer.body)?["id"].clone();

    // Both streams of all three are open once feedback from the other pod is taken.
    let taken = wait_for("the other pod takes the feedback", LONG, || async {
        let taken = asked.feedback(json!({"id": id, "thumbs": "down"})).await?;
        Ok((taken.status == 200).then_some(taken))
    })
    .await?;
    assert_eq!(taken.json()?, json!({"id": id, "score": 0.0, "kept": true}));
    // The row of the call has it, and the guard of the policy's scorer has learned from it, once.
    let rows = served.data("/v1/calls?rated=true").await?.body;
    let row: serde_json::Value = serde_json::from_str(&rows)?;
    assert_eq!((&row["id"], &row["feedback"]), (&json!(id), &json!(0.0)), "{rows}");
    let again = wait_for("the last word is taken, by the id of the completion", LONG, || async {
        let again = asked.feedback(json!({"id": completion, "score": 0.75})).await?;
        Ok((again.status == 200).then_some(again))
    })
    .await?;
    assert_eq!(again.json()?["id"], json!(id), "{}", again.body);
    assert!(served.data("/v1/calls?rated=true").await?.body.contains("\"feedback\":0.75"));
    assert_eq!(asked.data("/v1/calls").await?.body, "", "the other pod keeps nothing of it");
    wait_for("the policy's status tells what the guard has seen", LONG, || async {
        let path = "{.status.scorer.feedback} {.status.scorer.verdict}";
        Ok((cluster.json_path("rpol/default", &shop, path).await? == "1 Unproven").then_some(()))
    })
    .await?;

    // Nobody's calls, and calls of other namespaces, are told apart from neither side.
    for (sidecar, id) in [(&asked, "req_01HF7YAT00AAAAAAAA"), (&stranger, id.as_str())] {
        // On a machine with much to do a pod may be silent at first, which is another answer.
        let refused = wait_for("somebody says that nobody knows the call", LONG, || async {
            let refused = sidecar.feedback(json!({"id": id, "score": 1})).await?;
            anyhow::ensure!(refused.status != 200, "{}", refused.body);
            Ok((refused.status == 404).then_some(refused))
        })
        .await?;
        assert_eq!(refused.json()?["error"]["code"], "call_not_found");
        assert!(refused.body.contains("this namespace"), "{}", refused.body);
    }
    // The guard and the row outlive the sidecar.
    served.restart().await?;
    served.wait_until_ready().await?;
    let later = wait_for("feedback finds a call of before the restart", LONG, || async {
        let later = asked.feedback(json!({"id": completion, "score": 0.5})).await?;
        Ok((later.status == 200).then_some(later))
    })
    .await?;
    assert_eq!(later.json()?["id"], json!(id));
    cluster.stop().await
}

fn nano(usd: &str) -> u64 {
    pointsman_config::money::Nano::parse_usd(usd.trim_start_matches('$')).unwrap().0
}

fn same_amount(a: &str, b: &str) -> bool {
    !a.is_empty() && nano(a) == nano(b)
}

/// How long a process may take to end after a signal.
const ENDING: Duration = Duration::from_secs(30);

impl Sidecar {
    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        wait_for("the sidecar is ready", LONG, || async {
            Ok((self.get("/readyz").await? == 200).then_some(()))
        })
        .await
    }
}
