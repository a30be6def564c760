//! Why a candidate was picked, stands by or was left out, from the figures of its decision.
//!
//! A candidate that lost is held against whoever beats it in chance and cost, else against the pick, at the price of
//! chance in force.

use std::cmp::Ordering::{Equal, Greater, Less};

use serde_json::Value;

use super::table::{dollars, rows, short, text};

/// The words for one row of a decision.
pub(super) fn why(decision: &Value, row: &Value) -> String {
    match (row["verdict"].as_str(), row["why"].as_str()) {
        (Some("left_out"), Some(why)) => format!("left out: {why}"),
        (Some("stands_by"), why) => {
            lost(decision, row).unwrap_or_else(|| why.unwrap_or("stands by").to_owned())
        }
        (Some(verdict), _) => verdict.to_owned(),
        (None, _) => String::new(),
    }
}

/// Why a candidate that stands by is not the pick; none where chance, cost and time do not say.
fn lost(decision: &Value, row: &Value) -> Option<String> {
    // A tier leaves out what may well be worth more.
    if decision["routing"]["tier"].is_string() {
        return None;
    }
    let picked = rows(decision).find(|other| other["verdict"] == "picked")?;
    let (mine, best) = (Figures::of(row)?, Figures::of(picked)?);
    let method = decision["routing"]["method"].as_str()?;
    let by_figures = || beaten(decision, row, mine).or_else(|| mine.against(best, lambda(decision)));
    match method.split(' ').next()? {
        // Nothing was compared, or something else.
        "Direct" | "Refused" | "MostAvailable" => None,
        "Fastest" | "SpeedWeighted" => mine.slower_than(best).or_else(by_figures),
        _ => by_figures().or_else(|| mine.slower_than(best)),
    }
}

/// The quality that one USD must buy; none where the choice is not by a price.
pub(super) fn lambda(decision: &Value) -> Option<f64> {
    let routing = &decision["routing"];
    let by_price = routing["method"].as_str().is_some_and(|method| method.starts_with("ShadowPrice"));
    routing["lambda"].as_f64().filter(|lambda| by_price && *lambda > 0.0)
}

/// Names the first, best candidates first, that is as good for less money, better for as much, or both.
fn beaten(decision: &Value, row: &Value, mine: Figures) -> Option<String> {
    let in_it = |other: &&Value| matches!(other["verdict"].as_str(), Some("picked" | "stands_by"));
    rows(decision).filter(in_it).find_map(|other| {
        let name = match other["model"] == row["model"] {
            true => format!("{} at {}", text(&other["model"]), short(&other["provider"])),
            false => text(&other["model"]),
        };
        mine.beaten_by(Figures::of(other)?, &name)
    })
}

/// What candidates are held against each other by.
#[derive(Clone, Copy)]
struct Figures {
    chance: f64,
    /// In USD per 1000 calls.
    cost: f64,
    ms: f64,
}

impl Figures {
    /// None where the price is unknown.
    fn of(row: &Value) -> Option<Self> {
        let cost: f64 = row["expected_cost_usd"].as_str()?.parse().ok()?;
        Some(Self { chance: row["quality"].as_f64()?, cost: cost * 1000.0, ms: row["expected_ms"].as_f64()? })
    }

    fn beaten_by(self, other: Self, name: &str) -> Option<String> {
        match (self.chance.total_cmp(&other.chance), self.cost.total_cmp(&other.cost)) {
            (Less, Greater) => Some(format!("worse and dearer than {name}")),
            (Less, Equal) => Some(format!("worse than {name} for the same money")),
            (Equal, Greater) => Some(format!("dearer than {name} and no better")),
            _ => None,
        }
    }

    /// What it would gain and what that costs, or the reverse.
    fn against(self, picked: Self, lambda: Option<f64>) -> Option<String> {
        let (gain, dearer) = (self.chance - picked.chance, self.cost - picked.cost);
        let worth = lambda.map(|lambda| format!(" worth ${}", dollars(gain.abs() / lambda * 1000.0)));
        let told = format!("{}{}", points(gain.abs() * 100.0), worth.unwrap_or_default());
        if gain > 0.0 && dearer > 0.0 {
            return Some(format!("costs ${} more, gains {told}", dollars(dearer)));
        }
        (gain < 0.0 && dearer < 0.0).then(|| format!("saves ${}, loses {told}", dollars(-dearer)))
    }

    fn slower_than(self, picked: Self) -> Option<String> {
        let told = || format!("slower: {:.1} s in place of {:.1} s", self.ms / 1000.0, picked.ms / 1000.0);
        (self.ms > picked.ms).then(told)
    }
}

