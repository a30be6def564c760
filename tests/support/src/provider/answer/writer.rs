//! Hands an answer to the connection piece by piece, keeps the bill, and misbehaves where it should.

use bytes::Bytes;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{Broken, Call, Plan};
use crate::provider::books::{Outcome, Usage};
use crate::provider::model::Price;
use crate::provider::script::{Act, Fault, Point};

/// The writing half of an answer. Its methods give none when the call is over: cut by us, or left by the client.
pub(super) struct Writer {
    pub(super) call: Call,
    pub(super) price: Price,
    pub(super) plan: Plan,
    pub(super) fault: Fault,
    pub(super) release: watch::Receiver<u64>,
    pub(super) pieces: mpsc::Sender<Result<Frame<Bytes>, Broken>>,
}

impl Writer {
    pub(super) async fn stream(mut self) {
        let _ = self.try_stream().await;
    }

    async fn try_stream(&mut self) -> Option<()> {
        self.event(&self.chunk(json!({"role": "assistant", "content": ""}), None)).await?;
        for number in 0..self.plan.words.len() {
            self.reach(Point::Chunk(number)).await?;
            self.bill(number + 1);
            if self.fault == Fault::Malformed(number) {
                self.send("data: {\"id\": not json\n\n".to_owned()).await?;
                continue;
            }
            let space = if number == 0 { "" } else { " " };
            let word = format!("{space}{}", self.plan.words[number]);
            self.event(&self.chunk(json!({"content": word}), None)).await?;
        }
        self.reach(Point::Chunk(self.plan.words.len())).await?;
        self.event(&self.chunk(json!({}), Some(self.plan.finish_reason))).await?;
        if self.plan.include_usage && self.fault != Fault::MissingUsage {
            let mut last = self.chunk(json!({}), None);
            last["choices"] = json!([]);
            last["usage"] = usage(&self.plan.usage);
            self.event(&last).await?;
        }
        // Whoever has read the end finds it in the books.
        self.bill(self.plan.words.len());
        self.call.end(Outcome::Answered);
        if self.fault != Fault::MissingDone {
            self.send("data: [DONE]\n\n".to_owned()).await?;
        }
        Some(())
    }

    /// The whole answer as one body.
    pub(super) fn whole(&self) -> String {
        if matches!(self.fault, Fault::Malformed(_)) {
            return "{\"id\": not json".to_owned();
        }
        let message = json!({"role": "assistant", "content": self.plan.words.join(" ")});
        let mut body = json!({
            "id": self.plan.id,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.plan.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.plan.finish_reason}],
        });
        if self.fault != Fault::MissingUsage {
            body["usage"] = usage(&self.plan.usage);
        }
        body.to_string()
    }

    pub(super) async fn send_whole(mut self, text: String) {
        let _ = self.try_send_whole(text).await;
    }

    async fn try_send_whole(&mut self, mut text: String) -> Option<()> {
        self.reach(Point::Chunk(0)).await?;
        // All of it has been made before any of it is sent.
        self.bill(self.plan.words.len());
        let rest = text.split_off(text.len() / 2);
        self.send(text).await?;
        self.reach(Point::Chunk(1)).await?;
        self.call.end(Outcome::Answered);
        self.send(rest).await
    }

    /// Bills the input, the thinking and so many words.
    fn bill(&mut self, words: usize) {
        let output = self.plan.usage.reasoning + words as u64;
        self.call.state.books.bill(self.call.entry, Usage { output, ..self.plan.usage }, &self.price);
    }

    /// Does what the fault says at this point.
    async fn reach(&mut self, here: Point) -> Option<()> {
        match self.fault.at(here) {
            Act::GoOn => Some(()),
            Act::Cut => {
                // Room means that the piece before has been taken and written.
                let room = self.pieces.reserve().await.ok()?;
                room.send(Err(self.call.cut()));
                None
            }
            Act::Hold => tokio::select! {
                released = self.release.changed() => released.ok(),
                () = self.pieces.closed() => None,
            },
            Act::Wait(time) => tokio::select! {
                () = tokio::time::sleep(time) => Some(()),
                () = self.pieces.closed() => None,
            },
        }
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = json!({
            "id": self.plan.id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.plan.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        });
        if self.plan.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    async fn event(&mut self, event: &Value) -> Option<()> {
        self.send(format!("data: {event}\n\n")).await
    }

    async fn send(&mut self, piece: String) -> Option<()> {
        self.pieces.send(Ok(Frame::data(Bytes::from(piece)))).await.ok()
    }
}

/// Any moment does: nobody acts on it.
const CREATED: u64 = 1_780_000_000;

fn usage(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}
