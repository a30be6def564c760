//! `pointsman check`: every mistake with its place, what is wrong, and what to write instead.

use std::path::Path;

use crate::program::{Said, run};
use crate::world::{POLICY, World};

/// A provider that needs nothing, and a model of which a policy can speak.
const PROVIDER: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {name: sim, namespace: shop}
spec:
  type: Simulated
  simulated: {}
  models:
    - name: gpt-x
      pricing: {input: \"1\", output: \"2\"}
    - name: gpt-y
      pricing: {input: \"1\", output: \"2\"}
";

const BUDGET: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {name: month, namespace: shop}
spec:
  limits:
    - name: usd
      amount: 500 USD
      window: Month
";

/// A file with one mistake: where it must be found, and what must be said.
struct Mistake {
    file: String,
    place: &'static str,
    says: &'static [&'static str],
    /// What follows from it, where it does not stand alone: `2 errors`.
    count: &'static str,
}

/// `file` with `wrong` in the place of `right`. Where the place is empty, only the words are looked at.
fn mistake(file: &str, wrong: (&str, &str), place: &'static str, says: &'static [&'static str]) -> Mistake {
    let (right, wrong) = wrong;
    assert!(file.contains(right), "{right} is not in {file}");
    Mistake { file: file.replace(right, wrong), place, says, count: "1 error," }
}

impl Mistake {
    fn counted(self, count: &'static str) -> Self {
        Self { count, ..self }
    }
}

fn mistakes() -> Vec<Mistake> {
    vec![
        mistake(
            BUDGET,
            ("500 USD", "500"),
            "7:15",
            &[
                "a number without a unit",
                "write 500 USD, 500 Tokens or 500 Requests",
                "Budget shop/month, spec.limits[0].amount.",
            ],
        ),
        mistake(BUDGET, ("500 USD", "500 EUR"), "7:15", &["Budget shop/month, spec.limits[0].amount."]),
        mistake(
            BUDGET,
            ("Month", "Year"),
            "8:15",
            &["\"Year\" is none of Minute, Hour, Day, Week, Month, Total"],
        ),
        mistake(BUDGET, ("      window: Month\n", ""), "6:7", &["\"window\" is required"]),
        mistake(
            BUDGET,
            ("limits:", "limit:"),
            "5:3",
            &["unknown field \"limit\". Did you mean limits?", "\"limits\" is required"],
        )
        .counted("2 errors,"),
        mistake(
            BUDGET,
            ("      window: Month\n", "      window: Month\n      timeZone: Mars/Olympus\n"),
            "9:17",
            &["Mars/Olympus"],
        ),
        mistake(
            POLICY,
            ("gpt-y", "gpt-yy"),
            "8:14",
            &["gpt-yy", "did you mean \"gpt-y\"?", "RoutingPolicy shop/default, spec.candidates[1].model."],
        ),
        mistake(POLICY, ("Quality", "Fast"), "5:14", &["\"Fast\" is none of"]),
        mistake(POLICY, ("model: gpt-y", "model: gpt-x"), "8:7", &["duplicate"]),
        mistake(
            POLICY,
            ("  objective: Quality\n", "  defaultModel: gpt-z\n"),
            "4:1",
            &["defaultModel must be one of the candidates"],
        ),
        mistake(
            POLICY,
            (
                "  objective: Quality\n",
                "  rules:\n    - name: cards\n      matches: [{text: {regex: \"(?i)card (number\"}}]\n      action: {type: Reject, reject: {message: no}}\n",
            ),
            "7:32",
            &["unclosed group", "spec.rules[0].matches[0].text.regex"],
        ),
        mistake(POLICY, ("  candidates:", "  candidates: ["), "7:5", &["not YAML"]),
        mistake(POLICY, ("v1alpha1", "v2"), "1:13", &["pointsman.dev/v1alpha1"]),
        mistake(
            POLICY,
            ("kind: RoutingPolicy", "kind: RoutingPolcy"),
            "2:7",
            &["RoutingPolcy", "did you mean"],
        ),
        mistake(
            PROVIDER,
            ("  simulated: {}\n", "  simulated: {}\n  auth: {type: None}\n"),
            "",
            &[
                "a Simulated provider runs inside the data plane: remove endpoint and auth",
                "serves \"gpt-x\"",
            ],
        )
        .counted("3 errors,"),
        mistake(
            PROVIDER,
            ("input: \"1\"", "input: 1.5"),
            "",
            &["a string is needed: write \"1.5\"", "LLMProvider shop/sim, spec.models[1].pricing.input."],
        )
        .counted("4 errors,"),
    ]
}

#[test]
fn each_mistake_is_found_where_it_stands() -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for mistake in mistakes() {
        let world = World::empty()?;
        for (name, good) in [("provider.yaml", PROVIDER), ("policy.yaml", POLICY), ("budget.yaml", BUDGET)] {
            let kind = |text: &str| text.lines().nth(1).map(|line| line[..10].to_owned());
            let bad = kind(good) == kind(&mistake.file);
            world.write(name, if bad { &mistake.file } else { good })?;
        }
        let said = run(&["check", &world.manifests().to_string_lossy()], &[])?;
        let place =
            if mistake.place.is_empty() { String::new() } else { format!(".yaml:{}\n", mistake.place) };
        let missing =
            mistake.says.iter().copied().chain([place.as_str()]).find(|part| !said.stdout.contains(*part));
        let counted =
            said.stdout.lines().any(|line| line.starts_with("3 files, ") && line.contains(mistake.count));
        if said.code != Some(1) || !said.stderr.is_empty() || !counted || missing.is_some() {
            let Said { code, stdout, stderr } = said;
            wrong.push(format!(
                "--- exit {code:?}, lacks {missing:?}, {} counted: {counted}\n{}\n{stdout}{stderr}",
                mistake.count, mistake.file
            ));
        }
    }
    assert!(wrong.is_empty(), "{} mistakes are not told as they should:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn what_the_cluster_may_hold_and_what_is_served_all_the_same_are_warnings() -> anyhow::Result<()> {
    let world = World::empty()?;
    let own = "  type: OpenAICompatible\n  endpoint: {type: URL, url: \"http://127.0.0.1:1/v1\"}\n  auth: {apiKey: {secretRef: {name: nowhere}}}\n";
    let provider = PROVIDER.replace("  type: Simulated\n  simulated: {}\n", own);
    world.write(
        "provider.yaml",
        &provider.replacen("      pricing: {input: \"1\", output: \"2\"}\n", "", 1),
    )?;
    world.write("policy.yaml", POLICY)?;
    let said = run(&["check", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{}", said.stdout);
    for part in [
        "provider.yaml:7:37    warning\n",
        "Secret \"shop/nowhere\" does not exist: create it with the key \"apiKey\"",
        "provider.yaml:9:7    warning\n",
        "the price of \"gpt-x\" is in no catalogue: set pricing.input and pricing.output",
        "2 files, 2 objects: 0 errors, 2 warnings.\n",
    ] {
        assert!(said.stdout.contains(part), "{part} is missing in\n{}", said.stdout);
    }
    Ok(())
}

#[test]
fn all_mistakes_are_told_at_once_and_counted() -> anyhow::Result<()> {
    let world = World::empty()?;
    world.write("provider.yaml", PROVIDER)?;
    world.write("policy.yaml", &POLICY.replace("gpt-y", "gpt-yy"))?;
    world.write("budget.yaml", &BUDGET.replace("500 USD", "500"))?;
    let said = run(&["check", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!(said.code, Some(1));
    let last = said.stdout.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
    assert!(said.stdout.contains(": 2 errors, 0 warnings."), "{}", said.stdout);
    assert!(last.contains("would refuse 1 of them"), "{last}");
    assert!(
        last.contains("ResolvedRefs=False, reason UnknownModel, on RoutingPolicy shop/default"),
        "{last}"
    );
    Ok(())
}

#[test]
fn the_same_object_in_two_files_is_refused() -> anyhow::Result<()> {
    let world = World::empty()?;
    for (file, text) in [("a.yaml", PROVIDER), ("b.yaml", POLICY), ("c.yaml", POLICY)] {
        world.write(file, text)?;
    }
    let said = run(&["check", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("b.yaml too: remove one of them"), "{}", said.stdout);
    Ok(())
}

#[test]
fn what_is_right_is_left_in_peace() -> anyhow::Result<()> {
    let world = World::empty()?;
    for (file, text) in
        [("a.yaml", PROVIDER), ("b.yaml", POLICY), ("c.yml", BUDGET), ("notes.txt", "kind: [")]
    {
        world.write(file, text)?;
    }
    let said = run(&["check", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!(
        (said.code, said.stdout.as_str(), said.stderr.as_str()),
        (Some(0), "3 files, 3 objects: 0 errors, 0 warnings.\n", "")
    );
    Ok(())
}

#[test]
fn a_place_that_is_not_there_is_named() -> anyhow::Result<()> {
    let said = run(&["check", "/nowhere/at/all"], &[])?;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("/nowhere/at/all: No such file or directory"), "{}", said.stderr);
    Ok(())
}

#[test]
fn every_example_is_clean() -> anyhow::Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(examples)? {
        let folder = entry?.path();
        if folder.is_dir() {
            let said = run(&["check", &folder.to_string_lossy()], &[])?;
            assert_eq!(said.code, Some(0), "{}\n{}", folder.display(), said.stdout);
            assert!(said.stdout.ends_with(": 0 errors, 0 warnings.\n"), "{}", said.stdout);
            checked += 1;
        }
    }
    assert!(checked > 0);
    Ok(())
}

#[test]
fn the_objects_of_the_readme_are_right_but_for_the_key_that_is_the_readers() -> anyhow::Result<()> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))?;
    let objects = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("quickstart.yaml"), objects.unwrap_or_default())?;
    let said = run(&["check", &folder.path().to_string_lossy()], &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stdout);
    assert!(said.stdout.ends_with("1 file, 3 objects: 0 errors, 1 warning.\n"), "{}", said.stdout);
    assert!(said.stdout.contains("Secret \"default/openai\" does not exist"), "{}", said.stdout);
    Ok(())
}
