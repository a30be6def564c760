//! Bodies that are not what they should be: each a clear error in the caller's format, and nothing sent upstream.

use anyhow::Result;
use pointsman_test_support::provider::Provider;
use serde_json::{Value, json};

use crate::client::{parse, send};
use crate::world::{Objects, World};

#[tokio::test]
async fn bad_bodies_are_400_and_name_the_field() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let messages = r#""messages":[{"role":"user","content":"x"}]"#;
    for (body, param, code) in [
        ("".to_owned(), Value::Null, "invalid_json"),
        ("{".to_owned(), Value::Null, "invalid_json"),
        ("[]".to_owned(), Value::Null, "invalid_type"),
        (format!("{{{messages}}}"), json!("model"), "missing_required_parameter"),
        (r#"{"model":"auto"}"#.to_owned(), json!("messages"), "missing_required_parameter"),
        (format!(r#"{{"model":7,{messages}}}"#), json!("model"), "invalid_type"),
        (format!(r#"{{"model":"auto","model":"m",{messages}}}"#), json!("model"), "duplicate_parameter"),
        (format!(r#"{{"model":"auto","\u006dodel":"m",{messages}}}"#), json!("model"), "duplicate_parameter"),
        (
            format!(r#"{{"model":"auto","max_tokens":1,"max_tokens":9,{messages}}}"#),
            json!("max_tokens"),
            "duplicate_parameter",
        ),
        (format!(r#"{{"model":"auto",{messages}}} x"#), Value::Null, "invalid_json"),
    ] {
        let answer = send(world.address, "POST", "/v1/chat/completions", &[], body.as_bytes()).await?;
        assert_eq!(answer.status, 400, "{body}");
        let error = answer.json()["error"].clone();
        assert_eq!((&error["param"], &error["code"]), (&param, &json!(code)), "{body}");
        assert_eq!(error["type"], json!("invalid_request_error"));
        assert!(error["message"].as_str().unwrap().ends_with(&format!("Request {}.", answer.id())));
    }
    assert_eq!(provider.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn an_escaped_key_is_the_key_that_it_spells() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let body = r#"{"\u006dodel":"auto","messages":[{"role":"user","content":"x"}]}"#;
    let answer = send(world.address, "POST", "/v1/chat/completions", &[], body.as_bytes()).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(provider.requests()[0].json()["model"], json!("m"));
    Ok(())
}

#[tokio::test]
async fn any_content_type_is_taken() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let body = crate::client::chat("auto").to_string();
    let headers = [("content-type", "text/plain")];
    let answer = send(world.address, "POST", "/v1/chat/completions", &headers, body.as_bytes()).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(provider.requests()[0].header("content-type"), Some("application/json"));
    Ok(())
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_names_the_limit() -> Result<()> {
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    let announced = [("content-length", "40000000")];
    // Announced and never sent: the answer must not wait for it.
    let answer = announce(world.address, &announced).await?;
    let message = format!("The request body is larger than the limit of 32 MiB. Request {}.", answer.id());
    assert_eq!((answer.status, &answer.json()["error"]["message"]), (413, &json!(message)));
    assert_eq!(answer.json()["error"]["code"], json!("request_too_large"));
    Ok(())
}

async fn announce(address: std::net::SocketAddr, headers: &[(&str, &str)]) -> Result<crate::client::Answer> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let mut head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer)
}
