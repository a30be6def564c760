//! `pointsman train` and `pointsman evaluate`: from outcomes to a routing model to decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::program::{Said, run};

const MODELS: &str = r#"{"sources": {"shop": {"models": ["large", "small", "tiny"]}},
    "prices": {"large": {"in": 10, "out": 10}, "small": {"in": 1, "out": 1}, "tiny": {"in": 0.9, "out": 0.9}}}"#;
const POLICY: &str = "
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: shop}
spec:
  candidates: [{model: large}, {model: small}, {model: tiny}]
  strategy:
    optimizer: ShadowPrice
    spendTarget: {type: PerThousandCalls, perThousandCalls: {amount: 0.8 USD}}
";

struct Folder(tempfile::TempDir);

impl Folder {
    /// Outcomes of 300 prompts: the small model answers sums and fails at poems, the large one answers all.
    fn new() -> anyhow::Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        folder.write("models.json", MODELS)?;
        folder.write("policy.yaml", POLICY)?;
        folder.write("outcomes.jsonl", &outcomes(300, true)?)?;
        Ok(folder)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.path(name), text)?)
    }

    fn pack(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let mut packed = GzEncoder::new(File::create(self.path(name))?, Compression::default());
        packed.write_all(text.as_bytes())?;
        packed.finish()?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, out: &str) -> anyhow::Result<Said> {
        let [data, models, out] = ["outcomes.jsonl", "models.json", out].map(|name| text(&self.path(name)));
        run(&["train", "--data", &data, "--models", &models, "--out", &out], &[])
    }

    fn evaluate(&self, data: &str, out: &str, more: &[&str]) -> anyhow::Result<Said> {
        let [data, models, policy, out] =
            [data, "models.json", "policy.yaml", out].map(|name| text(&self.path(name)));
        let scorer = text(&self.path("model"));
        let arguments =
            ["evaluate", "--data", &data, "--models", &models, "--policy", &policy, "--out", &out];
        run(&[&arguments[..], &["--scorer", &scorer], more].concat(), &[])
    }

    fn decisions(&self, out: &str) -> anyhow::Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.path(out))?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn outcomes(count: usize, labelled: bool) -> anyhow::Result<String> {
    let mut lines = String::new();
    for i in 0..count {
        let sum = i % 2 == 0;
        let prompt = if sum {
            format!("What is {i} plus {}?", i + 7)
        } else {
            format!("Write poem number {i} on rain.")
        };
        let mut line =
            json!({"prompt_id": format!("p{i}"), "source": "shop", "prompt": prompt, "in_tokens": 40});
        if labelled {
            line["task"] = if sum { "sums" } else { "poems" }.into();
            line["score"] = json!([1, u8::from(sum != (i % 12 == 11)), 0]);
            line["out_tokens"] = json!([100, 100, 100]);
            line["cost"] = json!([0.0014, 0.00014, 0.000126]);
        }
        writeln!(lines, "{line}")?;
    }
    Ok(lines)
}

#[test]
fn outcomes_become_a_routing_model_that_spends_where_it_helps() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let said = folder.train("model")?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for part in ["shop: 300 prompts", "blind mix", "one price", "95 % of the strongest's quality"] {
        assert!(said.stdout.contains(part), "{part} is missing in\n{}", said.stdout);
    }
    folder.write("unseen.jsonl", &outcomes(200, false)?)?;
    let said = folder.evaluate("unseen.jsonl", "decisions.jsonl", &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let decisions = folder.decisions("decisions.jsonl")?;
    assert_eq!(decisions.len(), 200);
    let mut picks: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for (i, decision) in decisions.iter().enumerate() {
        let fields: BTreeSet<&str> =
            decision.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        assert_eq!(fields, BTreeSet::from(["prompt_id", "model", "propensity", "scores", "cost"]));
        for table in ["scores", "cost"] {
            let models: Vec<_> = decision[table].as_object().into_iter().flatten().collect();
            assert_eq!(models.len(), 3, "every candidate is told: {decision}");
            assert!(models.iter().all(|(_, number)| number.as_f64().is_some_and(|n| n >= 0.0)));
        }
        let picked = decision["model"].as_str().unwrap_or_default().to_owned();
        *picks.entry((i % 2 == 0, picked)).or_default() += 1;
    }
    let count = |sum, model: &str| picks.get(&(sum, model.to_owned())).copied().unwrap_or(0);
    assert!(count(false, "large") > 70, "poems go to the large model: {picks:?}");
    assert!(count(true, "small") > 70, "sums go to the small one: {picks:?}");
    assert_eq!(count(true, "tiny") + count(false, "tiny"), 0, "{picks:?}");
    Ok(())
}

#[test]
fn a_candidate_that_a_rule_leaves_out_is_told_and_never_picked() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    folder.train("model")?;
    let without = "  rules: [{name: no-large, action: {type: Exclude, exclude: {models: [large]}}}]\n";
    folder.write("policy.yaml", &format!("{}{without}", POLICY.trim_end_matches(' ')))?;
    let said = folder.evaluate("outcomes.jsonl", "decisions.jsonl", &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for decision in folder.decisions("decisions.jsonl")? {
        for table in ["scores", "cost"] {
            assert!(decision[table]["large"].as_f64().is_some_and(|number| number > 0.0), "{decision}");
        }
        assert_ne!(decision["model"], "large");
    }
    Ok(())
}

