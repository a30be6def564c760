//! Watches a stream of chat completion chunks while it passes through.
//!
//! ```text
//! bytes as they come ─► frames (whole events) ─► event (what it says) ─► keep │ drop │ annotate ─► bytes to forward
//! ```
//!
//! Whole events are forwarded as slices of what came in. Only an event that arrives in pieces is put together, and
//! nothing of it leaves before its end: its reader could not use it earlier. Events that the caller must not see are
//! left out: the usage chunk that only we asked for, events that are not JSON, and errors, which [`Seen::error`]
//! keeps, because the forwarder may still turn to another provider. Lines end in LF or CRLF; a lone CR ends none.

mod event;
mod frames;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;
use pointsman_config::money::Nano;
use pointsman_config::usage::Usage;
use smallvec::SmallVec;

use self::event::{Chunk, Payload};
use self::frames::Frames;
pub use self::write::{DONE, error_event, usage_chunk};
use super::error::ProviderError;
use super::usage::{Found, Reported};
use crate::body::{Spliced, Splicer};
use crate::estimate;

/// The longest event, and so the longest line, that is read.
pub const LONGEST_EVENT: usize = 1024 * 1024;

/// What to forward after a chunk of bytes came in, in order.
pub type Forward = SmallVec<[Bytes; 4]>;

/// What the caller asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The usage chunk (`stream_options.include_usage`).
    pub usage: bool,
    /// The number of answers (`n`).
    pub choices: u32,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With `[DONE]`, or with a finish reason for every answer.
    Complete,
    /// Too early, with an error, or with an event longer than [`LONGEST_EVENT`].
    Cut,
}

/// What has been seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Identity of the answer, from the first chunk that names a model.
    pub head: Option<Head>,
    /// The last usage that the provider reported.
    pub usage: Reported,
    /// The first content, tool call or reasoning has come: the answer is committed to this provider.
    pub output: bool,
    /// Deltas that carried output.
    pub deltas: u64,
    /// Characters of all output, reasoning and tool calls included.
    pub characters: u64,
    /// Every answer has its finish reason.
    pub finished: bool,
    /// `[DONE]` has come.
    pub done: bool,
    /// The provider's error event.
    pub error: Option<ProviderError>,
    /// Events that were dropped because they were not JSON objects.
    pub malformed: u64,
    /// An event was too long; nothing after it is read.
    pub too_long: bool,
}

/// Identity of the answer that a stream carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub id: String,
    pub model: String,
    /// Seconds since 1970.
    pub created: u64,
}

/// The watcher of one stream.
#[derive(Clone, Debug)]
pub struct StreamWatch {
    wanted: Wanted,
    frames: Frames,
    finished_choices: u128,
    seen: Seen,
}

/// What becomes of an event.
enum Verdict {
    Keep,
    Drop,
    Replace(Spliced),
}

impl StreamWatch {
    pub fn new(wanted: Wanted) -> Self {
        StreamWatch { wanted, frames: Frames::default(), finished_choices: 0, seen: Seen::default() }
    }

    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Has all that matters arrived? Then a provider that keeps the connection open need not be waited for.
    pub fn is_whole(&self) -> bool {
        self.seen.done || (self.seen.finished && self.seen.usage != Reported::Missing)
    }

    /// Guesses the output tokens so far.
    pub fn output_tokens_estimate(&self) -> u64 {
        estimate::output_tokens(self.seen.characters, self.seen.deltas)
    }

    /// Takes the next bytes. `price` says what a usage costs where the caller wants to be told.
    pub fn feed(&mut self, bytes: &Bytes, price: impl Fn(&Usage) -> Option<Nano>) -> Forward {
        let mut forward = Forward::new();
        let mut kept_from = 0;
        let mut at = 0;
        while let Some(end) = self.next_event(bytes, at) {
            if self.frames.is_empty() {
                match self.judge(&bytes[at..end], &price) {
                    Verdict::Keep => {}
                    verdict => {
                        push(&mut forward, bytes.slice(kept_from..at));
                        settle(&mut forward, Bytes::new(), verdict);
                        kept_from = end;
                    }
                }
            } else {
                let event = self.frames.complete(&bytes[at..end]);
                let verdict = self.judge(&event, &price);
                settle(&mut forward, event, verdict);
                kept_from = end;
            }
            at = end;
        }
        push(&mut forward, bytes.slice(kept_from..at));
        forward
    }

