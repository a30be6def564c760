//! How does an answer travel token by token?
//!
//! As server-sent events, each due at its own time. The call is written into the books when the last event is handed
//! over, or when the connection drops the stream.

use bytes::Bytes;
use futures::stream::{self, Stream};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::answer::{Answer, CHUNK_TOKENS};
use crate::availability::Watcher;
use crate::books::{CallEnd, OpenCall};
use crate::dialect::Heading;
use crate::server::Closed;

/// Everything one stream needs until its end.
pub(crate) struct Telling {
    pub(crate) call: OpenCall,
    pub(crate) answer: Answer,
    pub(crate) heading: Heading,
    pub(crate) usage_asked: bool,
    pub(crate) started: Instant,
    pub(crate) watcher: Watcher,
}

/// What is left to tell, and how many tokens have been told; none when the stream is over.
type Rest = Option<(Telling, u64)>;

/// The events of an answer, as frames of a response body.
pub(crate) fn frames(telling: Telling) -> impl Stream<Item = Result<Frame<Bytes>, Closed>> + Send {
    stream::unfold(Some((telling, 0)), |rest: Rest| async move {
        let (telling, told) = rest?;
        Some(telling.next(told).await)
    })
}

impl Telling {
    async fn next(mut self, told: u64) -> (Result<Frame<Bytes>, Closed>, Rest) {
        let upto = self.upto(told);
        tokio::select! {
            () = sleep_until(self.started + self.answer.due(upto)) => self.tell(told, upto),
            () = self.watcher.was_cut() => {
                self.call.end(CallEnd::Cut);
                (Err(Closed), None)
            }
        }
    }

    /// The first event carries one token, so that it is as early as the model's first token is.
    fn upto(&self, told: u64) -> u64 {
        let chunk = if told == 0 { 1 } else { CHUNK_TOKENS };
        (told + chunk).min(self.answer.output_tokens)
    }

    fn tell(mut self, told: u64, upto: u64) -> (Result<Frame<Bytes>, Closed>, Rest) {
        let mut events = String::new();
        if told == 0 {
            let role = json!({"role": "assistant", "content": ""});
            event(&mut events, &self.heading.chunk(role, None, self.usage_asked));
        }
        let words = json!({"content": self.answer.text(told, upto)});
        event(&mut events, &self.heading.chunk(words, None, self.usage_asked));
        self.call.deliver(upto - told);
        if upto < self.answer.output_tokens {
            return (frame(events), Some((self, upto)));
        }
        self.close(&mut events);
        self.call.answer(self.answer.right());
        (frame(events), None)
    }

    fn close(&self, events: &mut String) {
        let reason = Some(self.answer.finish_reason());
        event(events, &self.heading.chunk(json!({}), reason, self.usage_asked));
        if self.usage_asked {
            event(events, &self.heading.usage_chunk(&self.answer));
        }
        events.push_str("data: [DONE]\n\n");
    }
}

fn frame(events: String) -> Result<Frame<Bytes>, Closed> {
    Ok(Frame::data(Bytes::from(events)))
}

fn event(events: &mut String, data: &Value) {
    events.push_str("data: ");
    events.push_str(&data.to_string());
    events.push_str("\n\n");
}
