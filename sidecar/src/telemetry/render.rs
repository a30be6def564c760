//! Metrics that are states rather than events: read when somebody asks.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use pointsman_core::health::HealthRow;
use pointsman_core::snapshot::TargetKey;
use pointsman_core::time::Millis;

use super::names;
use crate::plane::{LimitPart, Plane};
use crate::usage::Totals;

/// Writes the states and the sums of the call counters.
pub(crate) fn render(out: &mut String, plane: &Plane, now: Millis) {
    calls(out, plane);
    targets(out, plane, now);
    expected_lengths(out, plane);
    guards(out, plane);
    budgets(out, plane);
    shadow_prices(out, plane);
}

/// The name of a target's state, from a closed set.
pub(crate) fn state_name(row: HealthRow) -> &'static str {
    match row {
        HealthRow::Healthy => "Healthy",
        HealthRow::RateLimited { .. } => "RateLimited",
        HealthRow::CircuitOpen { .. } => "CircuitOpen",
        HealthRow::CredentialRejected { .. } => "CredentialRejected",
    }
}

fn calls(out: &mut String, plane: &Plane) {
    let mut rows = Vec::new();
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        for (candidate, beside) in policy.candidates.iter().zip(&part.candidates) {
            let TargetKey { provider, model } = &plane.snapshot.targets[candidate.target].key;
            let labels =
                format!("policy=\"{}\",provider=\"{provider}\",model=\"{}\"", policy.name, escape(model));
            let mut totals = Totals::default();
            beside.counters.report().iter().for_each(|(_, counted)| totals.add(counted));
            rows.push((labels, totals));
        }
    }
    type Value = fn(&Totals) -> String;
    let families: [(&str, &str, Value); 8] = [
        (names::CALLS, "Answered calls", |t| t.requests.to_string()),
        (names::ATTEMPT_FAILURES, "Attempts that failed", |t| t.failures.to_string()),
        (names::FALLBACKS, "Answered calls that were picked for another target", |t| t.fallbacks.to_string()),
        (names::COST, "Cost in USD", |t| t.cost.to_string()),
        (names::UNCERTAIN, "Estimated part of the cost in USD", |t| t.uncertain.to_string()),
        (names::COMPARED, "Calls that were compared with the baseline", |t| t.compared.to_string()),
        (names::BASELINE_COST, "What those cost at the baseline in USD", |t| t.baseline.to_string()),
        (names::CHOSEN_COST, "What those cost by the choice in USD", |t| t.chosen.to_string()),
    ];
    for (name, help, value) in families {
        head(out, name, help, "counter");
        for (labels, totals) in &rows {
            line(out, &format!("{name}_total"), labels, &value(totals));
        }
    }
}

fn targets(out: &mut String, plane: &Plane, now: Millis) {
    head(out, names::TARGET_STATE, "1 for the state that a target is in", "gauge");
    for (i, target) in plane.snapshot.targets.iter().enumerate() {
        let state = state_name(plane.health(i, now));
        let labels = format!(
            "provider=\"{}\",model=\"{}\",state=\"{state}\"",
            target.key.provider,
            escape(&target.key.model)
        );
        line(out, names::TARGET_STATE, &labels, "1");
    }
}

fn guards(out: &mut String, plane: &Plane) {
    head(
        out,
        names::SCORER_WEIGHT,
        "How much of a score's deviation from its model's mean is believed, 0 to 1",
        "gauge",
    );
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let weight = part.live.guard().weight();
        line(out, names::SCORER_WEIGHT, &format!("policy=\"{}\"", policy.name), &format!("{weight:.4}"));
    }
    head(out, names::SCORER_VERDICT, "1 for what feedback says of the scorer", "gauge");
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let verdict = part.live.guard().verdict();
        line(out, names::SCORER_VERDICT, &format!("policy=\"{}\",verdict=\"{verdict:?}\"", policy.name), "1");
    }
}

fn expected_lengths(out: &mut String, plane: &Plane) {
    head(out, names::EXPECTED_OUTPUT, "Output tokens that an ordinary answer is expected to have", "gauge");
    for (i, target) in plane.snapshot.targets.iter().enumerate() {
        let labels = format!("provider=\"{}\",model=\"{}\"", target.key.provider, escape(&target.key.model));
        line(out, names::EXPECTED_OUTPUT, &labels, &format!("{:.1}", plane.expected(i).output_tokens));
    }
}

fn budgets(out: &mut String, plane: &Plane) {
    let rows: Vec<_> = plane.snapshot.limits.iter().zip(&plane.limits).collect();
    head(out, names::BUDGET_REMAINING, "Share of a limit that is neither spent nor reserved", "gauge");
    for (limit, part) in &rows {
        let labels = format!("budget=\"{}\",limit=\"{}\"", limit.key.budget, escape(&limit.key.limit));
        let amount = part.live.amount().max(1);
        let left = amount.saturating_sub(part.live.spent().saturating_add(part.live.reserved()));
        line(out, names::BUDGET_REMAINING, &labels, &format!("{:.6}", left as f64 / amount as f64));
    }
    type Value = fn(&LimitPart) -> u64;
    let families: [(&str, &str, Value); 2] = [
        (names::BUDGET_SPENT, "Spent in the present window, in the limit's unit (USD in nano-USD)", |part| {
            part.live.spent()
        }),
        (
            names::BUDGET_BURNED,
            "The part of it that crashes lost: granted and not known to be spent",
            |part| part.burned,
        ),
    ];
    for (name, help, value) in families {
        head(out, name, help, "gauge");
        for (limit, part) in &rows {
            let unit = part.live.terms.unit;
            let labels = format!(
                "budget=\"{}\",limit=\"{}\",unit=\"{unit}\"",
                limit.key.budget,
                escape(&limit.key.limit)
            );
            line(out, name, &labels, &value(part).to_string());
        }
    }
}

fn shadow_prices(out: &mut String, plane: &Plane) {
    head(out, names::LAMBDA, "What one USD must buy in quality", "gauge");
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        line(out, names::LAMBDA, &format!("policy=\"{}\"", policy.name), &part.live.lambda().to_string());
    }
    head(
        out,
        names::SPEND_TARGET,
        "What one call may cost on average in USD; 0 where nothing is aimed at",
        "gauge",
    );
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let target = part.live.target().unwrap_or_default();
        line(out, names::SPEND_TARGET, &format!("policy=\"{}\"", policy.name), &target.to_string());
    }
    head(out, names::OWED, "Calls' worth of the spend target that were spent too much", "gauge");
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let owed = part.live.price().map_or(0.0, |price| price.owed());
        line(out, names::OWED, &format!("policy=\"{}\"", policy.name), &format!("{owed:.3}"));
    }
    head(out, "pointsman_refused", "Calls that were refused", "counter");
    for (policy, part) in plane.snapshot.policies.iter().zip(&plane.policies) {
        let refused = part.live.refused.load(Relaxed);
        line(out, "pointsman_refused_total", &format!("policy=\"{}\"", policy.name), &refused.to_string());
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}").expect("writing to a String does not fail");
}

fn line(out: &mut String, name: &str, labels: &str, value: &str) {
    writeln!(out, "{name}{{{labels}}} {value}").expect("writing to a String does not fail");
}

/// Model names are free text.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
