#![allow(clippy::unwrap_used)]
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const PRICE: Price = Price { input: 1_250_000_000, cached_input: 125_000_000, output: 10_000_000_000 };
/// Far more than any step takes; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client got: all bytes until the connection ended, and whether it ended in a reset.
struct Got {
    text: String,
    reset: bool,
}

impl Got {
    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn contents(&self) -> String {
        let events = self.body().lines().filter_map(|line| line.strip_prefix("data: "));
        let events = events.filter_map(|event| serde_json::from_str::<Value>(event).ok());
        events
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect()
    }
}

fn connect(provider: &Provider, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(provider.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.to_string();
    // HTTP/1.0 ends with the connection and has no chunk sizes in its body.
    let head =
        format!("POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
    stream
}

fn read(mut stream: TcpStream) -> Got {
    let (mut bytes, mut reset) = (Vec::new(), false);
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                reset = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    Got { text: String::from_utf8(bytes).unwrap(), reset }
}

fn call(provider: &Provider, body: &Value) -> Got {
    read(connect(provider, body))
}

fn ask(stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "five words make a prompt"}]);
    json!({"model": "m", "messages": messages, "stream": stream, "stream_options": {"include_usage": stream}})
}

fn provider() -> Provider {
    let provider = Provider::start();
    provider.serve("m", Model::priced(PRICE));
    provider
}

#[test]
fn answers_whole_and_bills_every_token() {
    let provider = provider();
    let got = call(&provider, &ask(false));
    let body: Value = serde_json::from_str(got.body()).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], sixty_words());
    assert_eq!(
        (&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]),
        (&json!(6), &json!(60))
    );
    // 6 x 1250 + 60 x 10000 nano-USD.
    assert_eq!(provider.billed_nano(), 607_500);
    assert_eq!(provider.entries()[0].outcome, Outcome::Answered);
}