/// Hundredths of a chance.
fn points(points: f64) -> String {
    match points {
        ..0.05 => "less than 0.1 points".to_owned(),
        0.05..0.95 => format!("{points:.1} points"),
        0.95..1.5 => "1 point".to_owned(),
        _ => format!("{points:.0} points"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(model: &str, verdict: &str, chance: f64, cost: &str, ms: f64) -> Value {
        json!({"model": model, "provider": format!("shop/{model}"), "verdict": verdict, "why": null,
               "quality": chance, "expected_cost_usd": cost, "expected_ms": ms})
    }

    /// What is said of each, the pick first.
    fn check(method: &str, lambda: f64, ranking: &[Value], expected: &[&str]) {
        let decision = json!({"routing": {"method": method, "lambda": lambda}, "model_ranking": ranking});
        let told: Vec<String> = rows(&decision).map(|row| why(&decision, row)).collect();
        assert_eq!(told, expected, "{method}");
    }

    #[test]
    fn who_lost_is_held_against_the_pick_at_todays_price_or_against_who_beats_it() {
        let ranking = [
            row("pro", "picked", 0.74, "0.00051", 900.0),
            row("flash", "stands_by", 0.64, "0.00004", 400.0),
            row("llama", "stands_by", 0.63, "0.00019", 900.0),
            row("opus", "stands_by", 0.75, "0.00211", 900.0),
        ];
        let beaten = "worse and dearer than flash";
        check(
            "ShadowPrice over Scorer",
            97.087,
            &ranking,
            &[
                "picked",
                "saves $0.47, loses 10 points worth $1.03",
                beaten,
                "costs $1.60 more, gains 1 point worth $0.10",
            ],
        );
        // Where no price decides, the figures stand alone.
        check(
            "MaxScore over Prior",
            97.087,
            &ranking,
            &["picked", "saves $0.47, loses 10 points", beaten, "costs $1.60 more, gains 1 point"],
        );
        for method in ["Direct", "MostAvailable over Prior"] {
            check(method, 0.0, &ranking, &["picked", "stands by", "stands by", "stands by"]);
        }
    }

    #[test]
    fn nothing_is_held_against_a_pick_that_a_tier_made() {
        let ranking =
            [row("small", "picked", 0.5, "0.0001", 400.0), row("large", "stands_by", 0.8, "0.001", 900.0)];
        let routing = json!({"method": "ShadowPrice over Scorer", "lambda": 1000.0, "tier": "easy"});
        let decision = json!({"routing": routing, "model_ranking": ranking});
        assert_eq!(why(&decision, &ranking[1]), "stands by");
    }

    #[test]
    fn who_lost_by_time_is_told_the_time() {
        let ranking = [
            row("quick", "picked", 0.6, "0.001", 400.0),
            row("slow", "stands_by", 0.6, "0.0005", 2000.0),
            row("cheap", "stands_by", 0.5, "0.0004", 500.0),
        ];
        check(
            "Fastest over Prior",
            0.0,
            &ranking,
            &["picked", "slower: 2.0 s in place of 0.4 s", "slower: 0.5 s in place of 0.4 s"],
        );
        check(
            "MaxScore over Prior",
            0.0,
            &ranking,
            &["picked", "slower: 2.0 s in place of 0.4 s", "saves $0.60, loses 10 points"],
        );
    }

    #[test]
    fn another_provider_of_the_same_model_is_named_and_an_equal_one_just_stands_by() {
        let at = |provider: &str, verdict: &str, cost: &str| {
            let mut row = row("gpt", verdict, 0.7, cost, 900.0);
            row["provider"] = format!("shop/{provider}").into();
            row
        };
        let mut unknown = at("gpu", "stands_by", "");
        unknown["expected_cost_usd"] = Value::Null;
        let ranking = [
            at("openai", "picked", "0.001"),
            at("azure", "stands_by", "0.002"),
            at("b", "stands_by", "0.001"),
        ];
        let expected = ["picked", "dearer than gpt at openai and no better", "stands by", "stands by"];
        check("ShadowPrice over Prior", 1.0, &[&ranking[..], &[unknown]].concat(), &expected);
    }

    #[test]
    fn points_are_rounded_to_what_can_be_seen() {
        for (told, expected) in
            [(0.01, "less than 0.1 points"), (0.3, "0.3 points"), (0.99, "1 point"), (9.9, "10 points")]
        {
            assert_eq!(points(told), expected);
        }
    }
}
