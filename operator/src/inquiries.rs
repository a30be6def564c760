//! Whose call was that? Feedback that one sidecar was given on a call of another, asked around in its namespace.
//!
//! ```text
//! given by a sidecar ─► ask every other one of the namespace ─► the first that knows the call ─► answer
//!                                                           └─► all said no, or are silent   ─► answer
//! ```
//! A namespace is the trust boundary: nobody else is asked, so nobody else's calls are rated or even confirmed. Pure but for
//! the channels to the streams, which are never waited for.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::link::ledger_reply::Message;
use pointsman_config::link::{FeedbackAnswer, FeedbackAsk, FoundCall, GivenFeedback};
use tokio::sync::mpsc;

/// What one sidecar may have waiting; what is beyond is not read.
const GIVEN_AT_MOST: usize = 16;
/// No provider's ids are longer.
const MOST_ID_BYTES: usize = 256;
/// Messages wait here for a stream. A sidecar whose stream is full counts as silent.
pub(crate) const OUTBOX: usize = 64;

/// The connected streams, and what is being asked.
#[derive(Debug, Default)]
pub(crate) struct Inquiries {
    last: u64,
    sessions: BTreeMap<u64, Session>,
    open: BTreeMap<u64, Inquiry>,
}

#[derive(Debug)]
struct Session {
    namespace: String,
    pod_uid: String,
    outbox: mpsc::Sender<Message>,
    /// What it has given and still repeats.
    given: BTreeSet<u64>,
}

#[derive(Debug)]
struct Inquiry {
    asker: u64,
    number: u64,
    waiting: BTreeSet<u64>,
    asked: u32,
    /// Of those asked, whom the question did not reach, or who went away.
    silent: u32,
}

impl Inquiries {
    /// A stream begins; its number.
    pub(crate) fn join(&mut self, namespace: &str, pod_uid: &str, outbox: mpsc::Sender<Message>) -> u64 {
        self.last += 1;
        let (namespace, pod_uid) = (namespace.to_owned(), pod_uid.to_owned());
        self.sessions.insert(self.last, Session { namespace, pod_uid, outbox, given: BTreeSet::new() });
        self.last
    }

    /// A stream has ended: it answers no more.
    pub(crate) fn leave(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.open.retain(|_, inquiry| inquiry.asker != session);
        let waiting: Vec<u64> =
            self.open.iter().filter(|(_, i)| i.waiting.contains(&session)).map(|(n, _)| *n).collect();
        for number in waiting {
            self.hear(number, session, None);
        }
    }

    /// Takes what a report says; returns the numbers of new inquiries, which the caller ends in time.
    pub(crate) fn take(&mut self, session: u64, given: &[GivenFeedback], found: &[FoundCall]) -> Vec<u64> {
        for call in found {
            let asked = self.open.get(&call.number).is_some_and(|inquiry| inquiry.waiting.contains(&session));
            if asked {
                self.hear(call.number, session, Some(call));
            }
        }
        let Some(known) = self.sessions.get_mut(&session) else { return Vec::new() };
        known.given.retain(|number| given.iter().any(|given| given.number == *number));
        let fresh: Vec<_> = given
            .iter()
            .take(GIVEN_AT_MOST)
            .filter(|given| (0.0..=1.0).contains(&given.score) && given.id.len() <= MOST_ID_BYTES)
            .filter(|given| known.given.insert(given.number))
            .collect();
        fresh.into_iter().map(|given| self.ask(session, given)).collect()
    }

    /// Time is over: who has not answered is silent.
    pub(crate) fn expire(&mut self, number: u64) {
        if let Some(inquiry) = self.open.get_mut(&number) {
            inquiry.silent += u32::try_from(inquiry.waiting.len()).unwrap_or(u32::MAX);
            inquiry.waiting.clear();
        }
        self.conclude(number);
    }

    fn ask(&mut self, asker: u64, given: &GivenFeedback) -> u64 {
        self.last += 1;
        let inquiry_number = self.last;
        let mut inquiry =
            Inquiry { asker, number: given.number, waiting: BTreeSet::new(), asked: 0, silent: 0 };
        if let Some(own) = self.sessions.get(&asker) {
            let others = self
                .sessions
                .iter()
                .filter(|(_, other)| other.namespace == own.namespace && other.pod_uid != own.pod_uid);
            for (number, other) in others {
                inquiry.asked += 1;
                let ask = FeedbackAsk { number: inquiry_number, id: given.id.clone(), score: given.score };
                match other.outbox.try_send(Message::Ask(ask)) {
                    Ok(()) => drop(inquiry.waiting.insert(*number)),
                    Err(_) => inquiry.silent += 1,
                }
            }
        }
        self.open.insert(inquiry_number, inquiry);
        self.conclude(inquiry_number);
        inquiry_number
    }

    /// One of those asked has answered; with nothing where it went away.
    fn hear(&mut self, number: u64, session: u64, call: Option<&FoundCall>) {
        let Some(inquiry) = self.open.get_mut(&number) else { return };
        inquiry.waiting.remove(&session);
        match call {
            Some(call) if call.known => {
                if let Some(inquiry) = self.open.remove(&number) {
                    self.answer(&inquiry, Some(&call.id));
                }
                return;
            }
            Some(_) => {}
            None => inquiry.silent += 1,
        }
        self.conclude(number);
    }

