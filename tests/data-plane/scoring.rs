//! Texts are scored before a model is chosen, and every place that shows a decision says by what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::Result;
use pointsman_config::policy::{ScorerConfig, ScorerKind, SessionConfig};
use pointsman_config::score_text;
use pointsman_models::scorer::manifest::{self, Calibration, Extractor, Input, KnownModel, Made};
use pointsman_models::scorer::{Features, Manifest, Prediction, RoutingModel, ScoreText, Scorer, Scratch};
use pointsman_sidecar::Config;
use pointsman_test_support::provider::Provider;
use serde_json::{Value, json};

use crate::client::{Answer, call, get, post, send};
use crate::world::{Objects, World};

/// Finds "large" good at proofs and "small" good at everything else.
struct ByWord {
    asked: Arc<AtomicU64>,
    tasks: Vec<Arc<str>>,
}

impl Scorer for ByWord {
    fn predict(&self, text: &ScoreText, _: &mut Scratch) -> Prediction {
        self.asked.fetch_add(1, Relaxed);
        let proof = text.as_str().contains("proof");
        Prediction {
            quality: Box::new(if proof { [0.9, 0.2] } else { [0.6, 0.8] }),
            length: Box::default(),
            difficulty: if proof { 1.0 } else { -1.0 },
            discrimination: 1.0,
            complexity: None,
            task: Some(u16::from(proof)),
            features: Features::of(&[0.5, 1.0]),
        }
    }

    fn tasks(&self) -> &[Arc<str>] {
        &self.tasks
    }
}

pub(crate) fn routing_model() -> (Arc<RoutingModel>, Arc<AtomicU64>) {
    let known = |name: &str| KnownModel { name: name.to_owned(), aliases: Vec::new() };
    let manifest = Manifest {
        format: manifest::FORMAT,
        name: "by-word".to_owned(),
        version: "1".to_owned(),
        kind: manifest::Kind::Embedding,
        input: Input { score_text: score_text::VERSION, max_tokens: 512 },
        extractor: Extractor { name: "words".to_owned(), version: 1 },
        models: vec![known("large"), known("small")],
        calibration: Calibration::default(),
        memory_bytes: 0,
        files: Vec::new(),
        licence: "Apache-2.0".to_owned(),
        made: Made { by: "a test".to_owned(), from: Vec::new(), on: "2026-11-21".to_owned() },
        settings: Value::Null,
    };
    let asked = Arc::new(AtomicU64::new(0));
    let tasks = vec!["chat".into(), "mathematics".into()];
    let scorer = ByWord { asked: asked.clone(), tasks };
    (Arc::new(RoutingModel::from_parts(manifest, Box::new(scorer))), asked)
}

pub(crate) async fn world(objects: Objects) -> Result<(World, Arc<AtomicU64>)> {
    let (model, asked) = routing_model();
    let config = Config { routing_model: Some(model), ..Config::default() };
    Ok((World::start_with(config, objects).await?, asked))
}

pub(crate) fn objects(provider: &Provider) -> Objects {
    Objects::new(&[("openai", provider, "large"), ("openai", provider, "small")])
}

async fn ask(world: &World, session: &str, text: &str) -> Result<Answer> {
    let body = json!({"model": "auto", "messages": [
        {"role": "system", "content": "You write proofs: proof, proof."}, {"role": "user", "content": text}]});
    let headers = [("x-session-id", session)];
    send(world.address, "POST", "/v1/chat/completions", &headers, body.to_string().as_bytes()).await
}

fn model_of(answer: &Answer) -> Option<&str> {
    answer.header("x-pointsman-model")
}

#[tokio::test]
async fn the_user_s_text_decides_which_model_answers_and_the_record_says_by_what() -> Result<()> {
    let provider = Provider::start();
    let (world, _) = world(objects(&provider)).await?;
    let proof =
        ask(&world, "", "I need a proof that there are infinitely many primes, with every step.").await?;
    assert_eq!(model_of(&proof), Some("large"));
    let chat = ask(&world, "", "What would be a good name for a small grey cat that likes to sleep?").await?;
    assert_eq!(model_of(&chat), Some("small"), "the system prompt is nobody's text");
    let record = get(world.address, &format!("/v1/calls/{}", proof.id())).await?.json();
    let routing = &record["decision"]["routing"];
    assert_eq!(routing["method"], "MaxScore over Embedding");
    assert_eq!(routing["task"], "mathematics");
    assert_eq!(routing["scorer"]["name"], "by-word");
    assert_eq!(routing["scorer"]["found"], "Model");
    assert_eq!(record["decision"]["model_ranking"][0]["quality_from"], "Scorer");
    assert!((record["decision"]["confidence"].as_f64().unwrap() - 0.9).abs() < 1e-6);
    assert!(record["decision"]["reasoning"].as_str().unwrap().contains("large"));
    Ok(())
}

