#![allow(clippy::unwrap_used)]
//! Folders with one mistake each: where it is shown, how bad it is, and the sum at the end.

use super::*;

const PROVIDER: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {name: sim}
spec:
  type: Simulated
  models: [{name: small, pricing: {input: '1', output: '1'}}]
";

const POLICY: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: default}
spec:
  candidates:
    - model: small
";

fn checked(files: &[(&str, &[u8])], environment: &Environment) -> Report {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let report = check(folder.path(), environment).unwrap();
    Report { text: report.text.replace(&format!("{}/", folder.path().display()), ""), ..report }
}

#[test]
fn a_folder_without_mistakes_is_one_line() {
    let files: [(&str, &[u8]); 2] = [("p.yaml", PROVIDER.as_bytes()), ("r.yml", POLICY.as_bytes())];
    let report = checked(&files, &Environment::default());
    assert_eq!((report.text.as_str(), report.errors), ("2 files, 2 objects: 0 errors, 0 warnings.\n", 0));
}

#[test]
fn each_mistake_is_shown_where_it_is_and_counted_once() {
    let refused = "The API server would refuse 1 of them.";
    for (file, text, place, says, end) in [
        (
            "r.yaml",
            POLICY.replace("- model: small", "- model: smal"),
            "r.yaml:6:14",
            "\"smal\"",
            "reason UnknownModel",
        ),
        (
            "r.yaml",
            POLICY.replace("spec:", "spec:\n  objectiv: Cost"),
            "r.yaml:5:3",
            "Did you mean objective?",
            refused,
        ),
        ("r.yaml", POLICY.replace("RoutingPolicy", "RoutingPolcy"), "r.yaml:2:7", "RoutingPolicy?", refused),
        ("r.yaml", POLICY.replace("v1alpha1", "v1"), "r.yaml:1:13", "write pointsman.dev/v1alpha1", refused),
        ("r.yaml", POLICY.replace("name: default", "labels: {}"), "r.yaml:3:1", "a name is needed", refused),
        (
            "r.yaml",
            POLICY.replace("default}", "default, labels: {a: 1}}"),
            "r.yaml:1:1",
            "expected a string",
            refused,
        ),
        ("r.yaml", format!("{POLICY}  - "), "r.yaml:7:3", "not YAML", refused),
        ("s.yaml", PROVIDER.to_owned(), "s.yaml:3:18", "stands in", refused),
        (
            "r.yaml",
            format!(
                "{POLICY}  rules:\n    - name: card\n      matches: [{{text: {{regex: '(card'}}}}]\n      action: {{type: Reject, reject: {{message: no}}}}\n"
            ),
            "r.yaml:9:32",
            "unclosed group",
            "reason Invalid",
        ),
    ] {
        let files: [(&str, &[u8]); 2] = [("p.yaml", PROVIDER.as_bytes()), (file, text.as_bytes())];
        let report = checked(&files, &Environment::default());
        assert_eq!(report.errors, 1, "{}", report.text);
        assert!(report.text.starts_with(place), "{place}: {}", report.text);
        assert!(report.text.contains(says), "{says}: {}", report.text);
        assert!(report.text.contains(end), "{end}: {}", report.text);
        assert!(report.text.contains("1 error, 0 warnings."), "{}", report.text);
    }
}

#[test]
fn a_file_that_is_no_text_hides_no_other() {
    let files: [(&str, &[u8]); 2] = [("a.yaml", b"\xff\xfe"), ("p.yaml", b"kind: [")];
    let report = checked(&files, &Environment::default());
    assert!(report.text.starts_with("a.yaml\n      cannot be read: "), "{}", report.text);
    assert!(report.text.contains("p.yaml:"), "{}", report.text);
    assert_eq!(report.errors, 2);
}

#[test]
fn a_key_that_is_in_the_environment_is_not_missed() {
    let provider = "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {name: openai}
spec:
  type: OpenAI
  auth: {apiKey: {secretRef: {name: openai}}}
";
    let with_key: Environment = [("OPENAI_API_KEY", "sk-1")].into_iter().collect();
    for (environment, warnings) in [(Environment::default(), "1 warning."), (with_key, "0 warnings.")] {
        let report = checked(&[("p.yaml", provider.as_bytes())], &environment);
        assert!(
            report.text.ends_with(&format!("1 file, 1 object: 0 errors, {warnings}\n")),
            "{}",
            report.text
        );
        assert_eq!(report.errors, 0);
        assert!(!report.text.contains("sk-1"));
    }
}

#[test]
fn a_budget_that_has_nothing_to_degrade_to_is_warned_of() {
    const BUDGET: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {name: month}
spec:
  limits: [{name: usd, amount: 500 USD, window: Month}]
  onExhausted: Degrade
";
    let second = |price: &str, policy: &str| {
        let large = format!("name: large, pricing: {{input: '{price}', output: '{price}'}}");
        (PROVIDER.replace("}}]", &format!("}}}}, {{{large}}}]")), format!("{policy}    - model: large\n"))
    };
    let alone = || (PROVIDER.to_owned(), POLICY.to_owned());
    let edited = |from: &str, to: &str| BUDGET.replace(from, to);
    let of_large = edited("spec:", "spec:\n  selector: {models: [large]}");
    let observing = POLICY.replace("spec:", "spec:\n  mode: Observe");
    for (what, (provider, policy), budget, warned) in [
        ("one candidate", alone(), BUDGET.to_owned(), true),
        ("two at one price", second("1", POLICY), BUDGET.to_owned(), true),
        ("a cheaper one", second("2", POLICY), BUDGET.to_owned(), false),
        ("a free one", second("0", POLICY), BUDGET.to_owned(), false),
        ("one that is not counted", second("1", POLICY), of_large, false),
        ("Reject", alone(), edited("Degrade", "Reject"), false),
        ("the default", alone(), edited("  onExhausted: Degrade\n", ""), false),
        ("Soft", alone(), edited("spec:", "spec:\n  enforcement: Soft"), false),
        ("no money", alone(), edited("500 USD", "500 Requests"), false),
        ("a policy that only observes", (PROVIDER.to_owned(), observing), BUDGET.to_owned(), false),
        ("another namespace", alone(), edited("month}", "month, namespace: other}"), false),
    ] {
        let files =
            [("p.yaml", provider.as_bytes()), ("r.yaml", policy.as_bytes()), ("b.yaml", budget.as_bytes())];
        let report = checked(&files, &Environment::default());
        assert_eq!(report.errors, 0, "{what}: {}", report.text);
        let end = if warned { "0 errors, 1 warning.\n" } else { "0 errors, 0 warnings.\n" };
        assert!(report.text.ends_with(end), "{what}: {}", report.text);
        if warned {
            let marked = "\
b.yaml:6:16    warning
     4 | spec:
     5 |   limits: [{name: usd, amount: 500 USD, window: Month}]
     6 |   onExhausted: Degrade
       |                ^^^^^^^ nothing to degrade to: policy default/default has no cheaper candidate than \"small\"";
            assert!(report.text.starts_with(marked), "{what}: {}", report.text);
        }
    }
}
