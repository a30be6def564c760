//! `GET /v1/models`: the names that callers may ask for.

use std::rc::Rc;

use http::{Response, StatusCode};
use pointsman_wire::openai::models::{Model, list as render_list};

use super::error::CallError;
use super::render;
use crate::body::Outgoing;
use crate::data::Data;
use crate::request_id::RequestId;

pub(crate) fn list(data: &Rc<Data>, id: RequestId) -> Result<Response<Outgoing>, CallError> {
    let plane = data.shared.plane.load_full().ok_or_else(CallError::not_configured)?;
    let names = plane.snapshot.offered();
    // There is no date at which a name was first offered; SDKs require a number.
    let models = names.into_iter().map(|id| Model { id, created: 0, owned_by: "pointsman" });
    Ok(render::json(StatusCode::OK, render_list(models), id))
}
