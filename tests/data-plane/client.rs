//! A caller without any comfort: bytes out, bytes in.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A response as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn id(&self) -> &str {
        self.header("x-request-id").unwrap_or_default()
    }

    /// The text of the first choice.
    pub(crate) fn text(&self) -> String {
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }

    /// The payloads of the events of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.body.split("\n\n").filter(|event| !event.is_empty());
        events.map(|event| event.trim_start_matches("data: ").to_owned()).collect()
    }

    /// The text that a stream carried.
    pub(crate) fn streamed_text(&self) -> String {
        let delta = |event: &String| {
            let chunk: Value = serde_json::from_str(event).ok()?;
            Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned())
        };
        self.events().iter().filter_map(delta).collect()
    }
}

/// Sends one request on a connection of its own and reads until that closes.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = open(address, method, path, headers, body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.context("failed to read the answer")?;
    parse(&answer)
}

/// Sends a request and leaves the reading to the caller.
pub(crate) async fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    if method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(stream)
}

/// A chat completion request for `model`.
pub(crate) fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "one two three" }] })
}

/// The same, streamed.
pub(crate) fn streamed(model: &str) -> Value {
    let mut body = chat(model);
    body["stream"] = json!(true);
    body
}

/// Sends a chat completion.
pub(crate) async fn call(address: SocketAddr, body: &Value) -> Result<Answer> {
    post(address, "/v1/chat/completions", body).await
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Answer> {
    send(address, "POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    send(address, "GET", path, &[], b"").await
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| anyhow!("no head: {bytes:?}"))?;
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &bytes[end + 4..];
    let body = if chunked { unchunk(body) } else { body.to_vec() };
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// Joins chunks, as far as they came.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = rest.windows(2).position(|w| w == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let start = line + 2;
        let Some(chunk) = rest.get(start..start + size) else { break };
        whole.extend_from_slice(chunk);
        rest = rest.get(start + size + 2..).unwrap_or_default();
    }
    whole
}
