//! Bad policies, and the organisation's policy of last resort.

use pointsman_test_support::wait_for;

use crate::node::{PATIENT, ROOT, node};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_policy_is_refused_or_not_accepted_and_the_old_one_serves_on() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "bad-policy").await?;
    stage.only("gpt-5-nano").await?;
    stage.app("app").await?;
    let before = stage.ask("app", "auto").await?;

    // What the schema sees is refused at the door.
    let refused = stage.kubectl(&[
        "patch",
        "rpol",
        "default",
        "--type=merge",
        "-p",
        r#"{"spec":{"objective":"Best"}}"#,
    ]);
    let said = format!("{:#}", refused.await.unwrap_err());
    assert!(said.contains("spec.objective") && said.contains("Quality"), "{said}");

    // What it cannot see becomes a condition; the edit as a whole is not obeyed.
    let bad = r#"{"spec":{"candidates":[{"model":"gpt-5"}],"rules":[{"name":"bad","matches":[{"text":{"regex":"(card"}}],
        "action":{"type":"Reject","reject":{"message":"no"}}}]}}"#;
    stage.kubectl(&["patch", "rpol", "default", "--type=merge", "-p", bad]).await?;
    stage.kubectl(&["wait", "--for=condition=Accepted=False", "rpol/default", "--timeout=60s"]).await?;
    let message = stage.value("rpol/default", "{.status.conditions[?(@.type=='Accepted')].message}").await?;
    assert!(message.contains("spec.rules[0].matches[0].text.regex"), "{message}");
    assert_eq!(stage.ask("app", "auto").await?, before);

    // A new operator has never seen the good version; the pod has.
    node.operator_away().await?;
    assert_eq!(stage.ask("app", "auto").await?, before);
    node.operator_back().await?;
    // What is applied now is served by the pod once it hears of the new operator, and so of the bad version again.
    stage
        .apply(
            "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {name: other}\n\
             spec: {virtualModels: [other], candidates: [{model: gpt-5}]}\n",
        )
        .await?;
    wait_for("the pod hears of the new operator", PATIENT, || async {
        stage.ask("app", "other").await.map(Some)
    })
    .await?;
    assert_eq!(stage.ask("app", "auto").await?, before);

    stage.kubectl(&["patch", "rpol", "default", "--type=merge", "-p", r#"{"spec":{"rules":null}}"#]).await?;
    wait_for("the mended policy is obeyed", PATIENT, || async {
        Ok((stage.ask("app", "auto").await? == "gpt-5").then_some(()))
    })
    .await?;
    stage.books_agree().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_the_root_namespace_is_the_default_of_last_resort() -> anyhow::Result<()> {
    let node = node!();
    let stage = Stage::set(&node, "root-default").await?;
    stage.kubectl(&["delete", "rpol/default"]).await?;
    stage.app("app").await?;
    // The provider's namespace decides who may use it: the root namespace is another one.
    let shared = r#"{"spec":{"credentialPlacement":"Sidecar","allowedNamespaces":{"from":"All"}}}"#;
    stage.kubectl(&["patch", "llmp", "cloud", "--type=merge", "-p", shared]).await?;
    // Whoever has no policy of its own would get this one: no other story may run meanwhile.
    node.alone().await;
    let without = stage.ask("app", "auto").await?;
    let chosen = if without == "gpt-5" { "gpt-5-nano" } else { "gpt-5" };
    let name = format!("story-{}", std::process::id());
    node.apply(&format!(
        "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: {name}, namespace: {ROOT}}}\n\
         spec: {{candidates: [{{model: {chosen}, providerRefs: [{{name: cloud, namespace: {}}}]}}]}}\n",
        stage.name,
    ))
    .await?;
    let answered = async |model: &str| {
        wait_for(&format!("{model} answers \"auto\""), PATIENT, || async {
            Ok((stage.ask("app", "auto").await? == model).then_some(()))
        })
        .await
    };
    let stories = async {
        answered(chosen).await?;
        // A policy of the namespace itself comes first.
        let own = format!(
            "apiVersion: pointsman.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {{name: own}}\n\
             spec: {{candidates: [{{model: {without}}}]}}\n"
        );
        stage.apply(&own).await?;
        answered(&without).await?;
        stage.kubectl(&["delete", "rpol/own"]).await?;
        answered(chosen).await
    };
    let told = stories.await;
    node.kubectl(&["delete", &format!("rpol/{name}"), "-n", ROOT]).await?;
    told?;
    stage.books_agree().await?;
    Ok(())
}
