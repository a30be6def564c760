//! What an edit of the folder has changed, object by object, for whoever watches the terminal.

use std::collections::BTreeMap;

use pointsman_config::entry::{Entry, Key, State};

/// What was told last: the generation of every object that serves.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<Key, i64>);

impl Told {
    /// One line for each object that serves in a new generation, or no longer. What was `refused` stays what it was.
    pub(super) fn news(&mut self, entries: &[Entry], refused: impl Fn(&Key) -> bool) -> Vec<String> {
        let mut serving = BTreeMap::new();
        for entry in entries {
            let last = self.0.get(&entry.key).copied();
            let now = match &entry.state {
                State::Valid(_) if !refused(&entry.key) => Some(entry.generation),
                State::Valid(_) | State::Invalid { .. } => last,
                State::Deleted => None,
            };
            serving.extend(now.map(|generation| (entry.key.clone(), generation)));
        }
        let changed = serving.iter().filter(|(key, generation)| self.0.get(key) != Some(generation));
        let mut lines: Vec<String> =
            changed.map(|(key, generation)| format!("{key}: generation {generation} serves.")).collect();
        let gone = self.0.keys().filter(|key| !serving.contains_key(key));
        lines.extend(gone.map(|key| format!("{key}: serves no longer.")));
        self.0 = serving;
        lines
    }
}

#[cfg(test)]
mod tests {
    use pointsman_config::entry::{Kind, Name};

    use super::*;

    fn entry(name: &str, generation: i64, valid: bool) -> Entry {
        let key = Key { kind: Kind::Policy, name: Name::new("default", name) };
        let policy = serde_json::json!({"Policy": {
            "virtualModels": ["auto"], "mode": "Route", "candidates": [], "requestedModel": "Use",
            "objective": "Balanced", "resilience": {"attempts": 1}, "annotate": "Headers", "recording": "Metadata",
        }});
        let state = if valid {
            State::Valid(serde_json::from_value(policy).expect("a policy"))
        } else {
            State::Invalid { message: "x".to_owned() }
        };
        Entry { key, uid: name.to_owned(), generation, state }
    }

    #[test]
    fn an_edit_is_told_once_and_a_bad_one_never() {
        let mut told = Told::default();
        let nobody = |_: &Key| false;
        assert_eq!(
            told.news(&[entry("a", 1, true), entry("b", 1, true)], nobody),
            ["Policy default/a: generation 1 serves.", "Policy default/b: generation 1 serves."]
        );
        assert!(told.news(&[entry("a", 1, true), entry("b", 1, true)], nobody).is_empty());
        assert!(told.news(&[entry("a", 2, false), entry("b", 1, true)], nobody).is_empty());
        assert!(
            told.news(&[entry("a", 3, true), entry("b", 1, true)], |key| key.name.name == "a").is_empty()
        );
        assert_eq!(
            told.news(&[entry("a", 4, true)], nobody),
            ["Policy default/a: generation 4 serves.", "Policy default/b: serves no longer."]
        );
    }
}
