//! What `pointsman train` prints: curves of quality against spend on held-out folds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use pointsman_train::curve::{Point, SPENDS, cost_for, quality_at};
use pointsman_train::folder::Base;
use pointsman_train::outcomes::{Price, Source};
use pointsman_train::plot::svg;
use pointsman_train::quality::{
    BLIND, BLIND_BEFORE, FEW, Interval, ONE_PRICE, Quality, Recovered, SPLITS, THREE_LEFT_OUT, by_calls,
    quality,
};
use pointsman_train::records::Learned;
use pointsman_train::train::{Report, labelled, prepare};
use pointsman_train::validate::{Chosen, Judged, Material};

/// The table of every source.
pub(super) fn print(reports: &[Report]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for report in reports {
        writeln!(out, "\n{}: {} prompts", report.source, report.prompts)?;
        let Chosen { sets, shapes, .. } = &report.chosen;
        for ((name, shape), rows) in sets.names.iter().zip(shapes).zip(sets.rows()) {
            writeln!(
                out,
                "  {name}: {} prompts, penalty {}, {} latents, {} kinds of task (chosen by the same folds that are shown)",
                rows.len(),
                shape.penalty,
                shape.rank,
                if shape.kinds { "with" } else { "without" }
            )?;
        }
        table(&mut out, report.judged.as_ref())?;
    }
    Ok(())
}

/// The table of what was learned from feedback.
pub(super) fn print_learned(learned: &Learned) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let calls: Vec<String> =
        learned.calls.iter().map(|(model, count)| format!("{count} by {model}")).collect();
    writeln!(
        out,
        "\nfeedback: {} rated calls ({}), penalty {}, {} latents (the curve: chosen anew without each fold)",
        learned.calls.values().sum::<usize>(),
        calls.join(", "),
        learned.shape.penalty,
        learned.shape.rank
    )?;
    table(&mut out, Some(&learned.judged))?;
    let (low, high) = learned.gain;
    writeln!(
        out,
        "  mean gain over the blind mix in points, 95 % interval: {:+.1} to {:+.1}",
        100.0 * low,
        100.0 * high
    )
}

/// Every way of choosing on every source, with the shape chosen anew for each fold without it; pictures beside.
pub(super) fn print_nested(
    sources: &[Source],
    prices: &BTreeMap<String, Price>,
    base: &Base,
    plots: Option<&Path>,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let sources: Vec<Source> = sources.iter().map(labelled).map(by_calls).collect();
    let prepared = prepare(&sources, base)?;
    for (source, rows) in sources.iter().zip(&prepared.rows) {
        progress(&format!("{}: nested cross-validation over {} prompts", source.name, source.prompts.len()));
        let Some(found) = quality(Material { source, rows, prices }, progress) else {
            progress(&format!("{}: nothing is known of costs, so there is no curve", source.name));
            continue;
        };
        ways(&mut std::io::stdout().lock(), &found)?;
        if let Some(folder) = plots {
            let path = folder.join(format!("quality-{}.svg", source.name));
            std::fs::write(&path, svg(&found))
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
    }
    Ok(())
}

/// A table in Markdown.
fn ways(out: &mut impl Write, found: &Quality) -> std::io::Result<()> {
    writeln!(out, "\n### {} ({} prompts)\n", found.source, found.prompts)?;
    let heads: Vec<String> = SPENDS.iter().map(|share| format!("{:.0} %", 100.0 * share)).collect();
    writeln!(out, "| quality in % at a spend of | {} | spend for 95 % |", heads.join(" | "))?;
    writeln!(out, "| --- |{} --- |", " --- |".repeat(SPENDS.len()))?;
    let (cost, best) = found.strongest;
    for way in &found.ways {
        let cells: Vec<String> = SPENDS
            .iter()
            .map(|share| format!("{:.1}", 100.0 * quality_at(&way.curve, share * cost)))
            .collect();
        let spend = cost_for(&way.curve, 0.95 * best);
        let spend =
            spend.map_or_else(|| "never".to_owned(), |spend| format!("{:.0} %", 100.0 * spend / cost));
        writeln!(out, "| {} | {} | {spend} |", way.name, cells.join(" | "))?;
    }
    writeln!(out)?;
    intervals(out, ONE_PRICE, &found.interval)?;
    under(out, found, ONE_PRICE)?;
    if let Some((models, interval)) = &found.left_out {
        intervals(out, THREE_LEFT_OUT, interval)?;
        under(out, found, THREE_LEFT_OUT)?;
        writeln!(out, "Left out of training there: {}.", models.join(", "))?;
    }
    for Recovered { group, gap, interval, prompts } in &found.recovered {
        let (low, high) = interval.unwrap_or((f64::NAN, f64::NAN));
        writeln!(
            out,
            "Average gap recovered on {group}: {gap:.3} ({low:.3} to {high:.3}) over {prompts} prompts (a coin: 0.500), mean of {SPLITS} ways to cut them into folds."
        )?;
    }
    for Recovered { group, gap, prompts, .. } in &found.recovered_by_few {
        writeln!(
            out,
            "With {FEW} labels, mean of three draws: {gap:.3} on {group}, over {prompts} prompts."
        )?;
    }
    Ok(())
}

fn intervals(out: &mut impl Write, way: &str, found: &Interval) -> std::io::Result<()> {
    let (low, high) = found.spend;
    let spend = format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high);
    let points = |(low, high): &(f64, f64)| format!("{:+.1} to {:+.1}", 100.0 * low, 100.0 * high);
    let gains: Vec<String> = found.gains.iter().map(points).collect();
    writeln!(
        out,
        "95 % intervals of \"{way}\": spend for 95 % {spend}; mean gain over the blind mix {}; at each spend {}.",
        points(&found.mean),
        gains.join(", ")
    )
}

