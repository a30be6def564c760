//! A small HTTP client: one connection per call, whole answers or piece by piece.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Where calls go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer of which the head has come.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

/// A chat completion request with one user message.
pub(crate) fn ask(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 60})
}

/// The same, streamed.
pub(crate) fn ask_streamed(model: &str, text: &str) -> Value {
    let mut ask = ask(model, text);
    ask["stream"] = true.into();
    ask
}

impl Client {
    pub(crate) async fn get(self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, Bytes::new()).await?.whole().await
    }

    pub(crate) async fn chat(self, ask: &Value) -> anyhow::Result<Answer> {
        self.post("/v1/chat/completions", ask.to_string()).await
    }

    pub(crate) async fn post(self, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, body.into()).await?.whole().await
    }

    /// Calls, and returns with the head of the answer.
    pub(crate) async fn open(self, ask: &Value) -> anyhow::Result<Opened> {
        self.send(Method::POST, "/v1/chat/completions", ask.to_string().into()).await
    }

    async fn send(self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Opened> {
        let stream = TcpStream::connect(self.0).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, self.0.to_string()).header(CONTENT_TYPE, "application/json");
        // As stock clients do; it must not reach any provider.
        let request = request.header("authorization", "Bearer placeholder-of-the-application");
        let response = sender.send_request(request.body(Full::new(body))?).await?;
        let (head, body) = response.into_parts();
        Ok(Opened { status: head.status.as_u16(), headers: head.headers, body })
    }
}

impl Opened {
    /// Reads the rest.
    pub(crate) async fn whole(self) -> anyhow::Result<Answer> {
        let Self { status, headers, body } = self;
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        Ok(Answer { status, headers, body })
    }

    /// Reads until `needle` has come, and gives everything up to there and what came with it.
    pub(crate) async fn until(&mut self, needle: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        while !text.contains(needle) {
            let frame =
                self.body.frame().await.with_context(|| format!("{needle:?} never came: {text}"))??;
            text.push_str(std::str::from_utf8(&frame.into_data().unwrap_or_default())?);
        }
        Ok(text)
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `error.code`, where the answer is an error in OpenAI's shape.
    pub(crate) fn code(&self) -> Option<String> {
        Some(self.json().ok()?.pointer("/error/code")?.as_str()?.to_owned())
    }

    /// What `x-pointsman-cost` says, in nano-USD.
    pub(crate) fn cost_nano(&self) -> anyhow::Result<u64> {
        nano(self.header("x-pointsman-cost").with_context(|| format!("no cost: {:?}", self.headers))?)
    }
}

/// An exact decimal of USD in nano-USD.
pub(crate) fn nano(usd: &str) -> anyhow::Result<u64> {
    let (whole, part) = usd.split_once('.').unwrap_or((usd, ""));
    anyhow::ensure!(part.len() <= 9, "{usd} has more than nine decimals");
    Ok(whole.parse::<u64>()? * 1_000_000_000 + format!("{part:0<9}").parse::<u64>()?)
}
