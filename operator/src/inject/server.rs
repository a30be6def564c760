//! `POST /mutate` over HTTPS: the thin shell around [`review`]. It makes no call and keeps no state.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;

use super::{Settings, review};
use crate::serve::connections;
use crate::shared::{Shared, Stop};
use crate::trust::Trust;

const PATH: &str = "/mutate";
/// The API server takes objects of at most 3 MB.
const MOST_BYTES: usize = 8 << 20;
/// The API server waits five seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the webhook needs.
pub(crate) struct Webhook {
    pub(crate) settings: Settings,
    /// The version of the cluster, where it is too old for sidecars.
    pub(crate) old: Option<String>,
}

/// Serves until told to stop.
pub(crate) async fn run(
    webhook: Arc<Webhook>,
    listener: TcpListener,
    trust: Arc<Trust>,
    shared: Arc<Shared>,
    mut stop: Stop,
) {
    let mut incoming = connections(listener, trust, &[b"h2", b"http/1.1"], Arc::clone(&shared), stop.clone());
    loop {
        let accepted = tokio::select! {
            accepted = incoming.next() => accepted,
            () = stop.wait() => return,
        };
        let Some(Ok(stream)) = accepted else { return };
        let (webhook, shared, mut stop) = (Arc::clone(&webhook), Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (webhook, shared) = (Arc::clone(&webhook), Arc::clone(&shared));
                async move { Ok::<_, Infallible>(answer(request, &webhook, &shared).await) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            builder.http2().timer(TokioTimer::new()).keep_alive_interval(PATIENCE * 4);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.wait() => connection.as_mut().graceful_shutdown(),
            }
            // What was asked is answered.
            let _ = tokio::time::timeout(PATIENCE, connection).await;
        });
    }
}

async fn answer(request: Request<Incoming>, webhook: &Webhook, shared: &Shared) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return text(StatusCode::NOT_FOUND, "there is /mutate\n");
    }
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
    }
    let body = Limited::new(request.into_body(), MOST_BYTES).collect();
    let Ok(Ok(body)) = tokio::time::timeout(PATIENCE, body).await else {
        shared.metrics.error("webhook");
        return text(StatusCode::BAD_REQUEST, "the body did not come in time, or is too large\n");
    };
    match review::answer(&body.to_bytes(), &webhook.settings, webhook.old.as_deref()) {
        Ok((answer, outcome)) => {
            shared.metrics.reviewed(outcome);
            let mut response = Response::new(Full::new(Bytes::from(answer)));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            shared.metrics.error("webhook");
            tracing::warn!(%error, "the API server asked what nobody understands");
            text(StatusCode::BAD_REQUEST, "not an AdmissionReview of a pod\n")
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
