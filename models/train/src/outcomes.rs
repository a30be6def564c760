//! Files of outcomes: one prompt per line with what each model made of it, and a list of models with their prices.
//!
//! A line: `{"prompt_id", "source", "task", "prompt", "in_tokens", "score": […], "out_tokens": […], "cost": […]}`; the
//! three lists run parallel to the models of the source in the models file, `null` is "no answer". Lists that are
//! missing count as all null: what reads a file to decide needs none of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::solve::Table;

/// One line.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// Names the prompt.
    pub prompt_id: String,
    /// Where it comes from: a key of [`ModelsFile::sources`].
    pub source: String,
    /// What kind of task it is.
    #[serde(default)]
    pub task: String,
    /// What a user would have sent.
    pub prompt: String,
    /// Its length in tokens.
    pub in_tokens: u64,
    /// How good each answer was, from 0 to 1.
    #[serde(default)]
    pub score: Option<Vec<Option<f64>>>,
    /// How long each answer was, in tokens.
    #[serde(default)]
    pub out_tokens: Option<Vec<Option<f64>>>,
    /// What each call cost, in USD.
    #[serde(default)]
    pub cost: Option<Vec<Option<f64>>>,
}

/// The models file.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ModelsFile {
    /// Sources by name.
    pub sources: BTreeMap<String, SourceModels>,
    /// Prices by model.
    #[serde(default)]
    pub prices: BTreeMap<String, Price>,
}

/// The models of one source, in the order of its columns.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SourceModels {
    /// Their names.
    pub models: Vec<String>,
    /// Where the outcomes were published.
    #[serde(default)]
    pub repo: Option<String>,
    /// At which commit.
    #[serde(default)]
    pub commit: Option<String>,
    /// Under which licence.
    #[serde(default)]
    pub licence: Option<String>,
}

/// USD per million tokens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Price {
    /// Of input.
    #[serde(rename = "in")]
    pub input: f64,
    /// Of output.
    #[serde(rename = "out")]
    pub output: f64,
}

/// What is wrong with a file, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}; {remedy}")]
pub struct DataError {
    /// Counted from one.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Outcomes of one source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its models.
    pub models: Vec<String>,
    /// Its lines, without their lists.
    pub prompts: Vec<Prompt>,
    /// How good each answer was; not a number where there is none.
    pub quality: Table,
    /// How long each answer was.
    pub tokens: Table,
    /// What each call cost.
    pub cost: Table,
}

/// One prompt.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Its name.
    pub id: String,
    /// What kind of task it is, without marks of contamination.
    pub task: String,
    /// Whether the publishers of the outcomes left it out of their own figures.
    pub contaminated: bool,
    /// What a user would have sent.
    pub text: String,
    /// Its length in tokens.
    pub input_tokens: u64,
}

