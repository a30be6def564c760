//! `pointsman evaluate`: every prompt of a file decided as the data plane decides, without a look at its outcomes.
//!
//! ```text
//! policy + providers ─► compile ─► snapshot ─┐
//! prompt ─► scorer ─► scores ────────────────┴► ADMIT ─► DECIDE ─► one line; the shadow price moves on
//! ```

mod decide;
mod world;

use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use pointsman_config::money::Nano;
use pointsman_config::policy::Optimizer;

use crate::args::Evaluate;
use crate::{outcomes, scorer_folder};

use decide::Pass;
use world::World;

/// How many prompts lie between two lines of progress.
const EVERY: usize = 2000;

/// Decides and writes.
pub(crate) fn run(args: &Evaluate) -> anyhow::Result<ExitCode> {
    let models = outcomes::models(&args.models)?;
    let lines = outcomes::lines(&args.data, &models)?;
    let scorer = scorer_folder::open(args.scorer.as_deref())?;
    let spends = args.spend.iter().map(|text| spend(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut world = World::read(&args.policy, &models, &scorer)?;
    let mut out = writer(&args.out)?;
    if spends.is_empty() {
        pass(&world, &scorer, &lines, None, &mut out)?;
    }
    for (text, spend) in args.spend.iter().zip(spends) {
        world.policy.config.strategy.optimizer = Some(Optimizer::ShadowPrice);
        world.policy.config.strategy.spend_per_thousand_calls = Some(spend);
        let number = text.trim().parse().with_context(|| format!("--spend {text}"))?;
        pass(&world, &scorer, &lines, Some(number), &mut out)?;
    }
    out.flush().with_context(|| format!("failed to write {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Decides every prompt once, in the order of the file.
fn pass(
    world: &World,
    scorer: &pointsman_models::scorer::RoutingModel,
    lines: &[pointsman_train::outcomes::Outcome],
    spend: Option<f64>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut pass = Pass::new(world, scorer);
    for (i, line) in lines.iter().enumerate() {
        let mut decided = pass.decide(line)?;
        if let Some(spend) = spend {
            decided["spend"] = spend.into();
        }
        writeln!(out, "{decided}").context("failed to write a decision")?;
        if (i + 1) % EVERY == 0 && std::io::stderr().is_terminal() {
            eprint!("\r{} of {} prompts", i + 1, lines.len());
        }
    }
    let aim = spend.map_or_else(String::new, |spend| format!(" aiming at {spend} USD per 1,000 calls"));
    eprintln!(
        "\r{} prompts decided{aim}: {:.4} USD per 1,000 calls expected; {}",
        lines.len(),
        1000.0 * pass.expected_usd() / lines.len().max(1) as f64,
        pass.shares()
    );
    Ok(())
}

fn spend(text: &str) -> anyhow::Result<Nano> {
    let money = Nano::parse_usd(text.trim())
        .map_err(|error| anyhow!("--spend {text}: {error}; write USD per 1,000 calls such as 0.25"))?;
    if money.0 < 1000 {
        bail!("--spend {text}: nothing costs so little; write USD per 1,000 calls such as 0.25");
    }
    Ok(money)
}

fn writer(path: &Path) -> anyhow::Result<BufWriter<Box<dyn Write>>> {
    let to: Box<dyn Write> = if path == Path::new("-") {
        Box::new(std::io::stdout())
    } else {
        Box::new(std::fs::File::create(path).with_context(|| format!("failed to create {}", path.display()))?)
    };
    Ok(BufWriter::new(to))
}
