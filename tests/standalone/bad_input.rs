//! Requests that cannot be served: each a clear error in the caller's format, and nothing reaches the provider.

use std::time::Duration;

use pointsman_test_support::provider::Provider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Answer, Client, ask};
use crate::gateway::Gateway;
use crate::world::World;

const MESSAGES: &str = r#""messages":[{"role":"user","content":"hello"}]"#;

/// Body, status, code, param.
fn refused() -> Vec<(String, u16, &'static str, Option<&'static str>)> {
    let with = |fields: &str| format!("{{{fields},{MESSAGES}}}");
    vec![
        (String::new(), 400, "invalid_json", None),
        ("{".to_owned(), 400, "invalid_json", None),
        ("hello".to_owned(), 400, "invalid_json", None),
        (with(r#""model":"auto","#), 400, "invalid_json", None),
        (format!("{}x", with(r#""model":"auto""#)), 400, "invalid_json", None),
        (with("\"model\":\"a\u{0}b\""), 400, "invalid_json", None),
        ("[]".to_owned(), 400, "invalid_type", None),
        ("null".to_owned(), 400, "invalid_type", None),
        (format!("{{{MESSAGES}}}"), 400, "missing_required_parameter", Some("model")),
        (r#"{"model":"auto"}"#.to_owned(), 400, "missing_required_parameter", Some("messages")),
        (with(r#""model":7"#), 400, "invalid_type", Some("model")),
        (r#"{"model":"auto","messages":"hello"}"#.to_owned(), 400, "invalid_type", Some("messages")),
        (with(r#""model":"auto","stream":"yes""#), 400, "invalid_type", Some("stream")),
        (with(r#""model":"auto","max_tokens":-1"#), 400, "invalid_value", Some("max_tokens")),
        (with(r#""model":"auto","model":"gpt-x""#), 400, "duplicate_parameter", Some("model")),
        (with(r#""model":"auto","mod\u0065l":"gpt-x""#), 400, "duplicate_parameter", Some("model")),
        (
            format!("{{\"model\":\"auto\",{MESSAGES},{MESSAGES}}}"),
            400,
            "duplicate_parameter",
            Some("messages"),
        ),
        (
            with(r#""model":"auto","max_tokens":5,"max_tokens":5000"#),
            400,
            "duplicate_parameter",
            Some("max_tokens"),
        ),
        (with(r#""model":"gpt-6""#), 404, "model_not_found", Some("model")),
        (with(r#""model":"\ud800""#), 404, "model_not_found", Some("model")),
        (with(r#""model":"""#), 400, "invalid_value", Some("model")),
    ]
}

#[tokio::test]
async fn a_body_that_cannot_be_served_is_its_callers_to_mend() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    let mut wrong = Vec::new();
    for (body, status, code, param) in refused() {
        let answer = gateway.client.post("/v1/chat/completions", body.clone()).await?;
        let error = answer.json()?["error"].clone();
        let told = (answer.status, error["code"].as_str(), error["param"].as_str());
        if told != (status, Some(code), param) {
            wrong.push(format!("{body:?}: {told:?} instead of {:?}", (status, code, param)));
        }
        assert_speaks_openai(&answer)?;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(provider.requests().len(), 0);
    assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    gateway.stop().await
}

#[tokio::test]
async fn an_escaped_key_is_the_key_that_it_spells() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    let body = format!(r#"{{"mod\u0065l":"au\u0074o","max\u005ftokens":3,{MESSAGES}}}"#);
    let answer = gateway.client.post("/v1/chat/completions", body).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = provider.requests()[0].json();
    assert_eq!((sent["model"].as_str(), sent["max_tokens"].as_u64()), (Some("gpt-x"), Some(3)), "{sent}");
    assert_eq!(sent.as_object().map(serde_json::Map::len), Some(3), "{sent}");
    gateway.stop().await
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_has_come() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    let announced = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 33554433\r\n\r\n";
    let told = converse(gateway.client, announced.as_bytes(), 0).await?;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.contains("\"code\":\"request_too_large\""), "{told}");
    let chunked = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let told = converse(gateway.client, chunked.as_bytes(), 40 << 20).await?;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert_eq!(provider.requests().len(), 0);
    // What was refused holds no memory: a body just below the limit is still taken.
    let large = ask("auto", &"word ".repeat((31 << 20) / 5));
    let answer = gateway.client.chat(&large).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    gateway.stop().await
}

#[tokio::test]
async fn wrong_paths_and_methods_are_told_what_is_right() -> anyhow::Result<()> {
    let world = World::of(&Provider::start())?;
    let gateway = Gateway::start(&world).await?;
    for (path, post, status, code) in [
        ("/v1/embeddings", true, 404, "unsupported_path"),
        ("/chat/completions", true, 404, "unsupported_path"),
        ("/v1/chat/completions", false, 405, "method_not_allowed"),
        ("/v1/models", true, 405, "method_not_allowed"),
        ("/v1/calls/req_1", false, 404, "call_not_found"),
    ] {
        let answer = match post {
            true => gateway.client.post(path, "{}").await?,
            false => gateway.client.get(path).await?,
        };
        assert_eq!((answer.status, answer.code().as_deref()), (status, Some(code)), "{path}");
        assert_speaks_openai(&answer)?;
    }
    gateway.stop().await
}

/// Sends a head and, in chunks, so many bytes; gives what came back, whether or not everything was taken.
async fn converse(client: Client, head: &[u8], body: usize) -> anyhow::Result<String> {
    const CHUNK: usize = 1 << 16;
    let (mut reader, mut writer) = TcpStream::connect(client.0).await?.into_split();
    let head = head.to_vec();
    let sending = tokio::spawn(async move {
        let chunk = [format!("{CHUNK:x}\r\n").as_bytes(), &[b' '; CHUNK], b"\r\n"].concat();
        writer.write_all(&head).await?;
        for _ in 0..body / CHUNK {
            writer.write_all(&chunk).await?;
        }
        std::future::pending::<std::io::Result<()>>().await
    });
    let mut told = Vec::new();
    let mut piece = [0; 4096];
    while !told.ends_with(b"}") {
        // A reset may follow the answer, as not everything was read.
        match tokio::time::timeout(Duration::from_secs(60), reader.read(&mut piece)).await? {
            Ok(0) | Err(_) => break,
            Ok(read) => told.extend_from_slice(&piece[..read]),
        }
    }
    sending.abort();
    Ok(String::from_utf8_lossy(&told).into_owned())
}

/// Every refusal has the shape that OpenAI's clients read, and tells its request id.
fn assert_speaks_openai(answer: &Answer) -> anyhow::Result<()> {
    let id = answer.header("x-request-id").unwrap_or_default();
    let error = &answer.json()?["error"];
    let message = error["message"].as_str().unwrap_or_default();
    assert!(id.starts_with("req_") && message.ends_with(&format!(" Request {id}.")), "{}", answer.text());
    assert!(error["type"].is_string(), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    Ok(())
}
