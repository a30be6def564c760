//! On a clock that is not waited for, and an API server that counts what it is asked.
#![allow(clippy::unwrap_used)]

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use kube::client::Body;
use serde_json::{Value, json};
use tonic::Request;

use super::super::identity::{IdentityConfig, Reviewer};
use super::*;
use crate::shared::{PodRecord, Published, Shared};

const SIDECARS: usize = 5_000;

/// Knows the tokens `token-N` of pods `bot-N`; `nonsense` is nobody's.
#[derive(Clone, Default)]
struct Api {
    reviews: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

impl Api {
    fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    fn reviews(&self) -> usize {
        self.reviews.load(Ordering::Relaxed)
    }

    fn answer(&self, review: &Value) -> Value {
        self.reviews.fetch_add(1, Ordering::Relaxed);
        let number = review["spec"]["token"].as_str().unwrap().strip_prefix("token-");
        let user = number.map(|number| {
            json!({
                "username": "system:serviceaccount:shop:default",
                "groups": ["system:serviceaccounts"],
                "extra": {
                    "authentication.kubernetes.io/pod-name": [format!("bot-{number}")],
                    "authentication.kubernetes.io/pod-uid": [format!("uid-{number}")],
                },
            })
        });
        let status = json!({"authenticated": user.is_some(), "audiences": [AUDIENCE], "user": user});
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {}, "status": status})
    }
}

impl tonic::codegen::Service<http::Request<Body>> for Api {
    type Response = http::Response<Full<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if !request.uri().path().ends_with("/tokenreviews") {
            self.others.fetch_add(1, Ordering::Relaxed);
            return ready(Ok(http::Response::builder().status(500).body(Full::default()).unwrap()));
        }
        // What kube sends is in memory already.
        let body = futures::executor::block_on(request.into_body().collect()).unwrap().to_bytes();
        let answer = self.answer(&serde_json::from_slice(&body).unwrap());
        ready(Ok(http::Response::builder().status(201).body(answer.to_string().into()).unwrap()))
    }
}

fn pod(number: usize) -> PodRecord {
    let mut record =
        PodRecord { service_account: "default".to_owned(), carries: true, ..PodRecord::default() };
    record.facts.pod.namespace = "shop".to_owned();
    record.facts.pod.name = format!("bot-{number}");
    record.facts.pod.uid = format!("uid-{number}");
    record
}

fn request(number: usize) -> Request<()> {
    let mut request = Request::new(());
    let value = format!("Bearer token-{number}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test(start_paused = true)]
async fn five_thousand_sidecars_that_come_at_once_are_known_within_a_minute_by_a_hundred_questions_a_second()
{
    let (api, shared) = (Api::default(), Shared::new(jiff::Timestamp::now));
    let config = IdentityConfig { check_peer_address: true };
    let reviewer = Reviewer::new(api.client(), Arc::clone(&shared), config);
    // The operator has just started: what is in the cluster is known a second later.
    let publishing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let pods = (0..SIDECARS).map(|number| (format!("uid-{number}"), pod(number))).collect();
        shared.published.send_replace(Some(Published { pods: Arc::new(pods), ..Published::default() }));
    };
    let begun = Instant::now();
    let watching = async {
        let mut before = 0;
        while before < SIDECARS {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = api.reviews();
            assert!(now - before <= 101, "{} questions within a second", now - before);
            before = now;
        }
    };
    // Two streams each, with the same token.
    let coming = join_all((0..2 * SIDECARS).map(|stream| {
        let (reviewer, request) = (&reviewer, request(stream / 2));
        async move { reviewer.pod(&request).await.map(|record| record.facts.pod.name) }
    }));
    let (known, (), ()) = tokio::join!(coming, watching, publishing);
    for (stream, name) in known.into_iter().enumerate() {
        assert_eq!(name.unwrap(), format!("bot-{}", stream / 2));
    }
    assert!(begun.elapsed() <= Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!((api.reviews(), api.others.load(Ordering::Relaxed)), (SIDECARS, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_remembered_for_a_minute_and_a_refusal_for_five_seconds() {
    let api = Api::default();
    let reviews = Reviews::new(api.client());
    let mut asked = Vec::new();
    for seconds in [0, 4, 2, 53, 2] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let mut now = Vec::new();
        for token in ["token-1", "nonsense"] {
            let before = api.reviews();
            assert_eq!(reviews.of(token).await.unwrap().is_ok(), token == "token-1");
            now.push(api.reviews() - before);
        }
        asked.push((now[0], now[1]));
    }
    assert_eq!(asked, [(1, 1), (0, 0), (0, 1), (0, 1), (1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_queue_takes_nobodys_turn_away() {
    let api = Api::default();
    let reviews = Reviews::new(api.client());
    let impatient = join_all((0..1_000).map(|number| {
        let (reviews, token) = (&reviews, format!("token-{number}"));
        async move { tokio::time::timeout(Duration::from_millis(55), reviews.of(&token)).await.is_ok() }
    }));
    let served = impatient.await.into_iter().filter(|served| *served).count();
    assert_eq!((served, api.reviews()), (6, 6));
    let begun = Instant::now();
    assert!(reviews.of("token-5000").await.unwrap().is_ok());
    assert!(begun.elapsed() <= GAP, "{:?}", begun.elapsed());
}
