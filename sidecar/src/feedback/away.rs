//! Feedback on calls of other pods: asked of the operator, who asks the other sidecars of the namespace.
//!
//! ```text
//! posted here ─► given (in every report until answered) ─► operator ─► ask ─► the sidecar that served the call
//!        ◄─ answer ◄───────────────────────────────────── operator ◄─ found (in its next reports) ◄┘
//! ```
//! Both lists stand in the usage report, which is sent again after every reconnection: a leader that changes in between is
//! told everything anew.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use pointsman_config::link::{FeedbackAnswer, FeedbackAsk, FoundCall, GivenFeedback};
use tokio::sync::{mpsc, oneshot};

use super::judge;
use crate::control::Command;
use crate::data::Data;

/// Questions of the operator wait here for the data thread; beyond, they go unanswered, which the operator takes for silence.
pub(crate) type Asks = mpsc::Receiver<FeedbackAsk>;
pub(crate) const ASKS_AT_MOST: usize = 64;

/// So many may wait for an answer; the operator reads no more of a report.
const GIVEN_AT_MOST: usize = 16;
/// So long an answer stands in reports: by then the operator has stopped waiting.
const FOUND_STANDS: Duration = Duration::from_secs(10);

/// What became of feedback on a call that this process does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// Another sidecar of the namespace served it and has taken the feedback.
    Known(String),
    /// So many were asked and none knows it.
    Unknown(u32),
    /// So many were asked, and so many of them did not answer.
    Silent(u32, u32),
    /// Nobody to ask: no operator, or too much waits for one.
    Alone,
}

/// Who waits for answers, and what was answered. Control thread only.
#[derive(Default)]
pub(crate) struct Away {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    found: VecDeque<(Instant, FoundCall)>,
}

struct Waiting {
    given: GivenFeedback,
    answer: oneshot::Sender<Elsewhere>,
}

impl Away {
    /// Takes feedback in that an operator shall ask others about.
    pub(crate) fn give(&mut self, id: String, score: f64, answer: oneshot::Sender<Elsewhere>) {
        self.forget(Instant::now());
        if self.waiting.len() >= GIVEN_AT_MOST {
            let _ = answer.send(Elsewhere::Alone);
            return;
        }
        self.next += 1;
        let given = GivenFeedback { number: self.next, id, score };
        self.waiting.insert(self.next, Waiting { given, answer });
    }

    /// The operator has answered.
    pub(crate) fn answered(&mut self, answer: FeedbackAnswer) {
        let FeedbackAnswer { number, known, id, asked, silent } = answer;
        let Some(waiting) = self.waiting.remove(&number) else { return };
        let what = match (known, silent) {
            (true, _) => Elsewhere::Known(id),
            (false, 0) => Elsewhere::Unknown(asked),
            (false, silent) => Elsewhere::Silent(asked, silent),
        };
        // Whoever asked may have stopped waiting.
        let _ = waiting.answer.send(what);
    }

    /// We have looked for a call that the operator asked for.
    pub(crate) fn found(&mut self, call: FoundCall, now: Instant) {
        self.found.push_back((now, call));
    }

    /// Forgets who no longer waits, and answers that nobody waits for.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.waiting.retain(|_, waiting| !waiting.answer.is_closed());
        self.found.retain(|(at, _)| now.saturating_duration_since(*at) < FOUND_STANDS);
    }

    /// For a report.
    pub(crate) fn given(&self) -> Vec<GivenFeedback> {
        self.waiting.values().map(|waiting| waiting.given.clone()).collect()
    }

    /// For a report.
    pub(crate) fn calls(&self) -> Vec<FoundCall> {
        self.found.iter().map(|(_, call)| call.clone()).collect()
    }
}

/// Answers the operator's questions, for as long as the data thread runs.
pub(crate) async fn answer_asks(data: Rc<Data>, mut asks: Asks) {
    while let Some(FeedbackAsk { number, id, score }) = asks.recv().await {
        if !(0.0..=1.0).contains(&score) {
            continue;
        }
        // What cannot be kept is not known here: whoever gave it hears so, and may give it again.
        let judged = judge(&data, &id, score).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "feedback could not be kept");
            None
        });
        let id = judged.as_ref().map(|judged| judged.id.clone()).unwrap_or_default();
        let Some(commands) = data.desk.commands.upgrade() else { return };
        let found = FoundCall { number, known: judged.is_some(), id };
        if commands.send(Command::Found(found)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stands_in_reports_until_it_is_answered_or_nobody_waits() {
        let mut away = Away::default();
        let (first, mut heard) = oneshot::channel();
        let (second, gone) = oneshot::channel();
        away.give("a".to_owned(), 1.0, first);
        away.give("b".to_owned(), 0.0, second);
        assert_eq!(away.given().iter().map(|given| given.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        drop(gone);
        away.forget(Instant::now());
        assert_eq!(away.given().len(), 1);
        let answer =
            FeedbackAnswer { number: 1, known: false, asked: 3, silent: 1, ..FeedbackAnswer::default() };
        away.answered(answer.clone());
        away.answered(answer);
        assert_eq!(heard.try_recv(), Ok(Elsewhere::Silent(3, 1)));
        assert_eq!(away.given(), []);
    }

    #[test]
    fn more_than_the_operator_reads_is_refused_at_once() {
        let mut away = Away::default();
        let waiting: Vec<_> = (0..=GIVEN_AT_MOST)
            .map(|_| {
                let (answer, heard) = oneshot::channel();
                away.give("a".to_owned(), 1.0, answer);
                heard
            })
            .collect();
        assert_eq!(away.given().len(), GIVEN_AT_MOST);
        let mut last = waiting.into_iter().next_back().expect("one");
        assert_eq!(last.try_recv(), Ok(Elsewhere::Alone));
    }

    #[test]
    fn an_answer_stands_in_reports_for_a_while() {
        let mut away = Away::default();
        let now = Instant::now();
        away.found(FoundCall { number: 7, known: true, id: "req".to_owned() }, now);
        away.forget(now + FOUND_STANDS / 2);
        assert_eq!(away.calls().len(), 1);
        away.forget(now + FOUND_STANDS);
        assert_eq!(away.calls().len(), 0);
    }
}
