//! `/healthz`, `/readyz` and `/metrics`: for probes and scrapers, never for applications.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::body::{Outgoing, Pieces};
use crate::shared::Shared;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(crate) fn is_path(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// What every thread can answer.
pub(crate) fn small(shared: &Arc<Shared>, path: &str) -> Response<Outgoing> {
    match path {
        "/healthz" => text(StatusCode::OK, TEXT, "ok\n".to_owned()),
        "/readyz" if shared.is_ready() => text(StatusCode::OK, TEXT, "ready\n".to_owned()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n".to_owned()),
        "/metrics" => text(
            StatusCode::OK,
            METRICS,
            shared.telemetry.text(&shared.plane.load_full(), shared.clock.now()),
        ),
        _ => text(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned()),
    }
}

fn text(status: StatusCode, kind: HeaderValue, text: String) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::Whole(Pieces::from(text.into_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
