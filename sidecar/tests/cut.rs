//! Calls that a stop cuts off are charged before the books are closed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pointsman_config::entry::Entry;
use pointsman_core::snapshot::LimitKey;
use pointsman_sidecar::{Config, Handle, OpenedWindow, RightsStore, Sidecar, StoreError, Update};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Remembers what was said to be final.
#[derive(Clone, Default)]
struct Books(Arc<Mutex<BTreeMap<String, u64>>>);

impl RightsStore for Books {
    fn open(&mut self, _: &LimitKey, _: &str) -> Result<OpenedWindow, StoreError> {
        Ok(OpenedWindow::default())
    }

    fn grant(&mut self, _: &LimitKey, _: &str, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn record(&mut self, _: &LimitKey, _: &str, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&mut self, limit: &LimitKey, _: &str, spent: u64) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(limit.limit.clone(), spent);
        Ok(())
    }
}

fn entries(port: u16, tls: bool) -> Vec<Entry> {
    let name = |name: &str| json!({"namespace": "default", "name": name});
    let provider = json!({"Provider": {
        "providerType": "OpenAICompatible", "outputCapField": "MaxTokens",
        "upstream": {"type": "Http", "tls": tls, "host": "127.0.0.1", "port": port, "basePath": "/v1",
                     "allowPrivate": true},
        "timeouts": {"connect": 60000, "firstToken": 60000, "idle": 30000, "total": 600000},
        "circuitBreaker": {"consecutiveErrors": 5, "openFor": 1000},
        "models": [{"name": "m", "providerModel": "m", "maxOutputTokens": 100,
                    "capabilities": {"chat": true},
                    "prices": {"input": 1_000_000_000_u64, "output": 1_000_000_000_u64},
                    "prior": {"quality": 0.5, "firstTokenMs": 1.0, "tokensPerSecond": 1.0, "outputTokens": 10.0}}],
    }});
    let policy = json!({"Policy": {
        "virtualModels": ["auto"], "mode": "Route", "candidates": [{"model": "m", "providers": [name("p")]}],
        "requestedModel": "Use", "objective": "Quality", "resilience": {"attempts": 1},
        "annotate": "Headers", "recording": "Metadata",
    }});
    let budget = json!({"Budget": {
        "limits": [{"name": "day", "amount": {"value": 1_000_000_000_u64, "unit": "USD"}, "window": "Day",
                    "timeZone": "UTC"}],
        "enforcement": "Strict", "onExhausted": "Reject", "rights": "Local",
    }});
    let entry = |kind: &str, of: &str, compiled: serde_json::Value| {
        let key = json!({"kind": kind, "namespace": "default", "name": of});
        json!({"key": key, "uid": of, "generation": 1, "state": {"Valid": compiled}})
    };
    let all = [entry("Provider", "p", provider), entry("Policy", "d", policy), entry("Budget", "b", budget)];
    all.map(|entry| serde_json::from_value(entry).unwrap()).into()
}

/// A sidecar before a provider, and a call of somebody on its way there.
struct Scene {
    handle: Handle,
    books: Books,
    caller: TcpStream,
    provider: TcpListener,
}

impl Scene {
    async fn start(tls: bool) -> Self {
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let books = Books::default();
        let config = Config { rights: Some(Box::new(books.clone())), ..Config::default() };
        let handle = Sidecar::start(config).unwrap();
        let port = provider.local_addr().unwrap().port();
        let update = Update { entries: entries(port, tls), credentials: Vec::new() };
        assert_eq!(handle.apply(update).await.problems, []);
        let mut caller = TcpStream::connect(handle.data_addrs()[0]).await.unwrap();
        let body = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        caller.write_all(request.as_bytes()).await.unwrap();
        Self { handle, books, caller, provider }
    }

    /// What the closed books say.
    async fn spent(self) -> u64 {
        self.handle.shutdown(Duration::from_millis(1)).await;
        self.books.0.lock().unwrap()["day"]
    }
}

#[tokio::test]
async fn a_call_that_the_stop_cuts_off_is_in_the_closed_books() {
    let scene = Scene::start(false).await;
    // The provider has the request and says nothing.
    let (upstream, _) = scene.provider.accept().await.unwrap();
    upstream.readable().await.unwrap();
    assert_eq!(scene.handle.budgets_report().await[0].spent, 0);
    // Nobody knows what the provider has done: the worst case is charged.
    let spent = scene.spent().await;
    assert!(spent >= 100_000, "{spent}");
}

#[tokio::test]
async fn a_caller_who_leaves_while_the_connection_is_made_is_charged_nothing() {
    let mut scene = Scene::start(true).await;
    // The provider has a greeting and does not return it: no request can have left.
    let (upstream, _) = scene.provider.accept().await.unwrap();
    upstream.readable().await.unwrap();
    scene.caller.shutdown().await.unwrap();
    assert_eq!(scene.spent().await, 0);
}
