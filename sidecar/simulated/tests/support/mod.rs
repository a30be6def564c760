//! A provider and a plain HTTP client for the tests beside this folder.
#![allow(dead_code, clippy::unwrap_used)]

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use pointsman_simulated::{Failures, Running, Simulated, SimulatedConfig, SimulatedModel};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub(crate) const OUTCOMES: &str = r#"{"id":"q1","prompt":"right?","in_tokens":100,"answers":{"small":{"right":1,"out_tokens":40},"large":{"right":1,"out_tokens":50}}}
{"id":"q2","prompt":"wrong?","in_tokens":200,"answers":{"small":{"right":0,"out_tokens":30}}}
"#;

/// What an hour of waiting looks like to a test: a call in flight that never ends by itself.
pub(crate) const FOREVER: f64 = 1e-3;
/// Waits that are over at once.
pub(crate) const AT_ONCE: f64 = 1e9;

pub(crate) fn model(name: &str, input_price: u64, output_price: u64) -> SimulatedModel {
    SimulatedModel {
        name: name.into(),
        input_price,
        output_price,
        first_token_ms: 1,
        tokens_per_second: 1,
        output_tokens: 20,
    }
}

pub(crate) fn start(clock_factor: f64, failures: Failures) -> Running {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), OUTCOMES).unwrap();
    let models = vec![model("small", 75_000_001, 300_000_001), model("large", 1_250_000_000, 5_000_000_000)];
    let outcomes = Some(file.path().to_owned());
    let config = SimulatedConfig { name: "sim".into(), models, outcomes, clock_factor, failures };
    Simulated::start(config).unwrap()
}

pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> std::io::Result<Connection> {
        let (sender, connection) = handshake(TokioIo::new(TcpStream::connect(addr).await?)).await.unwrap();
        tokio::spawn(connection);
        Ok(Connection(sender))
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> hyper::Result<Response<Incoming>> {
        let body = Full::new(Bytes::from(body.to_string()));
        let request = Request::builder().method(method).uri(path).header("host", "sim").body(body).unwrap();
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    pub(crate) async fn chat(&mut self, body: &Value) -> hyper::Result<Response<Incoming>> {
        self.send("POST", "/v1/chat/completions", body).await
    }

    pub(crate) async fn json(&mut self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        whole(self.send(method, path, body).await.unwrap()).await
    }
}

pub(crate) async fn whole(response: Response<Incoming>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// All events of a stream, without `[DONE]`, which must be the last.
pub(crate) async fn events(response: Response<Incoming>) -> Vec<Value> {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    let mut lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(lines.pop(), Some("[DONE]"));
    lines.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn call(model: &str, prompt: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": prompt}]})
}

pub(crate) fn with(mut call: Value, key: &str, value: Value) -> Value {
    call[key] = value;
    call
}

pub(crate) fn streamed(call: Value) -> Value {
    with(with(call, "stream", json!(true)), "stream_options", json!({"include_usage": true}))
}

/// Waits until the books say so.
pub(crate) async fn until(running: &Running, reached: impl Fn(&pointsman_simulated::BooksReport) -> bool) {
    for _ in 0..60_000 {
        if reached(&running.books()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    panic!("not reached: {:?}", running.books());
}
