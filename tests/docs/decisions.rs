//! `docs/decisions/`: numbered without gaps, dated, complete, and listed.

use std::collections::BTreeMap;

use crate::{read, root};

/// Number and file name of each page.
fn pages() -> BTreeMap<usize, String> {
    let folder = std::fs::read_dir(root().join("docs/decisions")).expect("the folder exists");
    let names =
        folder.map(|entry| entry.expect("an entry is readable").file_name().to_string_lossy().into_owned());
    names
        .filter(|name| name != "README.md")
        .map(|name| (name[..4].parse().expect("NNNN-title.md"), name))
        .collect()
}

#[test]
fn decisions_are_numbered_without_gaps_and_listed() {
    let (pages, list) = (pages(), read("docs/decisions/README.md"));
    assert_eq!(pages.keys().copied().collect::<Vec<_>>(), (1..=pages.len()).collect::<Vec<_>>());
    for name in pages.values() {
        assert!(list.contains(&format!("]({name})")), "docs/decisions/README.md does not list {name}");
    }
    assert_eq!(
        list.matches("](0").count(),
        pages.len(),
        "docs/decisions/README.md lists a page that is not there"
    );
}

#[test]
fn every_decision_has_its_four_parts_and_a_date_on_one_page() {
    for (number, name) in pages() {
        let page = read(&format!("docs/decisions/{name}"));
        assert!(page.starts_with(&format!("# {number:04}: ")), "{name}: the title opens with another number");
        let parts: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, ["Context", "Options", "Choice", "Consequences"], "{name}");
        let dated =
            page.lines().nth(2).and_then(|line| line.split_once(" · ")).expect("a line with date and state");
        assert!(dated.0.len() == 10 && dated.0.starts_with("20"), "{name}: {}", dated.0);
        assert!(dated.1 == "accepted" || dated.1.starts_with("superseded by "), "{name}: {}", dated.1);
        assert!(page.lines().count() <= 60, "{name} is longer than a page");
    }
}
