//! Which request is answered by what?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::answer::Answer;
use crate::availability::{Availability, InFlight, Switch, Watcher};
use crate::books::{Books, CallEnd, OpenCall};
use crate::config::{SimulatedConfig, SimulatedModel};
use crate::dialect::{self, ChatCall, Heading};
use crate::keys::Keys;
use crate::outcomes::Outcomes;
use crate::server::{Addresses, Closed};
use crate::stream::{self, Telling};

const BODY_LIMIT: usize = 32 << 20;

pub(crate) type Body = UnsyncBoxBody<Bytes, Closed>;
type Answered = Result<Response<Body>, Closed>;

/// The provider behind its sockets.
pub(crate) struct Provider {
    pub(crate) config: SimulatedConfig,
    pub(crate) outcomes: Outcomes,
    pub(crate) books: Arc<Books>,
    pub(crate) switch: Switch,
    pub(crate) keys: Keys,
    pub(crate) calls: AtomicU64,
    pub(crate) addresses: Addresses,
}

impl Provider {
    /// Answers a request on the data address: like one on the control address, and calls too.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Answered {
        match (request.method(), request.uri().path()) {
            (&Method::POST, "/v1/chat/completions") => self.chat(request).await,
            (&Method::GET, "/v1/models") => {
                let names = self.config.models.iter().map(|model| model.name.as_str());
                Ok(reply(StatusCode::OK, &dialect::models(&self.config.name, names)))
            }
            _ => self.control(request).await,
        }
    }

    /// Answers a request on the control address.
    pub(crate) async fn control(&self, request: Request<Incoming>) -> Answered {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/_simulated") => Ok(reply(StatusCode::OK, &self.describe())),
            (&Method::GET, "/_simulated/books") => Ok(reply(StatusCode::OK, &json!(self.books.report()))),
            (&Method::PUT, "/_simulated/availability") => self.set_availability(request).await,
            (&Method::PUT, "/_simulated/keys") => self.set_keys(request).await,
            (method, path) => {
                Ok(refusal(StatusCode::NOT_FOUND, &format!("no such thing here: {method} {path}")))
            }
        }
    }

    fn describe(&self) -> Value {
        json!({
            "name": self.config.name,
            "address": self.addresses.data,
            "control": self.addresses.control,
            "clockFactor": self.config.clock_factor,
            "availability": self.switch.now(),
            "models": self.config.models,
        })
    }

    async fn set_availability(&self, request: Request<Incoming>) -> Answered {
        let parsed = match collect(request).await {
            Ok(body) => serde_json::from_slice::<Availability>(&body).map_err(|error| error.to_string()),
            Err(problem) => Err(problem),
        };
        match parsed {
            Ok(next) => {
                self.switch.set(next);
                Ok(reply(StatusCode::OK, &json!(next)))
            }
            Err(problem) => Ok(refusal(
                StatusCode::BAD_REQUEST,
                &format!(r#"{problem}; send {{"state":"Up"}} or {{"state":"Dark"}}"#),
            )),
        }
    }

    async fn set_keys(&self, request: Request<Incoming>) -> Answered {
        let parsed = match collect(request).await {
            Ok(body) => serde_json::from_slice::<Vec<String>>(&body).map_err(|error| error.to_string()),
            Err(problem) => Err(problem),
        };
        match parsed {
            Ok(keys) => {
                let taken = keys.len();
                self.keys.set(keys);
                Ok(reply(StatusCode::OK, &json!({ "taken": taken })))
            }
            Err(problem) => Ok(refusal(
                StatusCode::BAD_REQUEST,
                &format!(r#"{problem}; send a list of keys such as ["sk-1", "sk-2"], or [] to ask for none"#),
            )),
        }
    }

    async fn chat(&self, request: Request<Incoming>) -> Answered {
        // Watched from before the check, so that no outage falls between the two.
        let watcher = self.switch.watch();
        match self.switch.now() {
            Availability::Up => {}
            Availability::Dark { in_flight: InFlight::Cut } => return Err(Closed),
            Availability::Dark { in_flight: InFlight::Finish } => return Ok(self.leave()),
        }
        if !self.keys.open_to(request.headers()) {
            let message = format!("{} does not know this API key", self.config.name);
            let body = dialect::error(&message, "invalid_request_error", "invalid_api_key");
            return Ok(reply(StatusCode::UNAUTHORIZED, &body));
        }
        let call = match collect(request).await.and_then(|body| ChatCall::parse(&body)) {
            Ok(call) => call,
            Err(problem) => return Ok(refusal(StatusCode::BAD_REQUEST, &problem)),
        };
        let Some(model) = self.config.model(&call.model) else {
            let message = format!("the model \"{}\" does not exist at {}", call.model, self.config.name);
            let body = dialect::error(&message, "invalid_request_error", "model_not_found");
            return Ok(reply(StatusCode::NOT_FOUND, &body));
        };
        self.answer(call, model, watcher).await
    }

    async fn answer(&self, call: ChatCall, model: &SimulatedModel, watcher: Watcher) -> Answered {
        let (started, number) = (Instant::now(), self.calls.fetch_add(1, Ordering::Relaxed) + 1);
        let heading = Heading {
            id: format!("chatcmpl-{}-{number}", self.config.name),
            model: model.name.clone(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        };
        let answer = Answer::plan(&call, &self.config, model, &self.outcomes);
        let open =
            OpenCall::open(&self.books, model, &heading.id, answer.input_tokens, answer.prompt_id.clone());
        if self.config.failures.hits(number) {
            open.end(CallEnd::Failed);
            return Ok(self.fail());
        }
        let usage_asked = call.wants_usage_chunk();
        let telling = Telling { call: open, answer, heading, usage_asked, started, watcher };
        if call.stream == Some(true) { Ok(told(telling)) } else { whole(telling).await }
    }

    /// The last answer on a connection that outlived the start of a soft outage.
    fn leave(&self) -> Response<Body> {
        let message = format!("{} is going away", self.config.name);
        let body = dialect::error(&message, "server_error", "service_unavailable");
        let mut response = reply(StatusCode::SERVICE_UNAVAILABLE, &body);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    fn fail(&self) -> Response<Body> {
        let status =
            StatusCode::from_u16(self.config.failures.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let message = format!("{} fails this call as configured", self.config.name);
        reply(status, &dialect::error(&message, "server_error", "simulated_failure"))
    }
}

/// A stream; its headers leave at once, as those of real providers mostly do.
fn told(telling: Telling) -> Response<Body> {
    let id = telling.heading.id.clone();
    let body = UnsyncBoxBody::new(StreamBody::new(stream::frames(telling)));
    named(typed(Response::new(body), "text/event-stream"), &id)
}

/// A whole answer, once its last token is due.
async fn whole(telling: Telling) -> Answered {
    let Telling { mut call, answer, heading, usage_asked: _, started, mut watcher } = telling;
    tokio::select! {
        () = sleep_until(started + answer.due(answer.output_tokens)) => {}
        () = watcher.was_cut() => {
            call.end(CallEnd::Cut);
            return Err(Closed);
        }
    }
    call.deliver(answer.output_tokens);
    call.answer(answer.right());
    let response = reply(StatusCode::OK, &heading.completion(&answer));
    Ok(named(response, &heading.id))
}

async fn collect(request: Request<Incoming>) -> Result<Bytes, String> {
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect().await;
    body.map(|collected| collected.to_bytes()).map_err(|error| format!("could not read the body: {error}"))
}

fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    reply(status, &dialect::error(message, "invalid_request_error", "invalid_request"))
}

fn reply(status: StatusCode, body: &Value) -> Response<Body> {
    let bytes = Full::new(Bytes::from(body.to_string())).map_err(|never| match never {});
    let mut response = typed(Response::new(UnsyncBoxBody::new(bytes)), "application/json");
    *response.status_mut() = status;
    response
}

fn typed(mut response: Response<Body>, content_type: &'static str) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn named(mut response: Response<Body>, id: &str) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
