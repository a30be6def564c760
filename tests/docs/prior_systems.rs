//! `docs/prior-systems.md`: every item of the earlier systems has one row, and no row claims more than the tree has.

use std::collections::BTreeSet;

use crate::{read, root};

/// Every item of the earlier systems, one id per line; `#` opens a section.
const ITEMS: &str = include_str!("prior-systems-items.txt");

struct Row<'a> {
    id: &'a str,
    ours: &'a str,
    state: &'a str,
    evidence: &'a str,
}

/// The rows of the tables: `| id | theirs | ours | state | evidence |`.
fn rows(page: &str) -> Vec<Row<'_>> {
    page.lines()
        .filter(|line| line.starts_with("| S"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [id, _theirs, ours, state, evidence] = cells[..] else { panic!("not five cells: {line}") };
            Row { id, ours, state, evidence }
        })
        .collect()
}

/// What is wrong with a row, if anything.
fn complaint(row: &Row<'_>) -> Option<String> {
    if row.ours.is_empty() {
        return Some("has no counterpart".into());
    }
    match (row.state, row.evidence) {
        ("done", "") => Some("is done, but names no evidence".into()),
        ("done", evidence) => evidence.split(", ").find_map(|item| missing(item.trim_matches('`'))),
        ("planned", "") => None,
        ("planned", evidence) => Some(format!("is planned, but names evidence {evidence}")),
        (state, _) => Some(format!("has state \"{state}\": write done or planned")),
    }
}

/// Why `path` or `path::name` is no evidence.
fn missing(item: &str) -> Option<String> {
    let (path, name) = item.split_once("::").unwrap_or((item, ""));
    if path.is_empty() || !root().join(path).exists() {
        return Some(format!("names {path}, which is not there"));
    }
    let inside = name.is_empty() || has_word(&read(path), name);
    (!inside).then(|| format!("names {name}, which is not in {path}"))
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

fn items() -> Vec<&'static str> {
    ITEMS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_item_of_the_earlier_systems_has_exactly_one_row() {
    let page = read("docs/prior-systems.md");
    let listed: Vec<_> = rows(&page).iter().map(|row| row.id).collect();
    let wanted: BTreeSet<_> = items().into_iter().collect();
    let twice: Vec<_> =
        listed.iter().filter(|id| listed.iter().filter(|other| other == id).count() > 1).collect();
    let found: BTreeSet<_> = listed.iter().copied().collect();
    assert!(twice.is_empty(), "rows with the same id: {twice:?}");
    assert_eq!(wanted.difference(&found).collect::<Vec<_>>(), Vec::<&&str>::new(), "items without a row");
    assert_eq!(found.difference(&wanted).collect::<Vec<_>>(), Vec::<&&str>::new(), "rows for no item");
    assert_eq!(items().len(), wanted.len(), "an item stands twice in the list");
}

#[test]
fn no_row_claims_more_than_the_tree_has() {
    let page = read("docs/prior-systems.md");
    let complaints: Vec<_> =
        rows(&page).iter().filter_map(|row| Some(format!("{} {}", row.id, complaint(row)?))).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_row_without_substance_is_noticed() {
    let this = "`tests/docs/prior_systems.rs";
    for (ours, state, evidence, expected) in [
        ("x", "done", format!("{this}`, {this}::complaint`"), None),
        ("x", "planned", String::new(), None),
        ("", "planned", String::new(), Some("has no counterpart")),
        ("x", "done", String::new(), Some("is done, but names no evidence")),
        ("x", "done", "``".into(), Some("names , which is not there")),
        ("x", "done", "`no/such/file.rs`".into(), Some("names no/such/file.rs, which is not there")),
        ("x", "done", format!("{this}`, `nowhere`"), Some("names nowhere, which is not there")),
        (
            "x",
            "done",
            "`tests/docs/main.rs::rior_systems`".into(),
            Some("names rior_systems, which is not in tests/docs/main.rs"),
        ),
        (
            "x",
            "planned",
            format!("{this}`"),
            Some("is planned, but names evidence `tests/docs/prior_systems.rs`"),
        ),
        ("x", "partly", String::new(), Some("has state \"partly\": write done or planned")),
    ] {
        let row = Row { id: "S0-x", ours, state, evidence: &evidence };
        assert_eq!(complaint(&row).as_deref(), expected, "{state} {evidence}");
    }
}
