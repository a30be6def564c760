//! Finds the name that somebody probably meant.

/// The choice nearest to `name`, if it is near enough to be a slip of the keyboard; the first wins ties.
///
/// Near enough is one edit per three letters. Letter case is no difference, a swap of neighbours is one edit.
pub fn did_you_mean<'a>(name: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let allowed = wanted.len().div_ceil(3);
    choices
        .into_iter()
        .map(|choice| (edits(&wanted, &choice.to_lowercase().chars().collect::<Vec<_>>()), choice))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let choices = ["gpt-5", "gpt-5-mini", "gpt-4o", "claude-sonnet-5"];
        for (written, meant) in [
            ("gpt-5-mni", Some("gpt-5-mini")),
            ("gpt-5-minï", Some("gpt-5-mini")),
            ("GPT-5-Mini", Some("gpt-5-mini")),
            ("gtp-5", Some("gpt-5")),
            ("gpt4o", Some("gpt-4o")),
            ("claude-sonet-5", Some("claude-sonnet-5")),
            ("llama-70b", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(written, choices), meant, "{written}");
        }
    }

    #[test]
    fn the_first_of_equally_near_names_wins() {
        assert_eq!(did_you_mean("modelc", ["modela", "modelb"]), Some("modela"));
        assert_eq!(did_you_mean("model", []), None);
    }

    #[test]
    fn distances_count_edits() {
        let distance =
            |a: &str, b: &str| edits(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
