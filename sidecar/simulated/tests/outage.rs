//! Is a dark provider really gone, and really back afterwards?
#![allow(clippy::unwrap_used)]

mod support;

use http_body_util::BodyExt;
use pointsman_simulated::{Availability, Failures, InFlight, Running, Simulated, SimulatedConfig};
use serde_json::{Value, json};
use std::io::ErrorKind;
use support::{AT_ONCE, Connection, call, model, start, streamed, until, whole};

async fn switch(running: &Running, state: &Value) {
    let mut control = Connection::open(running.control).await.unwrap();
    let (status, _) = control.json("PUT", "/_simulated/availability", state).await;
    assert_eq!(status.as_u16(), 200);
}

async fn connects(running: &Running) -> Result<Connection, ErrorKind> {
    Connection::open(running.addr).await.map_err(|error| error.kind())
}

async fn until_refused(running: &Running) {
    while connects(running).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(connects(running).await.err(), Some(ErrorKind::ConnectionRefused));
}

async fn until_up(running: &Running) -> Connection {
    loop {
        match connects(running).await {
            Ok(connection) => return connection,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_dark_provider_refuses_connections_and_comes_back_on_the_same_port() {
    let running = start(AT_ONCE, Failures::default());
    let mut kept = Connection::open(running.addr).await.unwrap();
    assert!(kept.chat(&call("small", "right?")).await.is_ok());
    for _ in 0..3 {
        switch(&running, &json!({"state": "Dark"})).await;
        until_refused(&running).await;
        assert!(
            kept.chat(&call("small", "right?")).await.is_err(),
            "a kept connection was answered in the dark"
        );
        switch(&running, &json!({"state": "Up"})).await;
        kept = until_up(&running).await;
        let (status, _) = whole(kept.chat(&call("small", "right?")).await.unwrap()).await;
        assert_eq!(status.as_u16(), 200);
    }
    assert_eq!(running.books().total.answered, 4);
}

#[tokio::test]
async fn an_outage_cuts_calls_in_flight_and_bills_only_what_they_got() {
    let running = start(0.01, Failures::default());
    let mut streaming = Connection::open(running.addr).await.unwrap();
    let mut response = streaming.chat(&streamed(call("small", "right?"))).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    let mut waiting = Connection::open(running.addr).await.unwrap();
    let waiting = tokio::spawn(async move { waiting.chat(&call("large", "right?")).await.is_ok() });
    until(&running, |books| books.in_flight == 2).await;
    running.set_availability(Availability::Dark { in_flight: InFlight::Cut });
    running.set_availability(Availability::Up);
    assert!(!waiting.await.unwrap(), "a call was answered through an outage");
    assert!(response.into_body().collect().await.is_err(), "a stream ended as if nothing had happened");
    let books = running.books();
    assert_eq!((books.total.answered, books.models["small"].cut, books.models["large"].cut), (0, 1, 1));
    assert_eq!((books.total.output_tokens, books.total.input_tokens), (1, 100), "only the stream got tokens");
}

#[tokio::test]
async fn a_soft_outage_lets_calls_finish_and_sends_further_ones_away() {
    // 0.4 s for the whole answer, so that the outage below falls into it; were it later, the test would only show less.
    let running = start(100.0, Failures::default());
    let mut idle = Connection::open(running.addr).await.unwrap();
    idle.json("GET", "/v1/models", &Value::Null).await;
    let mut connection = Connection::open(running.addr).await.unwrap();
    let mut response = connection.chat(&streamed(call("small", "right?"))).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    switch(&running, &json!({"state": "Dark", "inFlight": "Finish"})).await;
    until_refused(&running).await;
    let (status, _) = whole(idle.chat(&call("small", "right?")).await.unwrap()).await;
    assert_eq!(status.as_u16(), 503);
    assert!(idle.chat(&call("small", "right?")).await.is_err(), "the connection was kept open");
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
    until(&running, |books| books.total.answered == 1).await;
}

#[tokio::test]
async fn nonsense_is_refused_by_the_switch() {
    let running = start(AT_ONCE, Failures::default());
    let mut control = Connection::open(running.control).await.unwrap();
    let (status, error) = control.json("PUT", "/_simulated/availability", &json!({"state": "Off"})).await;
    assert_eq!(status.as_u16(), 400);
    assert!(error["error"]["message"].as_str().unwrap().contains(r#"{"state":"Dark"}"#));
    let (status, _) = whole(control.chat(&call("small", "right?")).await.unwrap()).await;
    assert_eq!(status.as_u16(), 404, "calls are answered on the data address only");
}

#[tokio::test]
async fn stopping_frees_both_ports() {
    let running = start(AT_ONCE, Failures::default());
    let (addr, control) = (running.addr, running.control);
    running.stop();
    for addr in [addr, control] {
        while Connection::open(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_served_does_not_start() {
    let config = |outcomes: Option<&str>, clock_factor| SimulatedConfig {
        name: "sim".into(),
        models: vec![model("small", 1, 1)],
        outcomes: outcomes.map(Into::into),
        clock_factor,
        failures: Failures::default(),
    };
    for (config, says) in
        [(config(None, 0.0), "clock_factor"), (config(Some("/no/file.jsonl"), 1.0), "file.jsonl")]
    {
        let error = Simulated::start(config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(says), "{error}");
    }
}
