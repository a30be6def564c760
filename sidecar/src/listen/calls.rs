//! `GET /v1/calls/{id}`: what became of a recent call, and why.

use std::rc::Rc;

use http::{Response, StatusCode};

use super::error::CallError;
use super::render;
use crate::body::Outgoing;
use crate::data::Data;
use crate::request_id::RequestId;

pub(crate) fn show(data: &Rc<Data>, id: RequestId, path: &str) -> Result<Response<Outgoing>, CallError> {
    let wanted = path.trim_start_matches("/v1/calls/");
    let records = data.records.borrow();
    let record = RequestId::parse(wanted).and_then(|wanted| records.get(wanted));
    let record = record.ok_or_else(|| CallError::unknown_call(wanted))?;
    Ok(render::json(StatusCode::OK, record.to_json(), id))
}
