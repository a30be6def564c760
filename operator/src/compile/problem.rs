//! What is wrong with an object: every finding at once, each with the path of the field and what to write instead.

use std::fmt;

pub(super) use pointsman_crds::Reason;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `spec.candidates[1].model`.
    pub path: String,
    /// Which kind of mistake.
    pub reason: Reason,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Problem {
    /// The condition that it makes False.
    pub fn aspect(&self) -> Aspect {
        match self.reason {
            Reason::Invalid | Reason::NotRootNamespace => Aspect::Accepted,
            _ => Aspect::ResolvedRefs,
        }
    }

    /// Whether sidecars keep their last good version instead of getting this one. What does not block leaves something
    /// out (one candidate, one rule), and the rest is served.
    pub fn blocks(&self) -> bool {
        let leaves_out = matches!(
            self.reason,
            Reason::UnknownModel
                | Reason::UnknownProvider
                | Reason::NotPermitted
                | Reason::PolicyNotFound
                | Reason::PriceUnknown
        );
        !leaves_out
    }
}

/// The condition that a problem makes False.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The object by itself.
    Accepted,
    /// What it names.
    ResolvedRefs,
}

/// Collects findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one.
    pub(super) fn add(&mut self, path: impl Into<String>, reason: Reason, message: impl Into<String>) {
        self.0.push(Problem { path: path.into(), reason, message: message.into() });
    }

    /// Notes an invalid value, in whose place there is none.
    pub(super) fn refuse<T>(&mut self, path: impl Into<String>, message: impl Into<String>) -> Option<T> {
        self.add(path, Reason::Invalid, message);
        None
    }

    /// Takes the value, or notes why there is none.
    pub(super) fn take<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, Reason::Invalid, error.to_string())).ok()
    }

    pub(super) fn blocked(&self) -> bool {
        self.0.iter().any(Problem::blocks)
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
