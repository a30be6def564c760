//! Prompts are answered, answers are rated, and `pointsman train --records` makes of that a routing model which chooses
//! better; where the ratings are noise it makes none.

use std::path::{Path, PathBuf};

use pointsman_test_support::provider::Provider;
use serde_json::json;

use crate::client::ask;
use crate::gateway::Gateway;
use crate::program::{Said, run};
use crate::world::World;

const CALLS: usize = 400;
const SUBJECTS: [&str; 10] =
    ["rain", "cats", "trains", "rivers", "bread", "glass", "winter", "ships", "clocks", "salt"];

/// The budget of a call lies between the two models, so both are drawn about as often, and the propensity says so.
const DRAWN: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: default, namespace: shop}
spec:
  objective: Quality
  candidates: [{model: gpt-x}, {model: gpt-y}]
  strategy: {optimizer: SimpleLP, maxCostPerCall: \"0.00033\"}
";

const TRAINED: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: default, namespace: shop}
spec:
  objective: Quality
  candidates: [{model: gpt-x}, {model: gpt-y}]
  scorer: {model: ours}
";

/// A sum, at which the cheap model is good, or a poem, at which the dear one is.
fn prompt(i: usize) -> String {
    let subject = SUBJECTS[i / 2 % SUBJECTS.len()];
    if i.is_multiple_of(2) {
        format!("What is {i} plus {} minus the number of {subject}?", 3 * i + 7)
    } else {
        format!("Write a short poem number {i} on {subject} and the sea.")
    }
}

fn is_good(i: usize, model: &str) -> bool {
    (model == "gpt-y") == i.is_multiple_of(2)
}

/// Asks prompts; how many answers were good. `rate` gives each call its feedback.
async fn play(
    gateway: &Gateway,
    prompts: std::ops::Range<usize>,
    rate: Option<&dyn Fn(usize, bool) -> bool>,
) -> anyhow::Result<usize> {
    let mut good = 0;
    for i in prompts {
        let answer = gateway.client.chat(&ask("auto", &prompt(i))).await?;
        let header = |name: &str| {
            answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let is_good = is_good(i, &header("x-pointsman-model"));
        good += usize::from(is_good);
        if let Some(rate) = rate {
            let thumbs = if rate(i, is_good) { "up" } else { "down" };
            let feedback = json!({"id": header("x-request-id"), "thumbs": thumbs}).to_string();
            let taken = gateway.client.post("/v1/feedback", feedback).await?;
            anyhow::ensure!(taken.status == 200, "{:?}", taken.body);
        }
    }
    Ok(good)
}

/// Lets a process answer and be rated, and prints what it has kept into a file.
async fn recorded(world: &World, rate: &dyn Fn(usize, bool) -> bool) -> anyhow::Result<(PathBuf, usize)> {
    world.write("policy.yaml", DRAWN)?;
    let gateway = Gateway::start(world).await?;
    let good = play(&gateway, 0..CALLS, Some(rate)).await?;
    let url = format!("http://{}", gateway.client.0);
    let said = run(&["records", "--rated", "--url", &url], &[])?;
    anyhow::ensure!(said.code == Some(0), "{}", said.stderr);
    drop(gateway);
    let file = world.path().join("rated.jsonl");
    std::fs::write(&file, &said.stdout)?;
    Ok((file, good))
}

fn train(records: &Path, out: &Path) -> anyhow::Result<Said> {
    let [records, out] = [records, out].map(|path| path.to_string_lossy().into_owned());
    run(&["train", "--records", &records, "--out", &out, "--name", "ours"], &[])
}

#[tokio::test]
async fn rated_calls_become_a_routing_model_that_chooses_better() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let (records, before) = recorded(&world, &|_, good| good).await?;
    let text = std::fs::read_to_string(&records)?;
    assert_eq!(text.lines().count(), CALLS, "every call was rated, and none is lost");
    assert!(!SUBJECTS.iter().any(|subject| text.contains(subject)), "no word of any text is kept");

    let models = world.path().join("models");
    let said = train(&records, &models.join("ours"))?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for part in ["400 rated calls", "by gpt-x", "by gpt-y", "blind mix", "one price", "mean gain"] {
        assert!(said.stdout.contains(part), "{part} is missing in\n{}", said.stdout);
    }

    world.write("policy.yaml", TRAINED)?;
    let models = models.to_string_lossy().into_owned();
    let manifests = world.manifests();
    let gateway = Gateway::start_with(&world, Some(&manifests), &["--models-dir", &models], &[]).await?;
    let unseen = CALLS + 600..CALLS + 700;
    let after = play(&gateway, unseen, None).await?;
    eprintln!("good answers: {before} of {CALLS} before, {after} of 100 after");
    assert!(before * 100 < 65 * CALLS, "{before} of {CALLS} were good before anything was learned");
    assert!(after >= 90, "{after} of 100 were good with what was learned");
    Ok(())
}

#[tokio::test]
async fn ratings_that_are_noise_make_no_routing_model() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    // As good as thrown dice: multiples of the golden ratio.
    let noise = |i: usize, _: bool| (i as f64 * 0.618_033_988_75 * 7.0).fract() < 0.5;
    let (records, _) = recorded(&world, &noise).await?;
    let out = world.path().join("ours");
    let said = train(&records, &out)?;
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    assert!(said.stderr.contains("does not beat the blind mix"), "{}", said.stderr);
    assert!(!out.exists(), "nothing is written");
    Ok(())
}
