//! Carries a call: parse, admit, decide, then next, reserve, send, until one answers; settle.
//!
//! ```text
//! chat ─► intake ─► PARSE ─► DECIDE ─► carry: { NEXT ─► reserve ─► attempt ─► whole | stream } ─► SETTLE (on drop too)
//! ```
//! What is decided stands in `core`; here are sockets, waits and headers. The commit point is the first content: before
//! it another candidate may answer, after it never.

mod attempt;
mod call;
mod carry;
mod decide;
mod exhausted;
mod failed;
mod head;
mod line;
mod request;
mod reserve;
mod stream;
mod whole;

use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
use pointsman_wire::openai::request::ChatRequest;

pub(crate) use call::{End, Tried, TriedEnd};
pub(crate) use decide::decide;
pub(crate) use stream::ChatStream;

use crate::body::Outgoing;
use crate::data::Data;
use crate::listen::error::CallError;
use crate::listen::intake;
use crate::request_id::RequestId;

/// Answers one chat completion.
pub(crate) async fn chat(
    data: &Rc<Data>,
    id: RequestId,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, CallError> {
    data.shared.called.store(true, Relaxed);
    let plane = data.shared.plane.load_full().ok_or_else(CallError::not_configured)?;
    let deadline = data.deadlines.take();
    let (parts, body) = request.into_parts();
    let (body, _held) = intake::read(body, &data.gate, &deadline).await?;
    let began = Instant::now();
    let chat = ChatRequest::parse(&body)?;
    drop(body);
    let draws = data.chance.borrow_mut().draws();
    let decided = decide(data, &plane, &chat, &parts.headers, began, draws)?;
    let call = Box::new(call::Call::begin(data, plane, id, &chat, &parts.headers, decided, began));
    carry::carry(call, &chat, &parts.headers, deadline).await
}
