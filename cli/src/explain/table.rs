//! Decisions and calls as tables.

use std::fmt::Write;

use serde_json::Value;

use super::why::{lambda, why};

/// A decision: who was considered, what each would cost, why it was or was not picked.
pub(super) fn decision(d: &Value) -> String {
    let mut out = String::new();
    let routing = &d["routing"];
    let (policy, objective, method) =
        (text(&routing["policy"]), text(&routing["objective"]), text(&routing["method"]));
    match d["recommended_model"].as_str() {
        Some(model) => {
            let from = format!("{model}, from {}", text(&d["provider"]));
            let _ = writeln!(out, "{from:<48}policy {policy}, objective {objective}, {method}\n");
        }
        None => {
            let _ = writeln!(out, "refused{:41}policy {policy}, objective {objective}\n", "");
        }
    }
    out.push_str(&candidates(d));
    let _ = writeln!(
        out,
        "\n  CHANCE  probability of a good answer      SCORE  what the optimizer compared; higher is better"
    );
    let _ = writeln!(out, "  {}", text(&d["reasoning"]));
    if let Some(lambda) = lambda(d) {
        let point = dollars(10.0 / lambda);
        let _ = writeln!(out, "  One point of chance is worth ${point} per 1000 calls now.");
    }
    let stand_by: Vec<String> =
        rows(d).filter(|row| row["verdict"] == "stands_by").map(|row| text(&row["model"])).collect();
    if !stand_by.is_empty() {
        let _ = writeln!(out, "  If it fails before the first content: {}.", stand_by.join(", then "));
    }
    let _ = writeln!(out, "  Nothing was sent to a provider. Same as JSON: -o json, or POST /v1/route.");
    out
}

fn candidates(d: &Value) -> String {
    let width = rows(d).map(|row| text(&row["model"]).len()).max().unwrap_or(0).max(9) + 2;
    let providers = rows(d).map(|row| short(&row["provider"]).len()).max().unwrap_or(0).max(8) + 2;
    let mut out =
        format!("  {:width$}{:providers$}CHANCE   $/1000 CALLS   SCORE    WHY\n", "CANDIDATE", "PROVIDER");
    for row in rows(d) {
        let cost = row["expected_cost_usd"].as_str().and_then(|c| c.parse::<f64>().ok());
        let _ = writeln!(
            out,
            "  {:width$}{:providers$}{:>6}   {:>12}   {:>6}   {}",
            text(&row["model"]),
            short(&row["provider"]),
            row["quality"].as_f64().map_or_else(|| "-".to_owned(), |q| format!("{q:.2}")),
            cost.map_or_else(|| "unknown".to_owned(), |c| dollars(c * 1000.0)),
            row["score"].as_f64().map_or_else(|| "-".to_owned(), |s| format!("{s:.3}")),
            why(d, row),
        );
    }
    out
}

/// A call: what was asked, what was tried, what it cost.
pub(super) fn call(c: &Value) -> String {
    let d = &c["decision"];
    let mut out = format!(
        "{}  asked for \"{}\", about {} input tokens      policy {}, generation {}\n\n",
        text(&c["time"]),
        text(&c["requested_model"]),
        c["input_tokens_estimate"],
        text(&d["routing"]["policy"]),
        d["routing"]["generation"],
    );
    out.push_str(&candidates(d));
    out.push('\n');
    for (i, attempt) in c["attempts"].as_array().into_iter().flatten().enumerate() {
        let role = if i == 0 { "tried" } else { "then" };
        let _ = writeln!(
            out,
            "  {role:<6}{} at {}: {} {}, {} tokens in, {} out, ${}",
            text(&attempt["model"]),
            short(&attempt["provider"]),
            outcome(&text(&attempt["result"])),
            after(&attempt["took_ms"]),
            attempt["usage"]["input_tokens"],
            attempt["usage"]["output_tokens"],
            nano(&attempt["cost_nano"]),
        );
    }
    let uncertain = c["uncertain_nano"].as_u64().filter(|n| *n > 0).map_or("", |_| " (estimated)");
    let _ = writeln!(out, "\n  {}. Charged ${}{uncertain}, once.", text(&c["status"]), text(&c["cost_usd"]));
    out
}

/// How an attempt ended: a status as it is, our own words spelt out.
fn outcome(result: &str) -> &str {
    match result {
        "connect" => "no connection",
        "not_sent" => "not sent",
        "reset" => "connection broken",
        "timeout" => "no answer in time",
        "bad_answer" => "answer not understood",
        other => other,
    }
}

fn after(took_ms: &Value) -> String {
    match took_ms.as_f64() {
        Some(ms) if ms >= 1.0 => format!("after {took_ms} ms"),
        _ => "at once".to_owned(),
    }
}

/// The candidates of a decision, the pick first.
pub(super) fn rows(d: &Value) -> impl Iterator<Item = &Value> {
    d["model_ranking"].as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

/// The name of a `namespace/name`.
pub(super) fn short(value: &Value) -> String {
    text(value).rsplit('/').next().unwrap_or_default().to_owned()
}

fn nano(value: &Value) -> String {
    pointsman_config::money::Nano(value.as_u64().unwrap_or_default()).to_string()
}

/// Two decimals, or as many as it takes to show something.
pub(super) fn dollars(amount: f64) -> String {
    if amount == 0.0 || amount >= 0.01 { format!("{amount:.2}") } else { format!("{amount:.6}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_shows_every_candidate_with_its_reason() {
        let row = |model: &str, verdict: &str, why: Value, score: Value| {
            json!({"model": model, "provider": "default/p", "verdict": verdict, "why": why, "quality": 0.7,
                   "score": score, "expected_cost_usd": "0.00051"})
        };
        let d = json!({
            "recommended_model": "large", "provider": "default/p", "reasoning": "Because.",
            "routing": {"policy": "default/default", "objective": "Balanced", "method": "ShadowPrice over Prior", "lambda": 100.0},
            "model_ranking": [
                row("large", "picked", Value::Null, json!(0.64)),
                row("small", "stands_by", Value::Null, json!(0.61)),
                row("blind", "left_out", json!("no image input"), Value::Null),
            ],
        });
        let shown = decision(&d);
        for line in [
            "large, from default/p                           policy default/default, objective Balanced, ShadowPrice over Prior",
            "  large      p           0.70           0.51    0.640   picked",
            "  small      p           0.70           0.51    0.610   stands by",
            "  blind      p           0.70           0.51        -   left out: no image input",
            "  One point of chance is worth $0.10 per 1000 calls now.",
            "  If it fails before the first content: small.",
        ] {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
    }
}
