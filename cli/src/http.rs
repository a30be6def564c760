//! The little HTTP that the command line itself speaks: a GET, with TLS where the URL says so.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Somebody answered, and said no.
#[derive(Debug)]
pub(crate) struct Refused {
    url: String,
    status: hyper::StatusCode,
    body: Bytes,
}

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    /// What the answer's own message says, where it has one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        match value.as_ref().and_then(|value| value["error"]["message"].as_str()) {
            Some(message) => f.write_str(message),
            None => {
                let body = String::from_utf8_lossy(&self.body);
                write!(f, "{} answered {}: {}", self.url, self.status, body.trim())
            }
        }
    }
}

const LARGEST_ANSWER: usize = 8 << 20;

/// Gets a URL and returns its body. An answer other than 2xx is an error that carries the body's text.
pub(crate) async fn get(url: &str, bearer: Option<&str>, patience: Duration) -> anyhow::Result<Bytes> {
    let mut request = Request::get(url);
    if let Some(key) = bearer {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    within(patience, url, request.body(Full::default())?).await
}

/// Posts JSON to a URL and returns the answer's body; errors as [`get`].
pub(crate) async fn post(url: &str, json: String, patience: Duration) -> anyhow::Result<Bytes> {
    let request = Request::post(url).header("content-type", "application/json");
    within(patience, url, request.body(Full::from(json))?).await
}

async fn within(patience: Duration, url: &str, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
    tokio::time::timeout(patience, fetch(url, request))
        .await
        .with_context(|| format!("no answer from {url} within {} s", patience.as_secs()))?
}

async fn fetch(url: &str, request: Request<Full<Bytes>>) -> anyhow::Result<Bytes> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .or_else(|_| {
            HttpsConnectorBuilder::new()
                .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
        })?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let response = client.request(request).await.with_context(|| format!("failed to reach {url}"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER);
    let body = body
        .collect()
        .await
        .map_err(|e| anyhow::anyhow!("failed to read the answer of {url}: {e}"))?
        .to_bytes();
    if !status.is_success() {
        return Err(Refused { url: url.to_owned(), status, body }.into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let refused = |body: &'static str| Refused {
            url: "http://127.0.0.1:7171/v1/calls/req_x".to_owned(),
            status: hyper::StatusCode::NOT_FOUND,
            body: Bytes::from_static(body.as_bytes()),
        };
        let own = refused(r#"{"error":{"message":"Call 'req_x' is not among the recent ones."}}"#);
        assert_eq!(own.to_string(), "Call 'req_x' is not among the recent ones.");
        let bare = refused("gone\n").to_string();
        assert_eq!(bare, "http://127.0.0.1:7171/v1/calls/req_x answered 404 Not Found: gone");
    }
}
