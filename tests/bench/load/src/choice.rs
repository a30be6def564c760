//! The gates of the choice: what a decision, a score and a score that was kept cost.
//!
//! A decision and a score are timed by the benches of their own crates, which say the least of many batches: on a busy
//! machine the least repeats, the mean does not. Instructions are counted, over a short and a long run. What a kept score
//! costs is the difference between two whole proxies: one scores a text that it has seen, the other scores nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::gate::{Gate, Gates, Limits, figure_after};
use crate::target::Kind;

/// Decisions of the short and of the long run.
const DECISIONS_OVER: [u64; 2] = [100, 300];

/// What `decide --json` says.
#[derive(Deserialize)]
struct Decided {
    optimizer: String,
    providers: u32,
    decide_nanoseconds: f64,
}

/// What `score --json` says.
#[derive(Deserialize)]
struct Scored {
    microseconds_at_128_tokens: f64,
    microseconds_at_512_tokens: f64,
    microseconds_to_reach_2000_tokens: f64,
    tokenizer_kib: f64,
    model_kib: f64,
}

/// The slowest optimizer, and the one that takes the most instructions.
pub fn decisions(bench: &Path, limits: &Limits, folder: &Path) -> Result<[Gate; 2]> {
    let all: Vec<Decided> = said(bench)?;
    let slowest = all
        .iter()
        .max_by(|a, b| a.decide_nanoseconds.total_cmp(&b.decide_nanoseconds))
        .context("the bench of decisions says nothing")?;
    let microseconds = slowest.decide_nanoseconds / 1000.0;
    let mut most = (0.0, "");
    for case in all.iter().filter(|case| case.providers == slowest.providers) {
        let [short, long] = DECISIONS_OVER.map(|calls| counted(bench, case, calls, folder));
        let each = (long? - short?) as f64 / (DECISIONS_OVER[1] - DECISIONS_OVER[0]) as f64;
        most = if each > most.0 { (each, case.optimizer.as_str()) } else { most };
    }
    let (limit, tolerance) = (limits.decision_instructions, 1.0 + limits.decision_instructions_tolerance);
    Ok([
        at_most(
            "decide, 20 candidates, slowest optimizer, microseconds",
            microseconds,
            limits.decide_microseconds_at_20_candidates,
            format!(
                "{}, {} provider(s) a model; of {} cases",
                slowest.optimizer,
                slowest.providers,
                all.len()
            ),
        ),
        Gate {
            name: "admit and decide, 20 candidates, instructions".to_owned(),
            ours: most.0,
            bare: None,
            limit: format!("<= {limit:.0} + {:.0} %", 100.0 * limits.decision_instructions_tolerance),
            pass: most.0 <= limit * tolerance,
            detail: format!("{}, {} provider(s) a model", most.1, slowest.providers),
        },
    ])
}

/// The routing model in the program: time for one text, tokenizing included, and what it holds in memory; and the time to
/// know that a long conversation reaches a tier's threshold.
pub fn scores(bench: &Path, limits: &Limits) -> Result<[Gate; 4]> {
    let Scored {
        microseconds_at_128_tokens,
        microseconds_at_512_tokens,
        microseconds_to_reach_2000_tokens: length,
        tokenizer_kib,
        model_kib,
    } = said(bench)?;
    let timed = |tokens: u32, ours: f64, limit: f64| {
        let name = format!("score of a text of {tokens} tokens, microseconds");
        at_most(&name, ours, limit, "tokenizing included".to_owned())
    };
    Ok([
        timed(128, microseconds_at_128_tokens, limits.score_microseconds_at_128_tokens),
        timed(512, microseconds_at_512_tokens, limits.score_microseconds_at_512_tokens),
        at_most(
            "16,000 words reach a tier's 2,000 tokens, microseconds",
            length,
            limits.length_microseconds_at_2000_tokens,
            "counted where tiers go by length".to_owned(),
        ),
        at_most(
            "routing model in memory, MiB",
            model_kib / 1024.0,
            limits.routing_model_resident_mib,
            format!("of it {:.1} to tokenize", tokenizer_kib / 1024.0),
        ),
    ])
}

/// What a proxy takes beyond another that scores nothing, for a text that it has scored before.
pub fn kept_score(gates: &Gates<'_>) -> Result<Gate> {
    let [[plain, _], [scoring, _]] = gates.instructions_of([Kind::Pointsman, Kind::Scoring])?;
    Ok(at_most(
        "score that was kept, instructions per request",
        scoring - plain,
        gates.limits.kept_score_instructions,
        format!("{scoring:.0} with, {plain:.0} without a scorer"),
    ))
}

/// A figure that the bare proxy has not, held to a limit.
fn at_most(name: &str, ours: f64, limit: f64, detail: String) -> Gate {
    let (name, pass) = (name.to_owned(), ours <= limit);
    Gate { name, ours, bare: None, limit: format!("<= {limit}"), pass, detail }
}

fn said<T: for<'a> Deserialize<'a>>(bench: &Path) -> Result<T> {
    let output = Command::new(bench).arg("--json").output().with_context(|| bench.display().to_string())?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        bench.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("{} says something else", bench.display()))
}

fn counted(bench: &Path, case: &Decided, calls: u64, folder: &Path) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(bench)
        .args(["--count", &calls.to_string(), &case.optimizer, &case.providers.to_string()])
        .current_dir(folder)
        .output()?;
    ensure!(output.status.success(), "the bench of decisions failed under valgrind");
    figure_after(&String::from_utf8_lossy(&output.stderr), "Collected :")
}
