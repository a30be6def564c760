//! Does a client of the OpenAI chat API get what it asked for?
#![allow(clippy::unwrap_used)]

mod support;

use pointsman_simulated::Failures;
use serde_json::{Value, json};
use support::{AT_ONCE, Connection, call, events, start, streamed, whole, with};

async fn answer(body: Value) -> (u16, Value) {
    let running = start(AT_ONCE, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    let (status, answer) = whole(connection.chat(&body).await.unwrap()).await;
    (status.as_u16(), answer)
}

fn summary(answer: &Value) -> (u64, u64, &str, bool, bool) {
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    (
        answer["usage"]["prompt_tokens"].as_u64().unwrap(),
        answer["usage"]["completion_tokens"].as_u64().unwrap(),
        answer["choices"][0]["finish_reason"].as_str().unwrap(),
        content.ends_with("(graded right)"),
        content.ends_with("(graded wrong)"),
    )
}

#[tokio::test]
async fn recorded_answers_are_replayed_and_others_are_filler() {
    for (body, expected) in [
        (call("small", "right?"), (100, 40, "stop", true, false)),
        (call("small", "wrong?"), (200, 30, "stop", false, true)),
        (call("large", "wrong?"), (200, 20, "stop", false, false)),
        (call("small", "never asked before"), (5, 20, "stop", false, false)),
        (with(call("small", "right?"), "max_tokens", json!(40)), (100, 40, "stop", true, false)),
        (with(call("small", "right?"), "max_tokens", json!(39)), (100, 39, "length", false, false)),
        (with(call("small", "wrong?"), "max_completion_tokens", json!(1)), (200, 1, "length", false, false)),
    ] {
        let (status, answer) = answer(body.clone()).await;
        assert_eq!((status, summary(&answer)), (200, expected), "{body}");
    }
}

#[tokio::test]
async fn a_token_is_a_word_in_either_form() {
    let (_, answer) = answer(call("large", "right?")).await;
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let words = content.strip_suffix("(graded right)").unwrap().split_whitespace().count();
    assert_eq!(words, 49, "49 words and the grade are 50 tokens");
}

#[tokio::test]
async fn a_stream_says_the_same_as_a_whole_answer() {
    let running = start(AT_ONCE, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    for body in
        [call("small", "right?"), call("large", "?"), with(call("small", "wrong?"), "max_tokens", json!(17))]
    {
        let (_, expected) = whole(connection.chat(&body).await.unwrap()).await;
        let told = events(connection.chat(&streamed(body)).await.unwrap()).await;
        let content: String =
            told.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        let finish: Vec<&str> =
            told.iter().filter_map(|event| event["choices"][0]["finish_reason"].as_str()).collect();
        assert_eq!(json!(content), expected["choices"][0]["message"]["content"]);
        assert_eq!(json!(finish), json!([expected["choices"][0]["finish_reason"]]));
        assert_eq!(told.last().unwrap()["usage"], expected["usage"]);
        assert_eq!(told.last().unwrap()["choices"], json!([]));
    }
}

#[tokio::test]
async fn a_stream_without_include_usage_carries_none() {
    let running = start(AT_ONCE, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    let body = with(call("small", "right?"), "stream", json!(true));
    let told = events(connection.chat(&body).await.unwrap()).await;
    assert!(told.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(told.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_the_same_dialect() {
    for (body, status, code) in [
        (call("huge", "?"), 404, "model_not_found"),
        (json!({"model": "small", "messages": []}), 400, "invalid_request"),
        (json!("text"), 400, "invalid_request"),
    ] {
        let (got, error) = answer(body).await;
        assert_eq!((got, error["error"]["code"].as_str()), (status, Some(code)));
    }
}

#[tokio::test]
async fn models_are_listed() {
    let running = start(AT_ONCE, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    let (status, list) = connection.json("GET", "/v1/models", &Value::Null).await;
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!((status.as_u16(), names), (200, vec![&json!("small"), &json!("large")]));
    assert_eq!(connection.json("GET", "/v1/engines", &Value::Null).await.0.as_u16(), 404);
}
