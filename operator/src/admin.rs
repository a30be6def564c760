//! `/healthz`, `/readyz` and `/metrics` over plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::shared::{Shared, Stop};

const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Serves until told to stop.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>, mut stop: Stop) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.wait() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let response = answer(&request, &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}

/// Alive is whoever answers. Ready is whoever has read the cluster once and has told the API server of its webhook, so that
/// the next pod is injected; whether the API server answers now is no matter.
fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n");
    }
    match request.uri().path() {
        "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" if shared.published.borrow().is_none() => {
            response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the cluster has not been read yet\n")
        }
        "/readyz" if !shared.told.load(Relaxed) => response(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            "the webhook's caBundle has not been written yet\n",
        ),
        "/readyz" => response(StatusCode::OK, TEXT, "ok\n"),
        "/metrics" => response(StatusCode::OK, METRICS, shared.metrics.text()),
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /readyz and /metrics\n"),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