    /// Says how the stream ended, and what of its last bytes is still to be forwarded: a last event without the
    /// blank line after it counts if it is whole.
    pub fn finish(&mut self, price: impl Fn(&Usage) -> Option<Nano>) -> (Forward, Ending) {
        let mut forward = Forward::new();
        let rest = self.frames.complete(b"");
        if !self.seen.too_long && Payload::of(&rest).is_some_and(|payload| payload.is_whole()) {
            let missing: &[u8] = if rest.ends_with(b"\n") { b"\n" } else { b"\n\n" };
            let event = Bytes::from([&rest, missing].concat());
            let verdict = self.judge(&event, &price);
            settle(&mut forward, event, verdict);
        }
        (forward, self.ending())
    }

    fn ending(&self) -> Ending {
        let Seen { done, finished, error, too_long, .. } = &self.seen;
        if (*done || *finished) && error.is_none() && !too_long { Ending::Complete } else { Ending::Cut }
    }

    /// Finds the end of the event that goes on at `at`; keeps the bytes where it is not in sight.
    fn next_event(&mut self, bytes: &Bytes, at: usize) -> Option<usize> {
        if self.seen.too_long {
            return None;
        }
        let end = self.frames.find_end(&bytes[at..]).map(|length| at + length);
        if self.frames.len() + end.unwrap_or(bytes.len()) - at > LONGEST_EVENT {
            self.seen.too_long = true;
            return None;
        }
        if end.is_none() {
            self.frames.keep(&bytes[at..]);
        }
        end
    }

    /// After an error event nothing more is forwarded, for no `[DONE]` may follow it; usage is still read.
    fn judge(&mut self, event: &[u8], price: &impl Fn(&Usage) -> Option<Nano>) -> Verdict {
        let verdict = self.read(event, price);
        if self.seen.error.is_some() { Verdict::Drop } else { verdict }
    }

    fn read(&mut self, event: &[u8], price: &impl Fn(&Usage) -> Option<Nano>) -> Verdict {
        let Some(payload) = Payload::of(event) else { return Verdict::Keep };
        if payload.is_done() {
            self.seen.done = true;
            return Verdict::Keep;
        }
        let Ok(chunk) = Chunk::parse(&payload, self.seen.head.is_none()) else {
            self.seen.malformed += 1;
            return Verdict::Drop;
        };
        if chunk.is_error {
            self.seen.error = Some(ProviderError::of_event(&payload.bytes));
            return Verdict::Drop;
        }
        let verdict = self.judge_usage(event, &payload, &chunk, price);
        self.note(chunk);
        verdict
    }

    fn judge_usage(
        &self,
        event: &[u8],
        payload: &Payload<'_>,
        chunk: &Chunk,
        price: &impl Fn(&Usage) -> Option<Nano>,
    ) -> Verdict {
        if !chunk.usage.is_object() {
            return Verdict::Keep;
        }
        if !self.wanted.usage {
            return if chunk.choices.is_empty() { Verdict::Drop } else { Verdict::Keep };
        }
        let cost = chunk.usage.reported.known().and_then(|usage| price(&usage));
        match (cost, payload.offset) {
            (Some(cost), Some(offset)) => Verdict::Replace(annotate(event, offset, &chunk.usage, cost)),
            _ => Verdict::Keep,
        }
    }

    fn note(&mut self, chunk: Chunk) {
        let seen = &mut self.seen;
        if chunk.usage.reported != Reported::Missing {
            seen.usage = chunk.usage.reported;
        }
        if chunk.head.as_ref().is_some_and(|head| !head.model.is_empty()) {
            seen.head = chunk.head;
        }
        for choice in &chunk.choices {
            seen.output |= choice.output.any;
            seen.deltas += u64::from(choice.output.any);
            seen.characters += choice.output.characters;
            if choice.finish_reason.is_some() {
                self.finished_choices |= 1u128.checked_shl(choice.index).unwrap_or(0);
            }
        }
        seen.finished = self.finished_choices.count_ones() >= self.wanted.choices.max(1);
    }
}

fn annotate(event: &[u8], offset: usize, usage: &Found, cost: Nano) -> Spliced {
    let mut splicer = Splicer::default();
    usage.write_cost(&mut splicer, offset, cost);
    splicer.apply(&Bytes::copy_from_slice(event))
}

fn settle(forward: &mut Forward, event: Bytes, verdict: Verdict) {
    match verdict {
        Verdict::Keep => push(forward, event),
        Verdict::Drop => {}
        Verdict::Replace(spliced) => spliced.parts.into_iter().for_each(|part| push(forward, part)),
    }
}

fn push(forward: &mut Forward, bytes: Bytes) {
    if !bytes.is_empty() {
        forward.push(bytes);
    }
}
