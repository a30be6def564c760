//! One finding about a manifest, and how it is shown: the place, the lines around it, the object, the remedy.

use std::fmt::Write;
use std::path::PathBuf;

use super::locate::Place;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The API server would refuse it.
    Refused,
    /// The API server would take it, and a condition would say what is wrong.
    Condition(&'static str),
    /// It works, but hardly as meant.
    Warning,
}

/// One finding.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// Which file.
    pub(crate) file: PathBuf,
    /// Where in it, if the file could be read that far.
    pub(crate) place: Option<Place>,
    /// `RoutingPolicy shop/default`, if it is known.
    pub(crate) object: Option<String>,
    /// `spec.candidates[1].model`
    pub(crate) path: String,
    /// What is wrong and what to write instead.
    pub(crate) message: String,
    /// The word in status, for conditions: `UnknownModel`.
    pub(crate) reason: Option<String>,
}

/// Shows a finding with the two lines before it and a marker under it.
pub(crate) fn render(problem: &Problem, text: &str) -> String {
    let mut out = String::new();
    let file = problem.file.display();
    let warning = if problem.severity == Severity::Warning { "    warning" } else { "" };
    match problem.place {
        Some(place) => {
            let _ = writeln!(out, "{file}:{}:{}{warning}", place.line, place.column);
            out.push_str(&excerpt(text, place, &problem.message));
        }
        None => {
            let _ = writeln!(out, "{file}{warning}\n      {}", problem.message);
        }
    }
    if let Some(object) = &problem.object {
        let at = if problem.path.is_empty() { String::new() } else { format!(", {}", problem.path) };
        let _ = writeln!(out, "   {object}{at}.");
    }
    out
}

fn excerpt(text: &str, place: Place, message: &str) -> String {
    let mut out = String::new();
    let first = place.line.saturating_sub(2).max(1);
    for (number, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l)) {
        if (first..=place.line).contains(&number) {
            let _ = writeln!(out, "  {number:>4} | {line}");
        }
    }
    let _ = writeln!(out, "       | {}{} {message}", " ".repeat(place.column - 1), "^".repeat(place.width));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_where_it_is_and_what_to_do() {
        let problem = Problem {
            severity: Severity::Refused,
            file: PathBuf::from("shop/budget.yaml"),
            place: Some(Place { line: 3, column: 13, width: 3 }),
            object: Some("Budget shop/month".to_owned()),
            path: "spec.limits[0].amount".to_owned(),
            message: "a number without a unit: write 500 USD".to_owned(),
            reason: None,
        };
        let text = "spec:\n  limits:\n  - amount: 500\n";
        let expected = "\
shop/budget.yaml:3:13
     1 | spec:
     2 |   limits:
     3 |   - amount: 500
       |             ^^^ a number without a unit: write 500 USD
   Budget shop/month, spec.limits[0].amount.
";
        assert_eq!(render(&problem, text), expected);
    }
}
