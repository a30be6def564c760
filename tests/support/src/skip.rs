//! How does a test say that it cannot run on this machine?

use std::fs::OpenOptions;
use std::io::Write;

/// What a test function returns when it skips itself.
pub trait Skipped {
    /// The value of a test that did nothing.
    fn skipped() -> Self;
}

impl Skipped for () {
    fn skipped() -> Self {}
}

impl<E> Skipped for Result<(), E> {
    fn skipped() -> Self {
        Ok(())
    }
}

/// Ends a test that this machine cannot run, visibly: `return skip("needs root for network namespaces")`.
///
/// The line goes past the capture of the test harness, and into the file that `POINTSMAN_SKIPPED` names, which the last
/// line of `make test` counts.
pub fn skip<T: Skipped>(reason: &str) -> T {
    let line = format!("SKIPPED: {}: {reason}\n", std::thread::current().name().unwrap_or("a test"));
    // print macros are captured for passing tests; a handle is not.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("POINTSMAN_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file of skipped tests is writable");
    }
    T::skipped()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    /// The test binary runs itself, so that the count of the run that it belongs to stays true.
    #[test]
    fn a_skip_is_seen_past_the_capture_and_counted() -> Result<(), String> {
        const INNER: &str = "POINTSMAN_TEST_INNER";
        if std::env::var_os(INNER).is_some() {
            return skip("no such machine");
        }
        let folder = tempfile::tempdir().unwrap();
        let counted = folder.path().join("skipped");
        let mut inner = Command::new(std::env::current_exe().unwrap());
        inner.args(["--exact", "skip::tests::a_skip_is_seen_past_the_capture_and_counted"]);
        let output = inner.env(INNER, "1").env("POINTSMAN_SKIPPED", &counted).output().unwrap();
        let expected = "SKIPPED: skip::tests::a_skip_is_seen_past_the_capture_and_counted: no such machine\n";
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        assert_eq!(std::fs::read_to_string(counted).unwrap(), expected);
        Ok(())
    }
}
