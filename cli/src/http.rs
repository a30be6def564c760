//! The little HTTP that the command line itself speaks: a GET, with TLS where the URL says so.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

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
        bail!("{url} answered {status}: {}", String::from_utf8_lossy(&body).trim());
    }
    Ok(body)
}