/// Reads the lines of a file.
pub fn parse(text: &str, models: &ModelsFile) -> Result<Vec<Outcome>, DataError> {
    let mut seen = BTreeSet::new();
    let mut outcomes = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |message: String, remedy| DataError { line: i + 1, message, remedy };
        let outcome: Outcome = serde_json::from_str(line).map_err(|error| {
            wrong(error.to_string(), "write one JSON object per line, as docs/quality.md shows")
        })?;
        let Some(source) = models.sources.get(&outcome.source) else {
            return Err(wrong(
                format!("source \"{}\" is not in the models file", outcome.source),
                "add it under `sources` with the models of its columns",
            ));
        };
        for (name, list) in
            [("score", &outcome.score), ("out_tokens", &outcome.out_tokens), ("cost", &outcome.cost)]
        {
            if let Some(list) = list
                && list.len() != source.models.len()
            {
                return Err(wrong(
                    format!("{name} has {} entries for {} models", list.len(), source.models.len()),
                    "write one entry per model of the source, null where it has none",
                ));
            }
        }
        let scores = outcome.score.iter().flatten().flatten();
        if let Some(score) = scores.into_iter().find(|score| !(0.0..=1.0).contains(*score)) {
            return Err(wrong(format!("score {score} is not from 0 to 1"), "scale scores to 0..1"));
        }
        if !seen.insert(outcome.prompt_id.clone()) {
            return Err(wrong(
                format!("prompt_id \"{}\" stands twice", outcome.prompt_id),
                "name each prompt once",
            ));
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Groups outcomes by source, in the order of the sources' names.
pub fn by_source(outcomes: &[Outcome], models: &ModelsFile) -> Vec<Source> {
    let mut sources = Vec::new();
    for (name, listed) in &models.sources {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.source == *name).collect();
        if own.is_empty() {
            continue;
        }
        let columns = listed.models.len();
        let table = |list: fn(&Outcome) -> &Option<Vec<Option<f64>>>| {
            let mut table = Table::zeros(own.len(), columns);
            for (row, outcome) in own.iter().enumerate() {
                for (column, cell) in table.row_mut(row).iter_mut().enumerate() {
                    *cell = list(outcome).as_ref().and_then(|list| list[column]).unwrap_or(f64::NAN);
                }
            }
            table
        };
        sources.push(Source {
            name: name.clone(),
            models: listed.models.clone(),
            prompts: own.iter().map(|outcome| prompt(outcome)).collect(),
            quality: table(|outcome| &outcome.score),
            tokens: table(|outcome| &outcome.out_tokens),
            cost: table(|outcome| &outcome.cost),
        });
    }
    sources
}

fn prompt(outcome: &Outcome) -> Prompt {
    let (task, contaminated) = match outcome.task.strip_suffix(":contaminated") {
        Some(task) => (task, true),
        None => (outcome.task.as_str(), false),
    };
    Prompt {
        id: outcome.prompt_id.clone(),
        task: task.to_owned(),
        contaminated,
        text: outcome.prompt.clone(),
        input_tokens: outcome.in_tokens,
    }
}

impl Source {
    /// Only these prompts.
    pub fn only(&self, rows: &[usize]) -> Self {
        let table = |from: &Table| {
            let mut some = Table::zeros(rows.len(), from.columns);
            rows.iter().enumerate().for_each(|(to, row)| some.row_mut(to).copy_from_slice(from.row(*row)));
            some
        };
        Self {
            name: self.name.clone(),
            models: self.models.clone(),
            prompts: rows.iter().map(|row| self.prompts[*row].clone()).collect(),
            quality: table(&self.quality),
            tokens: table(&self.tokens),
            cost: table(&self.cost),
        }
    }

    /// Only these models, by position.
    pub fn of_models(&self, models: &[usize]) -> Self {
        let table = |from: &Table| {
            let mut some = Table::zeros(from.rows(), models.len());
            for row in 0..from.rows() {
                let numbers = from.row(row);
                some.row_mut(row).iter_mut().zip(models).for_each(|(to, model)| *to = numbers[*model]);
            }
            some
        };
        Self {
            name: self.name.clone(),
            models: models.iter().map(|model| self.models[*model].clone()).collect(),
            prompts: self.prompts.clone(),
            quality: table(&self.quality),
            tokens: table(&self.tokens),
            cost: table(&self.cost),
        }
    }

    /// The mean of each column over the cells that are there; none where there are none.
    pub fn means(table: &Table) -> Vec<Option<f64>> {
        (0..table.columns)
            .map(|column| {
                let there = (0..table.rows()).map(|row| table.row(row)[column]).filter(|cell| !cell.is_nan());
                let (sum, count) = there.fold((0.0, 0.0), |(sum, count), cell| (sum + cell, count + 1.0));
                (count > 0.0).then(|| sum / count)
            })
            .collect()
    }

    /// What each call was expected to cost beforehand: input at its price and the usual answer of the model. Where the
    /// price of one model is unknown every model costs what it usually does: a guess beside an exact figure would make
    /// models look cheap or dear by the length of the text alone. `usual` are the prompts from which this is known,
    /// `lengths` how long answers are predicted to be, where they are.
    pub fn expected_cost(
        &self,
        usual: &Self,
        prices: &BTreeMap<String, Price>,
        lengths: Option<&Table>,
    ) -> Option<Table> {
        let (tokens, cost) = (Self::means(&usual.tokens), Self::means(&usual.cost));
        let priced = self.is_priced(prices);
        let mut expected = Table::zeros(self.prompts.len(), self.models.len());
        for (column, model) in self.models.iter().enumerate() {
            let usual = cost[column]?;
            let by_price = prices.get(model).zip(tokens[column]).filter(|_| priced);
            for (row, prompt) in self.prompts.iter().enumerate() {
                expected.row_mut(row)[column] = by_price.map_or(usual, |(price, tokens)| {
                    let tokens = lengths.map_or(tokens, |lengths| lengths.row(row)[column]);
                    (prompt.input_tokens as f64 * price.input + tokens * price.output) / 1e6
                });
            }
        }
        Some(expected)
    }

    /// Whether the price of every model is known.
    pub fn is_priced(&self, prices: &BTreeMap<String, Price>) -> bool {
        self.models.iter().all(|model| prices.contains_key(model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = r#"{"sources": {"a": {"models": ["small", "large"]}},
        "prices": {"small": {"in": 1, "out": 2}, "large": {"in": 10, "out": 20}}}"#;
    const LINE: &str = r#"{"prompt_id": "1", "source": "a", "task": "sums:contaminated", "prompt": "1+1?",
        "in_tokens": 4, "score": [0, 1], "out_tokens": [10, null], "cost": [0.1, 0.2]}"#;

    fn models() -> ModelsFile {
        serde_json::from_str(MODELS).expect("a models file")
    }

    fn line(text: &str) -> String {
        text.replace('\n', "")
    }

    #[test]
    fn lines_become_tables_with_gaps() {
        let outcomes = parse(&line(LINE), &models()).expect("a good line");
        let [source] = &by_source(&outcomes, &models())[..] else { panic!("one source") };
        assert_eq!(source.quality.numbers, [0.0, 1.0]);
        assert!(source.tokens.numbers[1].is_nan());
        assert_eq!((source.prompts[0].task.as_str(), source.prompts[0].contaminated), ("sums", true));
        assert_eq!(Source::means(&source.tokens), [Some(10.0), None]);
    }

    #[test]
    fn a_line_without_outcomes_is_enough_to_decide() {
        let bare = r#"{"prompt_id": "1", "source": "a", "prompt": "1+1?", "in_tokens": 4, "score": null}"#;
        assert!(parse(bare, &models()).expect("a good line")[0].score.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_a_remedy() {
        let twice = format!("{}\n\n{}", line(LINE), line(LINE));
        for (text, part) in [
            ("{", "line 1: EOF"),
            (&line(LINE).replace("\"a\"", "\"b\""), "source \"b\" is not in the models file; add it"),
            (
                &line(LINE).replace("[0, 1]", "[0]"),
                "score has 1 entries for 2 models; write one entry per model",
            ),
            (&line(LINE).replace("[0, 1]", "[0, 7]"), "score 7 is not from 0 to 1; scale"),
            (&twice, "line 3: prompt_id \"1\" stands twice"),
        ] {
            let error = parse(text, &models()).expect_err("a bad line").to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn expected_cost_is_by_price_where_all_are_priced_and_else_the_usual_cost() {
        let outcomes = parse(&line(LINE), &models()).expect("a good line");
        let source = by_source(&outcomes, &models()).remove(0);
        let mut prices = models().prices;
        let expected = source.expected_cost(&source, &prices, None).expect("costs are known");
        // The larger model's answers were not measured, so it costs what it usually does.
        assert_eq!(expected.numbers, [(4.0 + 20.0) / 1e6, 0.2]);
        let longer = Table { numbers: vec![30.0, f64::NAN], columns: 2 };
        let expected = source.expected_cost(&source, &prices, Some(&longer)).expect("costs are known");
        assert_eq!(expected.numbers, [(4.0 + 60.0) / 1e6, 0.2]);
        prices.remove("large");
        let expected = source.expected_cost(&source, &prices, None).expect("costs are known");
        assert_eq!(expected.numbers, [0.1, 0.2]);
        let mut silent = source.clone();
        silent.cost.numbers.fill(f64::NAN);
        assert_eq!(source.expected_cost(&silent, &models().prices, None), None);
    }
}
