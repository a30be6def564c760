//! What compiling one object gives: the entry for sidecars, and the verdicts for people.

use kube::{Resource, ResourceExt};
use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_crds::{ConditionType, Reason};

use super::problem::{Aspect, Problem, Problems};

/// One compiled object, with what is known of it beyond its entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<Facts> {
    /// What sidecars get. Invalid where a problem blocks.
    pub entry: Entry,
    /// Everything that was found wrong.
    pub problems: Vec<Problem>,
    /// What status and scoping need to know.
    pub facts: Facts,
}

impl<Facts> Outcome<Facts> {
    /// The conditions Accepted and ResolvedRefs.
    pub fn verdicts(&self) -> [Verdict; 2] {
        verdicts(&self.problems)
    }

    /// The generation that was compiled.
    pub fn generation(&self) -> i64 {
        self.entry.generation
    }

    /// Whether sidecars get this version.
    pub fn is_valid(&self) -> bool {
        matches!(self.entry.state, State::Valid(_))
    }
}

/// One condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What is spoken of.
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: bool,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl Verdict {
    /// A condition.
    pub fn new(type_: ConditionType, status: bool, reason: Reason, message: impl Into<String>) -> Self {
        Self { type_, status, reason, message: message.into() }
    }
}

/// The conditions Accepted and ResolvedRefs that follow from the problems.
pub(super) fn verdicts(problems: &[Problem]) -> [Verdict; 2] {
    [
        match worst(Aspect::Accepted, problems) {
            Some((reason, message)) => Verdict::new(ConditionType::Accepted, false, reason, message),
            None => Verdict::new(ConditionType::Accepted, true, Reason::Accepted, "Every field is valid."),
        },
        match worst(Aspect::ResolvedRefs, problems) {
            Some((reason, message)) => Verdict::new(ConditionType::ResolvedRefs, false, reason, message),
            None => Verdict::new(
                ConditionType::ResolvedRefs,
                true,
                Reason::ResolvedRefs,
                "Every reference resolves.",
            ),
        },
    ]
}

/// The most urgent reason of one aspect, and every message of it.
fn worst(aspect: Aspect, problems: &[Problem]) -> Option<(Reason, String)> {
    let mut found: Vec<_> = problems.iter().filter(|problem| problem.aspect() == aspect).collect();
    found.sort_by_key(|problem| problem.reason);
    let all: Vec<_> = found.iter().map(|problem| problem.to_string()).collect();
    found.first().map(|first| (first.reason, bounded(&all.join("; "))))
}

/// At most 1024 bytes: status stays small.
fn bounded(text: &str) -> String {
    const MOST: usize = 1024;
    if text.len() <= MOST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MOST - 3)])
}

/// `namespace/name` of an object.
pub fn name_of<K: Resource>(object: &K) -> Name {
    Name::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// Puts an outcome together.
pub(super) fn outcome<K: Resource, Facts>(
    kind: Kind,
    object: &K,
    compiled: Option<Compiled>,
    problems: Problems,
    facts: Facts,
) -> Outcome<Facts> {
    let blocked = problems.blocked();
    let problems = problems.into_vec();
    let state = match compiled {
        Some(compiled) if !blocked => State::Valid(compiled),
        _ => State::Invalid { message: reasons(&problems) },
    };
    let entry = Entry {
        key: Key { kind, name: name_of(object) },
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        state,
    };
    Outcome { entry, problems, facts }
}

fn reasons(problems: &[Problem]) -> String {
    let all_told: Vec<_> = problems.iter().map(Problem::to_string).collect();
    bounded(&all_told.join("; "))
}