/// How far a way falls under the blind mixes at any of the spends.
fn under(out: &mut impl Write, found: &Quality, way: &str) -> std::io::Result<()> {
    let curve = |name: &str| found.ways.iter().find(|way| way.name == name).map(|way| &way.curve[..]);
    let (Some(own), Some(told), Some(before)) = (curve(way), curve(BLIND), curve(BLIND_BEFORE)) else {
        return Ok(());
    };
    let least = |mix: &[Point]| {
        let gains = SPENDS.iter().map(|share| share * found.strongest.0);
        100.0 * gains.map(|cost| quality_at(own, cost) - quality_at(mix, cost)).fold(f64::INFINITY, f64::min)
    };
    writeln!(
        out,
        "Least gain of \"{way}\" from 10 % of spend up: {:+.1} points over the blind mix chosen before, {:+.1} over the one that is told the true means.",
        least(before),
        least(told)
    )
}

fn table(out: &mut impl Write, judged: Option<&Judged>) -> std::io::Result<()> {
    let Some(Judged { curve, mix, strongest }) = judged else {
        return writeln!(out, "  nothing is known of costs, so there is no curve");
    };
    writeln!(out, "  spend, in % of always the strongest model; quality of the answers in %")?;
    let line = |out: &mut dyn Write, name: &str, of: &dyn Fn(f64) -> String| {
        let cells: Vec<String> = SPENDS.iter().map(|share| of(share * strongest.0)).collect();
        writeln!(out, "  {name:<10} {}", cells.join(" "))
    };
    line(out, "spend", &|cost| format!("{:>5.0}", 100.0 * cost / strongest.0))?;
    line(out, "blind mix", &|cost| format!("{:>5.1}", 100.0 * quality_at(mix, cost)))?;
    line(out, "one price", &|cost| format!("{:>5.1}", 100.0 * quality_at(curve, cost)))?;
    let share = |curve: &[Point]| {
        let cost = cost_for(curve, 0.95 * strongest.1);
        cost.map_or_else(|| "never".to_owned(), |cost| format!("{:.0} %", 100.0 * cost / strongest.0))
    };
    writeln!(out, "  95 % of the strongest's quality: blind mix {}, one price {}", share(mix), share(curve))
}
