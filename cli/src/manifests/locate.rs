//! Finds the line and column of a field path in a YAML text.

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};

/// Where something stands, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// The column, in characters.
    pub(crate) column: usize,
    /// How many characters of that line it covers, at least 1.
    pub(crate) width: usize,
}

/// What of a field is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Its name: the field itself is the mistake.
    Name,
    /// Its value.
    Value,
}

/// The place of `path` (such as `spec.candidates[1].model`) in one document; of the nearest parent that exists where
/// the path itself does not. None where the text is not YAML.
pub(crate) fn locate(text: &str, document: usize, path: &str, part: Part) -> Option<Place> {
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let mut node = documents.get(document)?;
    let mut key: Option<&MarkedYaml<'_>> = None;
    for step in steps(path) {
        let found = match (&step, &node.data) {
            (Step::Field(name), YamlData::Mapping(map)) => {
                map.iter().find(|(k, _)| k.data.as_str() == Some(name.as_str())).map(|(k, v)| (Some(k), v))
            }
            (Step::Item(i), YamlData::Sequence(items)) => items.get(*i).map(|v| (None, v)),
            _ => None,
        };
        let Some((k, v)) = found else { break };
        key = k;
        node = v;
    }
    Some(place(text, node, key, part))
}

/// A scalar value is shown itself; a mapping or list by its name where it has one.
fn place(text: &str, node: &MarkedYaml<'_>, key: Option<&MarkedYaml<'_>>, part: Part) -> Place {
    let scalar = part == Part::Value && !matches!(node.data, YamlData::Mapping(_) | YamlData::Sequence(_));
    let shown = match key {
        Some(key) if !scalar => key,
        _ => node,
    };
    let (start, end) = (shown.span.start, shown.span.end);
    let line_text = text.lines().nth(start.line().saturating_sub(1)).unwrap_or_default();
    let rest = line_text.trim_end().chars().count().saturating_sub(start.col());
    let width = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { rest };
    Place { line: start.line(), column: start.col() + 1, width: width.clamp(1, rest.max(1)) }
}

enum Step {
    Field(String),
    Item(usize),
}

/// Splits `spec.rules[0].matches[0].text` into its steps.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        if !name.is_empty() {
            steps.push(Step::Field(name.to_owned()));
        }
        let numbers = indices.split('[').filter_map(|i| i.trim_end_matches(']').parse().ok());
        steps.extend(numbers.map(Step::Item));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
apiVersion: v1
---
spec:
  candidates:
    - model: gpt-5
    - model: gpt-5-mni   # a slip
  limits: [{name: month, amount: 500}]
";

    #[test]
    fn finds_the_value_or_its_nearest_parent() {
        for (path, line, column, width) in [
            ("spec.candidates[1].model", 6, 14, 9),
            ("spec.limits[0].amount", 7, 34, 3),
            ("spec.limits", 7, 3, 6),
            ("spec.candidates[1].nothing", 6, 7, 5),
            ("spec.candidates[9].model", 4, 3, 10),
        ] {
            let place = locate(TEXT, 1, path, Part::Value).map(|p| (p.line, p.column));
            assert_eq!(place, Some((line, column)), "{path}");
            if !path.contains("nothing") {
                assert_eq!(locate(TEXT, 1, path, Part::Value).map(|p| p.width), Some(width), "{path}");
            }
        }
    }

    #[test]
    fn points_at_the_name_where_the_field_itself_is_the_mistake() {
        let place = locate(TEXT, 1, "spec.candidates[1].model", Part::Name);
        assert_eq!(place, Some(Place { line: 6, column: 7, width: 5 }));
    }

    #[test]
    fn a_text_that_is_no_yaml_has_no_places() {
        assert_eq!(locate("a: [", 0, "a", Part::Value), None);
    }
}
