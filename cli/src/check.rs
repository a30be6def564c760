//! `pointsman check`: lints manifests offline, with the API server's own rules and the operator's.

mod degrade;

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use pointsman_crds::Reason;
use pointsman_operator::compile::{Aspect, CompiledWorld, Problem as Finding};

use crate::environment::Environment;
use crate::manifests::{self, Folder, Manifest, Problem, Severity, render};
use crate::world::compile_manifests;

/// What `check` found.
pub(crate) struct Report {
    /// The report, for people.
    pub(crate) text: String,
    /// How many errors.
    pub(crate) errors: usize,
}

/// Checks a folder or a file.
pub(crate) fn check(path: &Path, environment: &Environment) -> std::io::Result<Report> {
    let folder = manifests::read(path)?;
    let problems = all_problems(&folder, environment);
    Ok(report(&folder, problems))
}

/// Everything that is wrong with a folder, in order of file and line.
pub(crate) fn all_problems(folder: &Folder, environment: &Environment) -> Vec<Problem> {
    let compiled = compile_manifests(&folder.manifests, environment);
    let mut problems = folder.problems.clone();
    for manifest in &folder.manifests {
        problems.extend(findings(&compiled.world, manifest).into_iter().map(|finding| {
            let severity = severity_of(&finding);
            problem(manifest, &finding.path, &finding.message, severity, Some(finding.reason.to_string()))
        }));
        let dead_end = degrade::dead_end(&compiled.world, manifest);
        problems.extend(
            dead_end.map(|message| problem(manifest, degrade::PATH, &message, Severity::Warning, None)),
        );
    }
    problems.sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    problems
}

/// A Secret that is not in the folder may well be in the cluster. A model without a price is served all the same, but
/// where a budget counts money.
fn severity_of(finding: &Finding) -> Severity {
    match (finding.reason, finding.aspect()) {
        (Reason::SecretMissing | Reason::PriceUnknown, _) => Severity::Warning,
        (_, Aspect::Accepted) => Severity::Condition("Accepted"),
        (_, Aspect::ResolvedRefs) => Severity::Condition("ResolvedRefs"),
    }
}

fn findings(world: &CompiledWorld, manifest: &Manifest) -> Vec<Finding> {
    let name = pointsman_config::entry::Name::new(&manifest.namespace, &manifest.name);
    let found = match manifest.kind.as_str() {
        "LLMProvider" => world.providers.get(&name).map(|o| o.problems.clone()),
        "RoutingPolicy" => world.policies.get(&name).map(|o| o.problems.clone()),
        "Budget" => world.budgets.get(&name).map(|o| o.problems.clone()),
        "ABTest" => world.tests.get(&name).map(|o| o.problems.clone()),
        _ => None,
    };
    found.unwrap_or_default()
}

fn problem(
    manifest: &Manifest,
    path: &str,
    message: &str,
    severity: Severity,
    reason: Option<String>,
) -> Problem {
    Problem {
        severity,
        file: manifest.file.clone(),
        place: manifest.locate(path),
        object: Some(manifest.title()),
        path: path.to_owned(),
        message: message.to_owned(),
        reason,
    }
}

fn report(folder: &Folder, problems: Vec<Problem>) -> Report {
    let mut texts: HashMap<PathBuf, String> = HashMap::new();
    let mut out = String::new();
    for problem in &problems {
        let text = texts
            .entry(problem.file.clone())
            .or_insert_with(|| std::fs::read_to_string(&problem.file).unwrap_or_default());
        let _ = writeln!(out, "{}", render(problem, text));
    }
    let refused = problems.iter().filter(|p| p.severity == Severity::Refused).count();
    let conditions: Vec<&Problem> =
        problems.iter().filter(|p| matches!(p.severity, Severity::Condition(_))).collect();
    let errors = refused + conditions.len();
    let warnings = problems.len() - errors;
    let _ = write!(
        out,
        "{}, {}: {}, {}.",
        count(folder.files, "file"),
        count(folder.objects, "object"),
        count(errors, "error"),
        count(warnings, "warning")
    );
    if errors > 0 {
        let _ = write!(out, "  The API server would refuse {refused} of them");
        let mut shown: Vec<String> = conditions.iter().map(|p| shown_as(p)).collect();
        shown.dedup();
        if !shown.is_empty() {
            let _ = write!(out, "; in a cluster the others show as {}", shown.join(", "));
        }
        out.push('.');
    }
    out.push('\n');
    Report { text: out, errors }
}

fn shown_as(problem: &Problem) -> String {
    let Severity::Condition(condition) = problem.severity else { return String::new() };
    let reason = problem.reason.as_deref().unwrap_or_default();
    format!("{condition}=False, reason {reason}, on {}", problem.object.as_deref().unwrap_or_default())
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Prints the report; exit 1 on an error.
pub(crate) fn run(args: &crate::args::Check) -> anyhow::Result<std::process::ExitCode> {
    use anyhow::Context;
    use std::io::Write;
    let report = check(&args.path, &Environment::of_process())
        .with_context(|| format!("failed to read {}", args.path.display()))?;
    std::io::stdout().lock().write_all(report.text.as_bytes())?;
    Ok(if report.errors == 0 { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE })
}

#[cfg(test)]
mod tests;
