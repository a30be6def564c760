//! A plain HTTP client for tests: one connection per request, the whole answer as text.

use anyhow::Context;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Sends a request to the host in its URI and reads the whole answer.
pub async fn send(request: Request<String>) -> anyhow::Result<Response<String>> {
    let authority = request.uri().authority().context("the URI has a host")?.to_string();
    let stream =
        TcpStream::connect(&authority).await.with_context(|| format!("failed to connect to {authority}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    head.headers.insert(http::header::HOST, authority.parse()?);
    let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).parse()?;
    head.uri = path;
    let response = sender.send_request(Request::from_parts(head, body)).await?;
    let (head, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    drop(sender);
    connection.abort();
    Ok(Response::from_parts(head, String::from_utf8_lossy(&bytes).into_owned()))
}
