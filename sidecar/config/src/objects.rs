//! The sidecar's store of objects: its own last good version of each.
//!
//! On Valid the new version replaces the old one, on Invalid the old one stays, lower generations of the same object
//! are refused, Deleted removes. It serialises to the secretless file from which a restarted sidecar serves while the
//! operator is away.

use serde::{Deserialize, Serialize};

use crate::entry::{Compiled, Entry, Key, Kind, Name, State};

/// One object as it is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// Which object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// The generation that is served; the newest one may be invalid.
    pub generation: i64,
    /// What is served.
    pub compiled: Compiled,
}

/// All objects that a sidecar knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Objects {
    objects: Vec<Object>,
}

/// What an entry did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The object changed.
    Changed,
    /// Nothing changed: the same version, or a lower generation of the same object.
    Unchanged,
    /// The newest generation is invalid; what was served stays.
    HeldBack,
}

impl Objects {
    /// Takes one entry in.
    pub fn apply(&mut self, entry: Entry) -> Applied {
        let at = self.objects.binary_search_by(|o| o.key.cmp(&entry.key));
        let current = at.ok().map(|i| &self.objects[i]);
        let stale = current.is_some_and(|o| o.uid == entry.uid && entry.generation < o.generation);
        if stale {
            return Applied::Unchanged;
        }
        match entry.state {
            State::Deleted => match at {
                Ok(i) => {
                    self.objects.remove(i);
                    Applied::Changed
                }
                Err(_) => Applied::Unchanged,
            },
            State::Invalid { message: _ } => Applied::HeldBack,
            State::Valid(compiled) => {
                let object =
                    Object { key: entry.key, uid: entry.uid, generation: entry.generation, compiled };
                match at {
                    Ok(i) if self.objects[i] == object => Applied::Unchanged,
                    Ok(i) => {
                        self.objects[i] = object;
                        Applied::Changed
                    }
                    Err(i) => {
                        self.objects.insert(i, object);
                        Applied::Changed
                    }
                }
            }
        }
    }

    /// Forgets every object that a complete list did not name.
    pub fn retain(&mut self, named: impl Fn(&Key) -> bool) -> Applied {
        let before = self.objects.len();
        self.objects.retain(|o| named(&o.key));
        if self.objects.len() == before { Applied::Unchanged } else { Applied::Changed }
    }

    /// Every object, in order of its key.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter()
    }

    /// One object.
    pub fn get(&self, kind: Kind, name: &Name) -> Option<&Object> {
        let key = Key { kind, name: name.clone() };
        self.objects.binary_search_by(|o| o.key.cmp(&key)).ok().map(|i| &self.objects[i])
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{BudgetConfig, BudgetSelector, Enforcement, OnExhausted, Rights};

    fn key() -> Key {
        Key { kind: Kind::Budget, name: Name::new("shop", "month") }
    }

    fn budget(owner: &str) -> Compiled {
        Compiled::Budget(BudgetConfig {
            owner: Some(owner.to_owned()),
            selector: BudgetSelector::default(),
            limits: Vec::new(),
            enforcement: Enforcement::Strict,
            on_exhausted: OnExhausted::Reject,
            rights: Rights::Local,
        })
    }

    fn entry(uid: &str, generation: i64, state: State) -> Entry {
        Entry { key: key(), uid: uid.to_owned(), generation, state }
    }

    fn owner(objects: &Objects) -> Option<String> {
        objects.iter().find_map(|o| match &o.compiled {
            Compiled::Budget(b) => b.owner.clone(),
            _ => None,
        })
    }

    #[test]
    fn keeps_the_last_good_version_of_each_object() {
        let mut objects = Objects::default();
        let invalid = || State::Invalid { message: "bad".to_owned() };
        let steps = [
            (entry("a", 1, invalid()), Applied::HeldBack, None),
            (entry("a", 2, State::Valid(budget("two"))), Applied::Changed, Some("two")),
            (entry("a", 2, State::Valid(budget("two"))), Applied::Unchanged, Some("two")),
            (entry("a", 3, invalid()), Applied::HeldBack, Some("two")),
            (entry("a", 1, State::Valid(budget("old"))), Applied::Unchanged, Some("two")),
            (entry("a", 4, State::Valid(budget("four"))), Applied::Changed, Some("four")),
            (entry("b", 1, State::Valid(budget("another"))), Applied::Changed, Some("another")),
            (entry("b", 1, State::Deleted), Applied::Changed, None),
            (entry("b", 1, State::Deleted), Applied::Unchanged, None),
        ];
        for (step, (entry, applied, expected)) in steps.into_iter().enumerate() {
            assert_eq!(objects.apply(entry), applied, "step {step}");
            assert_eq!(owner(&objects).as_deref(), expected, "step {step}");
        }
    }

    #[test]
    fn what_a_complete_list_does_not_name_is_forgotten() {
        let mut objects = Objects::default();
        objects.apply(entry("a", 1, State::Valid(budget("x"))));
        assert_eq!(objects.retain(|named| *named == key()), Applied::Unchanged);
        assert_eq!(objects.retain(|_| false), Applied::Changed);
        assert!(objects.is_empty());
        // What comes back under its old uid starts anew, whatever its generation was.
        assert_eq!(objects.apply(entry("a", 1, State::Valid(budget("y")))), Applied::Changed);
    }

    #[test]
    fn survives_a_round_trip_through_json() {
        let mut objects = Objects::default();
        objects.apply(entry("a", 1, State::Valid(budget("x"))));
        let json = serde_json::to_string(&objects).expect("plain data serialises");
        assert_eq!(serde_json::from_str::<Objects>(&json).expect("what was written is read"), objects);
    }
}
