//! Whether a new status is worth a write: conditions at once, figures when they have moved.

use serde_json::Value;

/// How much a status has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Not at all.
    None,
    /// Figures moved by less than one percent, or a message by a word.
    Small,
    /// A figure moved by one percent, or a text changed.
    Figures,
    /// A condition, a state, or the observed generation.
    Condition,
}

/// Compares two versions of a status.
pub fn change(previous: &Value, next: &Value) -> Change {
    if essence(previous) != essence(next) {
        return Change::Condition;
    }
    differ("", previous, next)
}

/// What is written at once: per condition its status, its reason and the words of its message; the state, the generation.
fn essence(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let conditions: Vec<_> = conditions
        .map(|c| (&c["type"], &c["status"], &c["reason"], &c["observedGeneration"], words(c)))
        .collect();
    serde_json::json!([
        conditions,
        status["summary"]["state"],
        status["observedGeneration"],
        status["ledgerName"]
    ])
}

/// The words of a condition's message. Numbers count pods that come and go; which models of a provider are unwell changes
/// with every breath.
fn words(condition: &Value) -> Vec<&str> {
    let message = condition["message"].as_str().filter(|_| condition["type"] != "Unhealthy");
    taken_apart(message.unwrap_or_default()).0
}

fn differ(field: &str, previous: &Value, next: &Value) -> Change {
    match (previous, next) {
        // The time of the figures is no figure.
        _ if field == "asOf" => Change::None,
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().map(|(key, value)| differ(key, value, &b[key])).max().unwrap_or(Change::None)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| differ(field, a, b)).max().unwrap_or(Change::None)
        }
        (a, b) if a == b => Change::None,
        // Counts in messages follow pods that come and go.
        _ if field == "message" => Change::Small,
        (Value::String(a), Value::String(b)) => texts(a, b),
        (Value::Number(a), Value::Number(b)) => numbers(a.as_f64(), b.as_f64()),
        _ => Change::Figures,
    }
}

/// Texts that differ only in their numbers have moved as far as the numbers.
fn texts(a: &str, b: &str) -> Change {
    let ((words_a, numbers_a), (words_b, numbers_b)) = (taken_apart(a), taken_apart(b));
    if words_a != words_b || numbers_a.len() != numbers_b.len() {
        return Change::Figures;
    }
    let moved = numbers_a.iter().zip(&numbers_b).map(|(a, b)| numbers(a.parse().ok(), b.parse().ok()));
    moved.max().unwrap_or(Change::None)
}

fn numbers(a: Option<f64>, b: Option<f64>) -> Change {
    match a.zip(b) {
        Some((a, b)) if a == b => Change::None,
        Some((a, b)) if (a - b).abs() < 0.01 * a.abs().max(b.abs()) => Change::Small,
        _ => Change::Figures,
    }
}

/// The text without its numbers, and the numbers.
fn taken_apart(text: &str) -> (Vec<&str>, Vec<&str>) {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let words = text.split(is_number).filter(|word| !word.is_empty()).collect();
    let numbers = text.split(|c| !is_number(c)).filter(|number| !number.is_empty()).collect();
    (words, numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(reason: &str, state: &str, spent: &str, message: &str) -> Value {
        json!({
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": reason, "message": message, "observedGeneration": 1}],
            "summary": {"state": state, "spent": spent, "asOf": message},
            "limits": [{"limit": "m", "spent": "5"}],
        })
    }

    #[test]
    fn conditions_go_at_once_and_figures_when_they_have_moved() {
        let before = status("Ready", "OnTrack", "$100.00", "1 of 2");
        for (after, expected) in [
            (before.clone(), Change::None),
            (status("Ready", "OnTrack", "$100.00", "2 of 2"), Change::Small),
            (status("Ready", "OnTrack", "$100.90", "1 of 2"), Change::Small),
            (status("Ready", "OnTrack", "$102.00", "1 of 2"), Change::Figures),
            (status("Ready", "OnTrack", "-", "1 of 2"), Change::Figures),
            (status("Ready", "AtRisk", "$100.00", "1 of 2"), Change::Condition),
            (status("Nacked", "OnTrack", "$100.00", "1 of 2"), Change::Condition),
            (status("Ready", "OnTrack", "$100.00", "all of them"), Change::Condition),
            (json!({}), Change::Condition),
        ] {
            assert_eq!(change(&before, &after), expected, "{after}");
        }
    }

    #[test]
    fn rows_that_come_or_go_are_figures() {
        let before = json!({"models": [{"model": "a", "share": 50}]});
        assert_eq!(change(&before, &json!({"models": []})), Change::Figures);
        assert_eq!(change(&before, &json!({"models": [{"model": "b", "share": 50}]})), Change::Figures);
        assert_eq!(change(&before, &json!({"models": [{"model": "a", "share": 51}]})), Change::Figures);
        assert_eq!(change(&json!({"n": 1000}), &json!({"n": 1001})), Change::Small);
    }
}
