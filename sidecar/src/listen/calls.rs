//! `GET /v1/calls/{id}`: what became of a recent call, and why. `GET /v1/calls`: what was kept of scored calls, for trainers.

use std::rc::Rc;

use http::{Response, StatusCode};
use serde_json::json;

use super::error::CallError;
use super::render;
use crate::body::Outgoing;
use crate::data::Data;
use crate::request_id::RequestId;

/// Rows in one answer: about two megabytes.
const ROWS_AT_MOST: usize = 1000;

/// Scored calls, oldest first, one JSON object per line; `after` names the last request id of the page before, and
/// `rated=true` leaves out calls without feedback. The last line of a page that is not the last one is `{"next": ID}`.
pub(crate) async fn list(
    data: &Rc<Data>,
    id: RequestId,
    query: Option<&str>,
) -> Result<Response<Outgoing>, CallError> {
    let (mut after, mut rated) = ("", false);
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("after", id)) => after = id,
            Some(("rated", "true")) => rated = true,
            Some(("rated", "false")) => rated = false,
            _ => return Err(CallError::bad_query(pair)),
        }
    }
    let rows = data.desk.rows(after, ROWS_AT_MOST).await.map_err(|why| CallError::calls_not_read(&why))?;
    let next = rows.last().filter(|_| rows.len() == ROWS_AT_MOST).map(|row| json!({ "next": row.id }));
    let kept = rows.iter().filter(|row| row.feedback.is_some() || !rated);
    let lines = kept.filter_map(|row| serde_json::to_string(row).ok());
    let text: String = lines.chain(next.map(|next| next.to_string())).map(|line| line + "\n").collect();
    Ok(render::json_lines(text.into_bytes(), id))
}

pub(crate) fn show(data: &Rc<Data>, id: RequestId, path: &str) -> Result<Response<Outgoing>, CallError> {
    let wanted = path.trim_start_matches("/v1/calls/");
    let records = data.records.borrow();
    let record = RequestId::parse(wanted).and_then(|wanted| records.get(wanted));
    let record = record.ok_or_else(|| CallError::unknown_call(wanted))?;
    Ok(render::json(StatusCode::OK, record.to_json(), id))
}