    /// Answers where nobody is left to wait for.
    fn conclude(&mut self, number: u64) {
        if self.open.get(&number).is_some_and(|inquiry| inquiry.waiting.is_empty())
            && let Some(inquiry) = self.open.remove(&number)
        {
            self.answer(&inquiry, None);
        }
    }

    fn answer(&self, inquiry: &Inquiry, id: Option<&str>) {
        let Some(asker) = self.sessions.get(&inquiry.asker) else { return };
        let answer = FeedbackAnswer {
            number: inquiry.number,
            known: id.is_some(),
            id: id.unwrap_or_default().chars().take(MOST_ID_BYTES).collect(),
            asked: inquiry.asked,
            silent: inquiry.silent,
        };
        // A full outbox: the sidecar hears nothing, and tells whoever waits that nobody answered.
        let _ = asker.outbox.try_send(Message::Answer(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        inquiries: Inquiries,
        /// Stream and what was sent to it, by pod.
        pods: BTreeMap<&'static str, (u64, mpsc::Receiver<Message>)>,
    }

    /// Pods of two namespaces.
    fn scene() -> Scene {
        let mut inquiries = Inquiries::default();
        let pods = [("a", "shop"), ("b", "shop"), ("c", "shop"), ("x", "bank")].map(|(pod, namespace)| {
            let (outbox, sent) = mpsc::channel(4);
            (pod, (inquiries.join(namespace, pod, outbox), sent))
        });
        Scene { inquiries, pods: pods.into() }
    }

    impl Scene {
        fn session(&self, pod: &str) -> u64 {
            self.pods[pod].0
        }

        fn sent(&mut self, pod: &str) -> Vec<Message> {
            let (_, sent) = self.pods.get_mut(pod).expect("a pod");
            std::iter::from_fn(|| sent.try_recv().ok()).collect()
        }

        fn give(&mut self, pod: &str, number: u64) -> Vec<u64> {
            let given = GivenFeedback { number, id: "chatcmpl-1".to_owned(), score: 0.5 };
            self.inquiries.take(self.session(pod), &[given], &[])
        }

        fn find(&mut self, pod: &str, number: u64, known: bool) {
            let found = FoundCall { number, known, id: "req_1".to_owned() };
            let new = self.inquiries.take(self.session(pod), &[], &[found]);
            assert_eq!(new, [0; 0]);
        }
    }

    fn answer(known: bool, asked: u32, silent: u32) -> Message {
        let id = if known { "req_1" } else { "" }.to_owned();
        Message::Answer(FeedbackAnswer { number: 7, known, id, asked, silent })
    }

    #[test]
    fn the_other_pods_of_the_namespace_are_asked_once_and_the_one_that_knows_is_told_of() {
        let mut scene = scene();
        let new = scene.give("a", 7);
        assert_eq!(scene.give("a", 7), [0; 0], "it stands in every report until it is answered");
        let ask = Message::Ask(FeedbackAsk { number: new[0], id: "chatcmpl-1".to_owned(), score: 0.5 });
        for pod in ["b", "c"] {
            assert_eq!(scene.sent(pod), std::slice::from_ref(&ask));
        }
        assert_eq!((scene.sent("a"), scene.sent("x")), (vec![], vec![]), "no other namespace hears of it");
        scene.find("b", new[0], false);
        assert_eq!(scene.sent("a"), []);
        scene.find("c", new[0], true);
        assert_eq!(scene.sent("a"), [answer(true, 2, 0)]);
        scene.find("c", new[0], true);
        scene.inquiries.expire(new[0]);
        assert_eq!(scene.sent("a"), [], "it was answered");
    }

    #[test]
    fn a_call_that_nobody_knows_is_nobody_s_and_who_is_silent_is_counted() {
        let mut scene = scene();
        let new = scene.give("a", 7);
        scene.find("b", new[0], false);
        scene.find("c", new[0], false);
        assert_eq!(scene.sent("a"), [answer(false, 2, 0)]);
        let new = scene.give("b", 7);
        scene.find("a", new[0], false);
        scene.inquiries.expire(new[0]);
        assert_eq!(scene.sent("b").last(), Some(&answer(false, 2, 1)));
        let new = scene.give("c", 7);
        scene.find("b", new[0], false);
        let gone = scene.session("a");
        scene.inquiries.leave(gone);
        assert_eq!(scene.sent("c").last(), Some(&answer(false, 2, 1)), "a stream that ends answers no more");
        scene.give("x", 7);
        assert_eq!(scene.sent("x"), [answer(false, 0, 0)]);
    }

    #[test]
    fn another_namespace_cannot_answer_a_question_that_it_was_not_asked() {
        let mut scene = scene();
        let new = scene.give("a", 7);
        scene.find("x", new[0], true);
        assert_eq!(scene.sent("a"), []);
    }

    #[test]
    fn what_is_no_score_or_no_id_is_not_asked_for() {
        let mut scene = scene();
        let given = |id: &str, score| GivenFeedback { number: 1, id: id.to_owned(), score };
        let session = scene.session("a");
        for given in [given("a", f64::NAN), given("a", 1.5), given(&"a".repeat(257), 1.0)] {
            assert_eq!(scene.inquiries.take(session, &[given], &[]), [0; 0]);
        }
        assert_eq!(scene.sent("b"), []);
    }
}
