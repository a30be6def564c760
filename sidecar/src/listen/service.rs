//! Which path leads where.

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::error::CallError;
use super::{admin, calls, feedback, models, render, route, scorer};
use crate::body::Outgoing;
use crate::data::Data;
use crate::forward;
use crate::request_id::RequestId;

type Answer = Result<Response<Outgoing>, CallError>;

/// Answers one request of the data listener.
pub(crate) async fn answer(data: &Rc<Data>, request: Request<Incoming>) -> Response<Outgoing> {
    let id = RequestId::new(SystemTime::now(), &mut data.chance.borrow_mut());
    let answered = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/chat/completions") => forward::chat(data, id, request).await,
        _ => Box::pin(other(data, id, request)).await,
    };
    answered.unwrap_or_else(|error| {
        data.shared.telemetry.error(error.label);
        data.shared.refused.fetch_add(1, Relaxed);
        render::error(error, id)
    })
}

/// The paths that are called rarely.
async fn other(data: &Rc<Data>, id: RequestId, request: Request<Incoming>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let allowed = match path.as_str() {
        "/v1/chat/completions" => "POST",
        "/v1/models" if method == Method::GET => return models::list(data, id),
        "/v1/models" => "GET",
        "/v1/route" if method == Method::POST => return route::decide(data, id, request).await,
        "/v1/route" => "POST",
        "/v1/feedback" if method == Method::POST => return feedback::take(data, id, request).await,
        "/v1/feedback" => "POST",
        "/v1/scorer" if method == Method::GET => return scorer::show(data, id),
        "/v1/scorer" => "GET",
        "/v1/calls" if method == Method::GET => return calls::list(data, id, request.uri().query()).await,
        "/v1/calls" => "GET",
        _ if path.starts_with("/v1/calls/") && method == Method::GET => return calls::show(data, id, &path),
        _ if path.starts_with("/v1/calls/") => "GET",
        _ if data.settings.admin && admin::is_path(&path) && method == Method::GET => {
            return Ok(admin::small(&data.shared, &path));
        }
        _ if data.settings.admin && admin::is_path(&path) => "GET",
        _ => return Err(CallError::unsupported_path(&method, &path)),
    };
    Err(CallError::method_not_allowed(&method, &path, allowed))
}
