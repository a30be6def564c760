//! Per-object entries: how one object's compiled form, or its failure to compile, travels.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::budget::BudgetConfig;
use crate::policy::PolicyConfig;
use crate::provider::ProviderConfig;

/// `namespace/name` of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Name {
    /// A name from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The kinds that a sidecar obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// An LLMProvider.
    Provider,
    /// A RoutingPolicy.
    Policy,
    /// A Budget.
    Budget,
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    #[serde(flatten)]
    pub name: Name,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

/// One object's compiled form at one generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which object.
    pub key: Key,
    /// Its uid: another uid is another object of the same name.
    pub uid: String,
    /// The generation of the spec that was compiled.
    pub generation: i64,
    /// Its state.
    pub state: State,
}

/// The state of an object.
#[expect(clippy::large_enum_variant, reason = "nearly all are Valid; a box would only add a pointer")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum State {
    /// It compiled to this.
    Valid(Compiled),
    /// It did not compile; a sidecar keeps what it last had of it.
    Invalid {
        /// Why, for logs; the object's conditions say it to people.
        message: String,
    },
    /// It is gone.
    Deleted,
}

/// A compiled object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Compiled {
    /// An LLMProvider.
    Provider(ProviderConfig),
    /// A RoutingPolicy.
    Policy(PolicyConfig),
    /// A Budget.
    Budget(BudgetConfig),
}

impl Compiled {
    /// The kind of object it came from.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Provider(_) => Kind::Provider,
            Self::Policy(_) => Kind::Policy,
            Self::Budget(_) => Kind::Budget,
        }
    }
}