#[tokio::test]
async fn the_same_text_is_scored_once_and_the_route_without_forwarding_shares_it() -> Result<()> {
    let provider = Provider::start();
    let (world, asked) = world(objects(&provider)).await?;
    let text = "Is there a proof of this which a child of ten could follow without any help?";
    for _ in 0..3 {
        ask(&world, "", text).await?;
    }
    let route = post(world.address, "/v1/route", &json!({"prompt": text})).await?.json();
    assert_eq!(asked.load(Relaxed), 1);
    assert_eq!(route["routing"]["scorer"]["found"], "Cache");
    let scorer = get(world.address, "/v1/scorer").await?.json();
    assert_eq!(scorer["texts"], json!({"scored": 1, "found_in_cache": 3, "taken_from_session": 0}));
    let metrics = get(world.address, "/metrics").await?.body;
    assert!(metrics.contains("pointsman_scores_total{found=\"cache\"} 3"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn a_short_follow_up_is_judged_like_the_text_before_it() -> Result<()> {
    let provider = Provider::start();
    let by_header = SessionConfig::Header { name: "x-session-id".to_owned() };
    let objects = objects(&provider).policy(|policy| policy.session = Some(by_header));
    let (world, asked) = world(objects).await?;
    let first =
        ask(&world, "s1", "Write down the proof that the square root of two is irrational, please.").await?;
    assert_eq!(first.header("x-pointsman-reason"), Some("picked"));
    let follow_up = ask(&world, "s1", "yes, go on").await?;
    assert_eq!(model_of(&follow_up), Some("large"));
    assert_eq!(follow_up.header("x-pointsman-reason"), Some("session"));
    assert_eq!(asked.load(Relaxed), 1);
    let stranger = ask(&world, "s2", "yes, go on").await?;
    assert_eq!((model_of(&stranger), stranger.header("x-pointsman-reason")), (Some("small"), Some("picked")));
    let long =
        ask(&world, "s1", "Something else: which of these five restaurants is open on a Sunday evening?")
            .await?;
    assert_eq!((model_of(&long), long.header("x-pointsman-reason")), (Some("small"), Some("picked")));
    Ok(())
}

#[tokio::test]
async fn a_model_that_the_scorer_does_not_know_gets_an_estimate_and_says_so() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "large"), ("openai", &provider, "newcomer")]);
    let (world, _) = world(objects).await?;
    let quality = async |text: &str| -> Result<f64> {
        let route = post(world.address, "/v1/route", &json!({"prompt": text})).await?.json();
        let ranking = route["model_ranking"].as_array().unwrap().clone();
        let newcomer = ranking.iter().find(|row| row["model"] == "newcomer").unwrap().clone();
        assert_eq!(newcomer["quality_from"], "Estimate");
        Ok(newcomer["quality"].as_f64().unwrap())
    };
    // Its prior is 0.8, and the two texts are one logit harder and easier than the average.
    let (hard, easy) = (quality("a proof").await?, quality("a chat").await?);
    assert!((hard - 0.5954).abs() < 1e-3 && (easy - 0.9158).abs() < 1e-3, "{hard} {easy}");
    let scorer = get(world.address, "/v1/scorer").await?.json();
    let sources: Vec<_> = scorer["policies"][0]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["quality_from"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, ["Scorer", "Estimate"]);
    Ok(())
}

#[tokio::test]
async fn priors_stand_where_the_policy_wants_them_or_where_nothing_can_be_scored() -> Result<()> {
    let provider = Provider::start();
    let prior = ScorerConfig { kind: ScorerKind::Prior, model: None };
    let (world, asked) = world(objects(&provider).policy(|policy| policy.scorer = prior)).await?;
    let answer =
        ask(&world, "", "What would be a good name for a small grey cat that likes to sleep?").await?;
    assert_eq!(model_of(&answer), Some("large"), "the better prior");
    let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
    assert_eq!(record["decision"]["routing"]["method"], "MaxScore over Prior");
    assert_eq!(record["decision"]["routing"]["scorer"], Value::Null);
    assert_eq!(asked.load(Relaxed), 0);
    Ok(())
}

#[tokio::test]
async fn a_routing_model_that_cannot_be_loaded_costs_no_call_and_is_told() -> Result<()> {
    let provider = Provider::start();
    let missing = ScorerConfig { kind: ScorerKind::Embedding, model: Some("missing".to_owned()) };
    let folder = tempfile::tempdir()?;
    let (model, _) = routing_model();
    let config =
        Config { routing_model: Some(model), models: Some(folder.path().to_owned()), ..Config::default() };
    let world =
        World::start_with(config, objects(&provider).policy(|policy| policy.scorer = missing)).await?;
    let answer = call(world.address, &crate::client::chat("auto")).await?;
    assert_eq!(answer.status, 200);
    let scorer = get(world.address, "/v1/scorer").await?.json();
    assert_eq!(scorer["policies"][0]["model"]["name"], "by-word", "the shipped one scores");
    let problem = scorer["policies"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("manifest.yaml") && problem.contains("put the whole folder there"), "{problem}");
    Ok(())
}
