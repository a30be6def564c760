//! What no committed file may be or say.

use crate::{files, root};

const LONGEST: usize = 600;

/// Hosts of package registries: their clients know them, and a mirror must work as well. In halves, so that this file
/// passes its own test.
const REGISTRIES: [(&str, &str); 10] = [
    ("crates", ".io"),
    ("proxy.golang", ".org"),
    ("sum.golang", ".org"),
    ("registry.npmjs", ".org"),
    ("registry.yarnpkg", ".com"),
    ("pypi", ".org"),
    ("files.pythonhosted", ".org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("archive.ubuntu", ".com"),
];

/// Folders of one machine.
const MACHINE_PATHS: [(&str, &str); 2] = [("/wo", "rk/"), ("/ro", "ot/")];

#[test]
fn no_rust_file_is_longer_than_one_sitting() {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let long: Vec<_> = rust
        .map(|path| {
            (std::fs::read_to_string(root().join(&path)).map_or(0, |text| text.lines().count()), path)
        })
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines, split them by nouns: {long:?}");
}

#[test]
fn no_file_names_a_package_registry_or_a_folder_of_one_machine() {
    let complaints: Vec<String> = files()
        .iter()
        // Cargo writes where its index is into its lock files.
        .filter(|path| path.file_name().is_some_and(|name| name != "Cargo.lock"))
        .filter_map(|path| Some((path, std::fs::read_to_string(root().join(path)).ok()?)))
        .flat_map(|(path, text)| {
            let lines = text.lines().enumerate();
            let wrong = lines.filter_map(|(number, line)| Some((number + 1, forbidden(line)?)));
            wrong
                .map(|(number, what)| format!("{}:{number} names {what}", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The first forbidden name in a line.
fn forbidden(line: &str) -> Option<String> {
    let names = REGISTRIES.iter().chain(&MACHINE_PATHS).map(|(start, end)| format!("{start}{end}"));
    names.into_iter().find(|name| {
        // `mycrates.io` and `$folder/root/` are something else.
        line.match_indices(name.as_str())
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
    })
}

#[test]
fn forbidden_names_are_found_as_words() {
    for (line, found) in [
        (format!("see https://{}{}/crates/kube", REGISTRIES[0].0, REGISTRIES[0].1), true),
        (format!("cd {}{}main", MACHINE_PATHS[0].0, MACHINE_PATHS[0].1), true),
        (format!("$frame{}{}main", MACHINE_PATHS[0].0, MACHINE_PATHS[0].1), false),
        ("an ordinary line".to_owned(), false),
    ] {
        assert_eq!(forbidden(&line).is_some(), found, "{line}");
    }
}