#[test]
fn the_same_outcomes_give_the_same_folder() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    for out in ["one", "two"] {
        let said = folder.train(out)?;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }
    for file in std::fs::read_dir(folder.path("one"))? {
        let name = file?.file_name();
        let [one, two] = ["one", "two"].map(|out| std::fs::read(folder.path(out).join(&name)));
        assert!(one? == two?, "{name:?} differs");
    }
    Ok(())
}

#[test]
fn decisions_do_not_hang_on_outcomes() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    folder.train("model")?;
    folder.pack("hidden.jsonl.gz", &outcomes(300, false)?)?;
    folder.evaluate("outcomes.jsonl", "seen.jsonl", &["--spend", "0.3,0.9"])?;
    folder.evaluate("hidden.jsonl.gz", "unseen.jsonl", &["--spend", "0.3,0.9"])?;
    let seen = folder.decisions("seen.jsonl")?;
    assert_eq!(seen, folder.decisions("unseen.jsonl")?);
    assert_eq!(seen.len(), 600, "one pass per spend");
    let spent = |spend: f64| -> f64 {
        let pass: Vec<&Value> = seen.iter().filter(|line| line["spend"] == spend).collect();
        let cost =
            |line: &&Value| line["cost"][line["model"].as_str().unwrap_or_default()].as_f64().unwrap_or(0.0);
        1000.0 * pass.iter().map(cost).sum::<f64>() / pass.len() as f64
    };
    for spend in [0.3, 0.9] {
        assert!((spent(spend) / spend - 1.0).abs() < 0.15, "{} of {spend}", spent(spend));
    }
    Ok(())
}

#[test]
fn a_model_that_the_scorer_does_not_know_is_estimated() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    folder.train("model")?;
    folder.write("policy.yaml", &POLICY.replace("model: tiny", "model: newcomer"))?;
    folder.write(
        "models.json",
        &MODELS.replace("\"prices\": {", "\"prices\": {\"newcomer\": {\"in\": 2, \"out\": 2}, "),
    )?;
    let said = folder.evaluate("outcomes.jsonl", "decisions.jsonl", &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let decisions = folder.decisions("decisions.jsonl")?;
    let of = |i: usize| decisions[i]["scores"]["newcomer"].as_f64().unwrap_or(f64::NAN);
    assert!(of(0) > of(1), "a sum is easier than a poem for whom nobody knows, too");
    Ok(())
}

#[test]
fn a_policy_that_goes_by_length_is_evaluated_by_length() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    folder.train("model")?;
    // A sum has about fifteen tokens with those around it, the longer poem about forty.
    let by_length = "
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: shop}
spec:
  scorer: {kind: TokenLength}
  tiers: [{name: short}, {name: long, minTokens: 30}]
  candidates: [{model: large, tier: long}, {model: small, tier: short}]
";
    folder.write("policy.yaml", by_length)?;
    let poem = format!("Write a poem on rain, {}.", ["and on wind"; 10].join(", "));
    let line = |id: &str, prompt: &str| {
        json!({"prompt_id": id, "source": "shop", "prompt": prompt, "in_tokens": 1}).to_string() + "\n"
    };
    folder.write("two.jsonl", &(line("sum", "What is 1 plus 8?") + &line("poem", &poem)))?;
    let said = folder.evaluate("two.jsonl", "decisions.jsonl", &[])?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let picks: Vec<Value> =
        folder.decisions("decisions.jsonl")?.iter().map(|line| line["model"].clone()).collect();
    assert_eq!(picks, ["small", "large"]);
    Ok(())
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    folder.write("outcomes.jsonl", &outcomes(50, true)?)?;
    let said = folder.train("model")?;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("50 labelled prompts; give it 100 or more"), "{}", said.stderr);
    folder.write("outcomes.jsonl", "{\"prompt_id\": 1}\n")?;
    let said = folder.train("model")?;
    assert!(
        said.stderr.contains("outcomes.jsonl, line 1: ") && said.stderr.contains("; write "),
        "{}",
        said.stderr
    );
    folder.write("outcomes.jsonl", &outcomes(300, true)?)?;
    folder.train("model")?;
    let said = folder.evaluate("outcomes.jsonl", "decisions.jsonl", &["--spend", "cheap"])?;
    assert!(said.stderr.contains("--spend cheap") && said.stderr.contains("such as 0.25"), "{}", said.stderr);
    folder.write("policy.yaml", &POLICY.replace("model: tiny", "model: unpriced"))?;
    let said = folder.evaluate("outcomes.jsonl", "decisions.jsonl", &[])?;
    assert!(
        said.stderr.contains("\"unpriced\" costs: give it a price in the models file"),
        "{}",
        said.stderr
    );
    std::fs::write(folder.path("model").join("head.bin"), b"short")?;
    let said = folder.evaluate("outcomes.jsonl", "decisions.jsonl", &[])?;
    assert!(said.stderr.contains("head.bin: it has 5 bytes"), "{}", said.stderr);
    Ok(())
}
