//! `docs/benchmarks.md`: what stands between the markers is written from a run's JSON and from nothing else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::Outcome;
use crate::rounds::Comparison;

const BEGIN: &str = "<!-- written by scripts/bench.sh --write: begin -->";
const END: &str = "<!-- written by scripts/bench.sh --write: end -->";

/// Key in the JSON, words on the page, unit, and what the reader should aim at.
struct Row {
    key: &'static str,
    words: &'static str,
    unit: &'static str,
}

const ROWS: [Row; 12] = [
    Row { key: "small_processor", words: "CPU per request, 32 connections", unit: "µs" },
    Row { key: "paced_processor", words: "CPU per request, 1000 per second", unit: "µs" },
    Row { key: "large_processor", words: "CPU per request, 68 KB of code", unit: "µs" },
    Row { key: "stream_processor", words: "CPU per stream, 256 connections", unit: "µs" },
    Row { key: "paced_stream_processor", words: "CPU per stream, 100 per second", unit: "µs" },
    Row { key: "paced_added_p50", words: "added latency p50, 1000 per second", unit: "µs" },
    Row { key: "paced_added_p99", words: "added latency p99, 1000 per second", unit: "µs" },
    Row { key: "paced_stream_added_first_content", words: "added time to first content p50", unit: "µs" },
    Row { key: "idle_resident", words: "memory, idle", unit: "MB" },
    Row { key: "idle_own", words: "memory, idle, its own", unit: "MB" },
    Row { key: "loaded_resident", words: "memory, 256 open streams", unit: "MB" },
    Row { key: "loaded_own", words: "memory, 256 open streams, its own", unit: "MB" },
];

pub fn write(outcome: &Outcome, page: &Path) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("failed to read {}", page.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no begin marker")?;
    let (_, after) = rest.split_once(END).context("the page has no end marker")?;
    fs::write(page, format!("{before}{BEGIN}\n{}{END}{after}", render(outcome)))?;
    Ok(())
}

pub fn render(outcome: &Outcome) -> String {
    let mut text = format!("\nMeasured {} on {}.\n", outcome.date, outcome.machine);
    for (name, version) in &outcome.versions {
        text.push_str(&format!("- {name}: {version}\n"));
    }
    for line in &outcome.skipped {
        text.push_str(&format!("- **skipped**: {line}\n"));
    }
    text.push_str(
        "\n### Gates\n\n| gate | pointsman | bare | ratio | limit | verdict |\n|---|---|---|---|---|---|\n",
    );
    for gate in &outcome.gates {
        let verdict = if gate.pass { "PASS" } else { "**FAIL**" };
        let dash = || "-".to_owned();
        let ratio = gate.bare.map_or_else(dash, |bare| format!("{:.2}", gate.ours / bare));
        let row = [&gate.name, &figure(gate.ours), &gate.bare.map_or_else(dash, figure), &ratio, &gate.limit];
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {verdict} ({}) |\n",
            row[0], row[1], row[2], row[3], row[4], gate.detail
        ));
    }
    if let Some(comparison) = &outcome.comparison {
        text.push_str(&compared(comparison));
    }
    text.push('\n');
    text
}

fn compared(comparison: &Comparison) -> String {
    let placed = match (comparison.own_core, comparison.realtime) {
        (true, true) => "each proxy alone on one core, with real-time scheduling",
        (true, false) => "each proxy alone on one core, with ordinary scheduling beside other work",
        (false, _) => "proxy, mock and load on one core: ratios only, and poor ones",
    };
    let mut text = format!(
        "\n### Side by side\n\n{} interleaved rounds, {placed}. Median of the rounds' ratios `[min-max]`; below 1 is cheaper.\n\n\
         | figure | nginx / bare | pointsman / bare | pointsman / nginx | bare itself, this run only |\n|---|---|---|---|---|\n",
        comparison.rounds
    );
    for row in &ROWS {
        let ratio = |of: &str, to: &str| ratios(comparison, row.key, of, to);
        let scale = match spread(&values(comparison, "bare", row.key)) {
            Some([low, middle, high]) if low > 0.0 => {
                format!("{} [{}-{}] {}", figure(middle), figure(low), figure(high), row.unit)
            }
            Some(_) => "lost in noise".to_owned(),
            None => "-".to_owned(),
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {scale} |\n",
            row.words,
            ratio("nginx", "bare"),
            ratio("pointsman", "bare"),
            ratio("pointsman", "nginx"),
        ));
    }
    text.push_str(&format!("\n{}\n{}\n", busy(comparison), late(comparison)));
    text
}

/// How much of its core each proxy used in the saturated window: only near 1 was the proxy the limit.
fn busy(comparison: &Comparison) -> String {
    let one = |name: &&str| {
        spread(&values(comparison, name, "small_busy")).map(|[_, middle, _]| format!("{name} {middle:.2}"))
    };
    let shares: Vec<String> = ["nginx", "bare", "pointsman"].iter().filter_map(one).collect();
    format!("Share of its core that each used with 32 connections: {}.", shares.join(", "))
}

/// Requests that the generator itself sent late: where there are many, the latencies are not worth reading.
fn late(comparison: &Comparison) -> String {
    let shares = comparison.targets.keys().flat_map(|target| values(comparison, target, "paced_late"));
    let worst = shares.fold(0.0, f64::max);
    format!(
        "At 1000 per second at most {:.1} % of a round's requests were sent more than 1 ms late.",
        worst * 100.0
    )
}

fn values(comparison: &Comparison, target: &str, key: &str) -> Vec<f64> {
    comparison.targets.get(target).and_then(|figures| figures.get(key)).cloned().unwrap_or_default()
}

/// Round by round; a round in which noise swallowed either side (not above zero) says nothing, and most such rounds
/// leave nothing to say.
fn ratios(comparison: &Comparison, key: &str, of: &str, to: &str) -> String {
    let pairs: Vec<_> = values(comparison, of, key).into_iter().zip(values(comparison, to, key)).collect();
    let said = pairs.iter().filter(|(of, to)| *of > 0.0 && *to > 0.0);
    let ratios: Vec<f64> = said.map(|(of, to)| of / to).collect();
    if ratios.len() * 2 < pairs.len() {
        return "lost in noise".to_owned();
    }
    match spread(&ratios) {
        Some([low, middle, high]) if ratios.len() > 1 => {
            let rounds = if ratios.len() < pairs.len() {
                format!(" in {} rounds", ratios.len())
            } else {
                String::new()
            };
            format!("{middle:.2} [{low:.2}-{high:.2}]{rounds}")
        }
        Some([_, middle, _]) => format!("{middle:.2}"),
        None => "-".to_owned(),
    }
}

/// Least, median and greatest.
pub fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let middle = (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0;
    Some([sorted[0], middle, sorted[last]])
}

fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{:.1}k", value / 1000.0),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn the_spread_is_least_median_and_greatest() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread(&[]), None);
    }
}
