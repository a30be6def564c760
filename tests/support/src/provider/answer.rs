//! One chat completion: refused, answered whole or streamed, or broken as scripted.

mod writer;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use http::{Response, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::State;
use super::books::{Outcome, Received, Usage};
use super::model::Model;
use super::script::{Act, Fault, Point};
use super::socket::Cord;
use writer::Writer;

/// A response body that comes piece by piece, and may break.
pub(super) type AnswerBody = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Broken>> + Send>>>;

/// Why a connection ends without an answer: it was scripted, or the client left.
#[derive(Debug)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("broken off")
    }
}

impl std::error::Error for Broken {}

/// The fields of a request that matter here.
#[derive(Debug, Deserialize)]
struct Ask {
    model: String,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// Everything that is known before the first byte of an answer.
#[derive(Debug)]
struct Plan {
    id: String,
    model: String,
    words: Vec<String>,
    finish_reason: &'static str,
    /// What the whole answer uses.
    usage: Usage,
    include_usage: bool,
}

pub(super) async fn complete(
    state: Arc<State>,
    cord: Cord,
    mut release: watch::Receiver<u64>,
    request: &Received,
) -> Result<Response<AnswerBody>, Broken> {
    let Ok(ask) = serde_json::from_slice::<Ask>(&request.body) else {
        return Ok(error(
            400,
            "invalid_request_error",
            "invalid_json",
            "The body is not a chat completion request.",
        ));
    };
    let mut call = Call::open(state.clone(), cord, &ask);
    if !state.scripts.accepts(request.header("authorization")) {
        call.end(Outcome::Refused(401));
        return Ok(error(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."));
    }
    let Some(model) = state.scripts.model(&ask.model) else {
        call.end(Outcome::Refused(404));
        return Ok(error(404, "invalid_request_error", "model_not_found", "The model does not exist."));
    };
    let fault = state.scripts.next_fault(&ask.model);
    if let Fault::Status { status, headers, body } = fault {
        call.end(Outcome::Refused(status));
        return Ok(plain(status, &headers, body));
    }
    match fault.at(Point::Head) {
        Act::GoOn => {}
        Act::Cut => return Err(call.reset()),
        Act::Hold => release.changed().await.map_err(|_| Broken)?,
        Act::Wait(time) => tokio::time::sleep(time).await,
    }
    Ok(start(call, release, fault, &ask, model))
}

fn start(
    call: Call,
    release: watch::Receiver<u64>,
    fault: Fault,
    ask: &Ask,
    model: Model,
) -> Response<AnswerBody> {
    let plan = plan(&call, ask, &model);
    // One piece at a time: the next one is made when the connection has taken, and so written, the one before.
    let (pieces, body) = mpsc::channel(1);
    let writer = Writer { call, price: model.price, plan, fault, release, pieces };
    let mut response = Response::builder();
    if ask.stream {
        response = response.header("content-type", "text/event-stream");
        tokio::spawn(writer.stream());
    } else {
        let text = writer.whole();
        response = response.header("content-type", "application/json").header("content-length", text.len());
        tokio::spawn(writer.send_whole(text));
    }
    response.body(receive(body)).expect("the headers are constant")
}

fn plan(call: &Call, ask: &Ask, model: &Model) -> Plan {
    let mut words: Vec<String> = model.answer.split_whitespace().map(str::to_owned).collect();
    let limit = ask.max_completion_tokens.or(ask.max_tokens).unwrap_or(u64::MAX);
    let room = usize::try_from(limit.saturating_sub(model.reasoning_tokens)).unwrap_or(usize::MAX);
    let finish_reason = if words.len() > room { "length" } else { "stop" };
    words.truncate(room);
    let reasoning = model.reasoning_tokens.min(limit);
    let usage = Usage {
        input: model.input_tokens.unwrap_or_else(|| count_words(&ask.messages)),
        cached_input: model.cached_input_tokens,
        output: reasoning + words.len() as u64,
        reasoning,
    };
    let include_usage = ask.stream_options.as_ref().is_some_and(|options| options.include_usage);
    Plan {
        id: format!("chatcmpl-{}", call.entry),
        model: ask.model.clone(),
        words,
        finish_reason,
        usage,
        include_usage,
    }
}

/// The words of all texts in the messages, and one token for each message.
fn count_words(messages: &[Value]) -> u64 {
    let words = |text: &Value| text.as_str().map_or(0, |text| text.split_whitespace().count());
    let parts = |content: &Value| {
        content.as_array().map_or(0, |all| all.iter().map(|part| words(&part["text"])).sum())
    };
    messages.iter().map(|message| 1 + words(&message["content"]) + parts(&message["content"])).sum::<usize>()
        as u64
}

/// An entry of the books that always gets an end.
#[derive(Debug)]
struct Call {
    state: Arc<State>,
    cord: Cord,
    entry: usize,
}

impl Call {
    fn open(state: Arc<State>, cord: Cord, ask: &Ask) -> Self {
        let entry = state.books.open(&ask.model, ask.stream);
        Self { state, cord, entry }
    }

    fn end(&mut self, outcome: Outcome) {
        self.state.books.end(self.entry, outcome);
    }

    /// Ends the call and has its connection closed.
    fn cut(&mut self) -> Broken {
        self.end(Outcome::Cut);
        Broken
    }

    /// Ends the call and has its connection reset.
    fn reset(&mut self) -> Broken {
        self.cord.pull();
        self.cut()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Whoever pulled the cord was on this side.
        let outcome = if self.cord.is_pulled() { Outcome::Cut } else { Outcome::Abandoned };
        self.end(outcome);
    }
}

pub(super) fn models(state: &State) -> Response<AnswerBody> {
    let data: Vec<_> =
        state.scripts.model_names().iter().map(|id| json!({"id": id, "object": "model"})).collect();
    let headers = [("content-type".to_owned(), "application/json".to_owned())];
    plain(200, &headers, json!({"object": "list", "data": data}).to_string())
}

pub(super) fn not_found() -> Response<AnswerBody> {
    error(404, "invalid_request_error", "unknown_url", "Unknown request URL.")
}

fn error(status: u16, kind: &str, code: &str, message: &str) -> Response<AnswerBody> {
    match Fault::error(status, kind, code, message) {
        Fault::Status { status, headers, body } => plain(status, &headers, body),
        other => unreachable!("an error is a status, not {other:?}"),
    }
}

fn plain(status: u16, headers: &[(String, String)], body: String) -> Response<AnswerBody> {
    let mut response =
        Response::builder().status(StatusCode::from_u16(status).expect("a test scripts real statuses"));
    response = response.header("content-length", body.len());
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let (pieces, receiver) = mpsc::channel(1);
    pieces.try_send(Ok(Frame::data(Bytes::from(body)))).expect("a new channel has room");
    response.body(receive(receiver)).expect("a test scripts valid headers")
}

fn receive(pieces: mpsc::Receiver<Result<Frame<Bytes>, Broken>>) -> AnswerBody {
    let next = |mut pieces: mpsc::Receiver<_>| async { pieces.recv().await.map(|piece| (piece, pieces)) };
    StreamBody::new(Box::pin(futures::stream::unfold(pieces, next)))
}
