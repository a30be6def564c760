#![allow(clippy::unwrap_used)]
//! A folder, edit by edit: what is served, at which generation, and what was kept of what broke.

use std::fs;
use std::path::Path;

use pointsman_config::entry::{Compiled, State};

use super::*;

const PROVIDER: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {name: sim}
spec:
  type: Simulated
  models: [{name: small, pricing: {input: '1', output: '1'}}]
";

const BUDGET: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {name: day}
spec:
  limits: [{name: usd, amount: 5 USD, window: Day}]
";

enum Edit<'a> {
    Write(&'a str, String),
    Bytes(&'a str, &'a [u8]),
    Rename(&'a str, &'a str),
    Remove(&'a str),
}
use Edit::{Bytes, Remove, Rename, Write};

fn put<'a>(file: &'a str, text: &str) -> Edit<'a> {
    Write(file, text.to_owned())
}

fn apply(folder: &Path, edit: &Edit<'_>) {
    let at = |file: &str| folder.join(file);
    match edit {
        Write(file, text) => fs::write(at(file), text).unwrap(),
        Bytes(file, bytes) => fs::write(at(file), bytes).unwrap(),
        Rename(from, to) => fs::rename(at(from), at(to)).unwrap(),
        Remove(file) => fs::remove_file(at(file)).unwrap(),
    }
}

/// Provider and budget as they are served: `sim@1 small`, `day@2 $5`.
fn served(loaded: &Loaded) -> Vec<String> {
    let told = |entry: &Entry| {
        let what = match &entry.state {
            State::Valid(Compiled::Provider(provider)) => provider.models[0].name.clone(),
            State::Valid(Compiled::Budget(budget)) => budget.limits[0].amount.to_string(),
            State::Valid(Compiled::Policy(_)) => return None,
            State::Invalid { .. } => "invalid".to_owned(),
            State::Deleted => "deleted".to_owned(),
        };
        Some(format!("{}@{} {what}", entry.key.name.name, entry.generation))
    };
    loaded.entries.iter().filter_map(told).collect()
}

/// What is done, how, what is served after it, and what was kept.
type Step<'a> = (&'a str, Vec<Edit<'a>>, &'a [&'a str], &'a [&'a str]);

fn play(steps: Vec<Step<'_>>) {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::Folder(folder.path().to_owned());
    let mut serving = Serving::new(Environment::default());
    for (what, edits, expected, kept) in steps {
        edits.iter().for_each(|edit| apply(folder.path(), edit));
        let loaded = serving.load(&source).unwrap();
        assert_eq!(served(&loaded), expected, "{what}: {:?}", loaded.problems_text());
        assert_eq!(loaded.kept, kept, "{what}");
        let told = loaded.problems_text().unwrap_or_default();
        assert!(kept.iter().all(|title| told.contains(title)), "{what}: {told}");
    }
}

#[test]
fn an_edit_counts_up_and_a_mere_touch_does_not() {
    play(vec![
        ("first", vec![put("p.yaml", PROVIDER), put("b.yaml", BUDGET)], &["sim@1 small", "day@1 $5"], &[]),
        ("nothing", vec![], &["sim@1 small", "day@1 $5"], &[]),
        ("a comment", vec![put("b.yaml", &format!("# mine\n{BUDGET}"))], &["sim@1 small", "day@1 $5"], &[]),
        (
            "an edit",
            vec![put("b.yaml", &BUDGET.replace("5 USD", "6 USD"))],
            &["sim@1 small", "day@2 $6"],
            &[],
        ),
        ("taken back", vec![put("b.yaml", BUDGET)], &["sim@1 small", "day@3 $5"], &[]),
    ]);
}

#[test]
fn whatever_breaks_an_object_its_last_good_version_serves_on() {
    let start = || vec![put("p.yaml", PROVIDER), put("b.yaml", BUDGET)];
    let both: &[&str] = &["sim@1 small", "day@1 $5"];
    let day: &[&str] = &["Budget default/day"];
    for (what, broken) in [
        ("not YAML", put("b.yaml", "kind: [")),
        ("cut off in the middle", put("b.yaml", &BUDGET[..BUDGET.len() - 12])),
        ("an amount without its unit", put("b.yaml", &BUDGET.replace("5 USD", "5"))),
        ("an unknown field", put("b.yaml", &BUDGET.replace("spec:", "spec:\n  limit: 1"))),
        ("a slip in the kind", put("b.yaml", &BUDGET.replace("Budget", "Budgte"))),
        ("a limit's unit changed", put("b.yaml", &BUDGET.replace("5 USD", "5 Tokens"))),
        ("a limit's window changed", put("b.yaml", &BUDGET.replace("window: Day", "window: Week"))),
        ("no name", put("b.yaml", &BUDGET.replace("name: day", "labels: {}"))),
        (
            "a label that is no string",
            put("b.yaml", &BUDGET.replace("name: day", "name: day, labels: {a: 1}")),
        ),
        ("not UTF-8", Bytes("b.yaml", b"# \xff\n")),
    ] {
        play(vec![
            ("first", start(), both, &[]),
            (what, vec![broken], both, day),
            (
                "the other is edited meanwhile",
                vec![put("p.yaml", &PROVIDER.replace("small", "large"))],
                &["sim@2 large", "day@1 $5"],
                day,
            ),
            ("mended as it was", vec![put("b.yaml", BUDGET)], &["sim@2 large", "day@1 $5"], &[]),
            (
                "edited",
                vec![put("b.yaml", &BUDGET.replace("5 USD", "7 USD"))],
                &["sim@2 large", "day@2 $7"],
                &[],
            ),
        ]);
    }
}

#[test]
fn what_is_removed_is_gone_also_when_it_was_broken_before() {
    let start = || vec![put("p.yaml", PROVIDER), put("b.yaml", BUDGET)];
    let both: &[&str] = &["sim@1 small", "day@1 $5"];
    play(vec![
        ("first", start(), both, &[]),
        ("removed", vec![Remove("b.yaml")], &["sim@1 small"], &[]),
        ("back", vec![put("b.yaml", BUDGET)], both, &[]),
        ("broken", vec![put("b.yaml", "kind: [")], both, &["Budget default/day"]),
        ("and removed", vec![Remove("b.yaml")], &["sim@1 small"], &[]),
        ("broken from the start", vec![put("b.yaml", "kind: [")], &["sim@1 small"], &[]),
    ]);
}

#[test]
fn an_object_may_move_between_files() {
    let both: &[&str] = &["sim@1 small", "day@1 $5"];
    let together = format!("{PROVIDER}---\n{BUDGET}");
    play(vec![
        ("first", vec![put("p.yaml", PROVIDER), put("b.yaml", BUDGET)], both, &[]),
        ("renamed", vec![Rename("b.yaml", "c.yaml")], both, &[]),
        ("broken where it is now", vec![put("c.yaml", "kind: [")], both, &["Budget default/day"]),
        ("mended", vec![put("c.yaml", BUDGET)], both, &[]),
        ("in two files", vec![put("p.yaml", &together)], both, &[]),
        ("in the other only", vec![Remove("c.yaml")], both, &[]),
        (
            "that one breaks",
            vec![put("p.yaml", &together.replace("5 USD", "5"))],
            both,
            &["Budget default/day"],
        ),
        (
            "all of it",
            vec![put("p.yaml", "kind: [")],
            both,
            &["Budget default/day", "LLMProvider default/sim"],
        ),
    ]);
}