#[test]
fn streams_word_by_word_with_usage_and_done() {
    let provider = provider();
    let got = call(&provider, &ask(true));
    assert_eq!(got.contents(), sixty_words());
    assert!(got.body().contains(r#""prompt_tokens":6"#));
    assert!(got.body().ends_with("data: [DONE]\n\n"));
    assert_eq!(provider.billed_nano(), 607_500);
}

#[test]
fn obeys_the_callers_maximum_and_says_length() {
    let provider = provider();
    let mut short = ask(false);
    short["max_tokens"] = json!(3);
    let body: Value = serde_json::from_str(call(&provider, &short).body()).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "w1 w2 w3");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(provider.entries()[0].usage.output, 3);
}

#[test]
fn cached_and_thinking_tokens_have_their_prices() {
    let provider = Provider::start();
    let model = Model {
        input_tokens: Some(1000),
        cached_input_tokens: 999,
        reasoning_tokens: 7,
        answer: "yes".to_owned(),
        ..Model::priced(Price { input: 1_500_001, cached_input: 1, output: 2_000_000 })
    };
    provider.serve("m", model);
    let _ = call(&provider, &ask(false));
    // ceil((1 x 1500001 + 999 x 1 + 8 x 2000000) / 10^6), rounded once.
    assert_eq!(provider.billed_nano(), 18);
}

#[test]
fn a_script_speaks_for_one_call_each_then_always_then_health() {
    let provider = provider();
    provider.script("m", [Fault::rate_limited(Some(2)), Fault::None]);
    provider.always("m", Fault::status(503));
    let limited = call(&provider, &ask(false));
    assert!(
        limited.text.starts_with("HTTP/1.0 429") && limited.text.contains("retry-after: 2\r\n"),
        "{}",
        limited.text
    );
    assert!(call(&provider, &ask(false)).text.starts_with("HTTP/1.0 200"));
    assert!(call(&provider, &ask(false)).text.starts_with("HTTP/1.0 503"));
    provider.always("m", Fault::None);
    assert!(call(&provider, &ask(false)).text.starts_with("HTTP/1.0 200"));
    let outcomes: Vec<_> = provider.entries().iter().map(|entry| entry.outcome).collect();
    use Outcome::{Answered, Refused};
    assert_eq!(outcomes, [Refused(429), Answered, Refused(503), Answered]);
    assert_eq!(provider.billed_nano(), 2 * 607_500);
}

#[test]
fn a_cut_comes_after_exactly_so_many_words_and_bills_those() {
    for (point, words) in
        [(Point::Head, 0), (Point::Chunk(0), 0), (Point::Chunk(40), 40), (Point::Chunk(60), 60)]
    {
        let provider = provider();
        provider.script("m", [Fault::Cut(point)]);
        let got = call(&provider, &ask(true));
        assert_eq!(
            (got.reset, got.text.is_empty()),
            (point == Point::Head, point == Point::Head),
            "{point:?}"
        );
        assert_eq!(got.contents().split_whitespace().count(), words, "{point:?}");
        assert!(!got.text.contains("[DONE]"));
        let entry = &provider.entries()[0];
        assert_eq!((entry.outcome, entry.usage.output), (Outcome::Cut, words as u64), "{point:?}");
        assert_eq!(entry.usage.input, if words == 0 { 0 } else { 6 });
    }
}

#[test]
fn a_whole_answer_can_be_cut_in_its_middle_and_is_billed() {
    let provider = provider();
    provider.script("m", [Fault::Cut(Point::Chunk(1))]);
    let got = call(&provider, &ask(false));
    assert!(!got.body().is_empty());
    assert!(serde_json::from_str::<Value>(got.body()).is_err());
    assert_eq!(provider.billed_nano(), 607_500);
}

#[test]
fn the_other_faults_do_what_they_say() {
    let provider = provider();
    let body = |fault: Fault, stream: bool| {
        provider.script("m", [fault]);
        call(&provider, &ask(stream)).body().to_owned()
    };
    assert!(!body(Fault::MissingUsage, true).contains("prompt_tokens"));
    assert!(!body(Fault::MissingUsage, false).contains("prompt_tokens"));
    assert!(body(Fault::MissingDone, true).contains("prompt_tokens"));
    assert!(!body(Fault::MissingDone, true).contains("[DONE]"));
    assert!(serde_json::from_str::<Value>(&body(Fault::Malformed(0), false)).is_err());
    let malformed = body(Fault::Malformed(9), true);
    assert!(malformed.contains("data: {\"id\": not json\n\n") && malformed.ends_with("data: [DONE]\n\n"));
    assert!(
        malformed.contains("\" w9\"") && !malformed.contains("\" w10\"") && malformed.contains("\" w11\"")
    );
    // All were billed alike, told or not.
    assert_eq!(provider.billed_nano(), 6 * 607_500);
}

#[tokio::test]
async fn a_held_call_goes_on_when_released() {
    let provider = provider();
    for (point, stream) in [(Point::Head, false), (Point::Chunk(0), true), (Point::Chunk(5), true)] {
        provider.script("m", [Fault::Hold(point)]);
        let before = provider.requests().len();
        let waiting = connect(&provider, &ask(stream));
        provider.wait_for_requests(before + 1).await.unwrap();
        assert_eq!(
            provider.entries().iter().filter(|entry| entry.outcome == Outcome::Answered).count(),
            before
        );
        provider.release();
        assert!(read(waiting).text.contains("w60"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_what_it_was_handed() {
    let provider = provider();
    for (point, words) in [(Point::Head, 0), (Point::Chunk(5), 5)] {
        provider.script("m", [Fault::Hold(point)]);
        let before = provider.entries().len();
        let waiting = connect(&provider, &ask(true));
        wait_for("the call has come to its hold", LONG, || async {
            let held = provider.entries().get(before).is_some_and(|entry| entry.usage.output == words);
            Ok(held.then_some(()))
        })
        .await
        .unwrap();
        drop(waiting);
        let entries = provider.wait_until_settled(before + 1).await.unwrap();
        assert_eq!((entries[before].outcome, entries[before].usage.output), (Outcome::Abandoned, words));
    }
}

#[tokio::test]
async fn going_down_resets_and_refuses_until_it_comes_back() {
    let provider = provider();
    provider.script("m", [Fault::Hold(Point::Chunk(5))]);
    let waiting = connect(&provider, &ask(true));
    provider.wait_for_requests(1).await.unwrap();
    provider.go_down().await.unwrap();
    assert!(read(waiting).reset);
    assert_eq!(provider.wait_until_settled(1).await.unwrap()[0].outcome, Outcome::Cut);
    assert!(TcpStream::connect(provider.address()).is_err());
    provider.come_back().await.unwrap();
    assert!(call(&provider, &ask(false)).text.contains("w60"));
}

#[test]
fn refuses_wrong_keys_unknown_models_and_broken_bodies() {
    let provider = provider();
    let mut other = ask(false);
    other["model"] = json!("n");
    assert!(call(&provider, &other).text.starts_with("HTTP/1.0 404"));
    assert!(call(&provider, &json!({"messages": []})).text.starts_with("HTTP/1.0 400"));
    provider.require_key("sk-right");
    assert!(call(&provider, &ask(false)).text.starts_with("HTTP/1.0 401"));
    assert_eq!(provider.billed_nano(), 0);
}

#[test]
fn keeps_a_journal_of_what_arrived() {
    let provider = provider();
    let _ = call(&provider, &ask(false));
    let requests = provider.requests();
    assert_eq!((requests[0].path.as_str(), requests[0].header("host")), ("/v1/chat/completions", Some("x")));
    assert_eq!(requests[0].json()["model"], "m");
    assert_eq!((requests[0].connection, provider.connections()), (1, 1));
}

#[tokio::test]
async fn speaks_tls_under_its_own_authority() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};

    let provider = Provider::start_tls();
    assert!(provider.url().starts_with("https://127.0.0.1:"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(provider.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(provider.address()).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream
        .write_all(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.contains(r#"{"data":[],"object":"list"}"#), "{text}");
}
