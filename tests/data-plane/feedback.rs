//! Feedback finds its call by either of its ids, the last word wins, and trainers get rows without a word of text.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use pointsman_sidecar::{CallRow, CallStore, Config, StoreError};
use pointsman_test_support::provider::Provider;
use pointsman_test_support::wait_for;
use serde_json::json;

use crate::client::{call, chat, get, post, streamed};
use crate::scoring::{objects, routing_model, world};
use crate::world::World;

/// Keeps rows in memory.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<CallRow>>>);

impl CallStore for Rows {
    fn keep(&mut self, rows: &[CallRow]) -> Result<(), StoreError> {
        self.0.lock().unwrap().extend_from_slice(rows);
        Ok(())
    }

    fn feedback(&mut self, id: &str, score: f64) -> Result<Option<CallRow>, StoreError> {
        let mut rows = self.0.lock().unwrap();
        let named = |row: &&mut CallRow| row.id == id || row.completion_id.as_deref() == Some(id);
        Ok(rows.iter_mut().find(named).map(|row| {
            let before = row.clone();
            row.feedback = Some(score);
            before
        }))
    }

    fn rows(&self, after: &str, most: usize) -> Result<Vec<CallRow>, StoreError> {
        let rows = self.0.lock().unwrap();
        Ok(rows.iter().filter(|row| row.id.as_str() > after).take(most).cloned().collect())
    }
}

#[tokio::test]
async fn feedback_is_taken_by_either_id_and_the_last_word_wins() -> Result<()> {
    let provider = Provider::start();
    let (world, _) = world(objects(&provider)).await?;
    let answer = call(world.address, &chat("auto")).await?;
    let completion = answer.json()["id"].as_str().unwrap().to_owned();
    for (body, score, before) in [
        (json!({"id": answer.id(), "score": 0.25}), 0.25, None),
        (json!({"id": completion, "thumbs": "up"}), 1.0, Some(0.25)),
        (json!({"id": completion, "thumbs": "up"}), 1.0, Some(1.0)),
        (json!({"id": answer.id(), "thumbs": "down"}), 0.0, Some(1.0)),
    ] {
        let taken = post(world.address, "/v1/feedback", &body).await?;
        assert_eq!(taken.status, 200, "{}", taken.body);
        let mut expected = json!({"id": answer.id(), "score": score, "kept": false});
        if let Some(before) = before {
            expected["replaced"] = json!(before);
        }
        assert_eq!(taken.json(), expected);
        let record = get(world.address, &format!("/v1/calls/{}", answer.id())).await?.json();
        assert_eq!(record["feedback"], json!(score));
    }
    let stream = call(world.address, &streamed("auto")).await?;
    let event = stream.events().into_iter().find(|event| event.contains("chatcmpl")).unwrap();
    let chunk: serde_json::Value = serde_json::from_str(event.trim().trim_start_matches("data: "))?;
    let body = json!({"id": chunk["id"], "score": 0.5});
    assert_eq!(post(world.address, "/v1/feedback", &body).await?.json()["id"], json!(stream.id()));
    Ok(())
}

#[tokio::test]
async fn feedback_that_cannot_be_taken_says_which_field_and_what_to_send() -> Result<()> {
    let provider = Provider::start();
    let (world, _) = world(objects(&provider)).await?;
    for (body, status, code, says) in [
        (
            json!({"id": "req_01HF7YAT00AAAAAAAA", "score": 1}),
            404,
            "call_not_found",
            "not among the recent ones",
        ),
        (json!({"id": "x", "score": 1.5}), 400, "invalid_feedback", "write a number from 0 to 1"),
        (json!({"id": "x"}), 400, "invalid_feedback", "score or thumbs"),
        (json!({"id": "x", "score": 1, "thumbs": "up"}), 400, "invalid_feedback", "either score or thumbs"),
        (json!({"id": "x", "thumbs": "sideways"}), 400, "invalid_feedback", "send {"),
        (json!({"score": 1}), 400, "invalid_feedback", "missing field `id`"),
    ] {
        let refused = post(world.address, "/v1/feedback", &body).await?;
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        let error = &refused.json()["error"];
        assert_eq!(error["code"], code, "{body}");
        assert!(error["message"].as_str().unwrap().contains(says), "{body}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn scored_calls_are_kept_with_their_features_and_without_a_word_of_text() -> Result<()> {
    let provider = Provider::start();
    let rows = Rows::default();
    let config = Config {
        routing_model: Some(routing_model().0),
        calls: Some(Box::new(rows.clone())),
        ..Config::default()
    };
    let world = World::start_with(config, objects(&provider)).await?;
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": "A proof, in confidence."}]});
    let answer = call(world.address, &body).await?;
    let feedback = json!({"id": answer.id(), "score": 0.75});
    let taken = post(world.address, "/v1/feedback", &feedback).await?.json();
    assert_eq!(taken, json!({"id": answer.id(), "score": 0.75, "kept": true}));
    // A call that was not scored is answered, and teaches nothing.
    call(world.address, &chat("small")).await?;
    let kept = rows.0.lock().unwrap().clone();
    let [row] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((row.id.as_str(), row.picked.as_str(), row.feedback), (answer.id(), "large", Some(0.75)));
    assert_eq!(row.features, "003f803f", "0.5 and 1 in sixteen bits each");
    assert_eq!((row.extractor.as_str(), row.extractor_version), ("words", 1));
    assert!((row.scores["large"] - 0.9).abs() < 1e-6 && row.cost_nano > 0);
    assert!(!serde_json::to_string(row)?.contains("confidence"));
    assert!((row.said.unwrap() - 0.9).abs() < 1e-6 && row.mean.is_some());
    // The same is read off the running process.
    let listed = get(world.address, "/v1/calls?rated=true").await?;
    assert_eq!(listed.body.lines().count(), 1, "{}", listed.body);
    assert_eq!(serde_json::from_str::<CallRow>(&listed.body)?, *row);
    assert_eq!(get(world.address, &format!("/v1/calls?after={}", answer.id())).await?.body, "");
    assert_eq!(get(world.address, "/v1/calls?before=1").await?.status, 400);
    // Without feedback, rows follow within a tick.
    call(world.address, &body).await?;
    let two = || async { Ok((rows.0.lock().unwrap().len() == 2).then_some(())) };
    wait_for("the second row", Duration::from_secs(20), two).await?;
    Ok(())
}
