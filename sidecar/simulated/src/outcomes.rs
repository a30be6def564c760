//! Which prompts does the provider remember, and how did each model answer them?
//!
//! A file of JSON Lines, read whole at the start. A prompt is found by its exact text (the last user message).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedPrompt {
    /// Names the prompt in the books; never the prompt itself.
    pub id: String,
    /// The last user message, to the letter.
    pub prompt: String,
    /// Input tokens that a call with this prompt is billed for.
    pub in_tokens: u64,
    /// What each model answered; a model that is missing gives an answer of its default length, ungraded.
    pub answers: BTreeMap<String, RecordedAnswer>,
}

/// How one model answered one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAnswer {
    /// 1 when the answer was right, else 0.
    pub right: u8,
    /// The length of the answer.
    pub out_tokens: u32,
}

/// All recorded prompts, by text.
#[derive(Debug, Default)]
pub struct Outcomes {
    by_prompt: HashMap<String, RecordedPrompt>,
}

/// A file of outcomes that cannot be used, with the line to look at.
#[derive(Debug, Error)]
pub enum OutcomeError {
    #[error("failed to read outcomes file {path:?}: give the path of a JSON Lines file", path = .0)]
    ReadFile(PathBuf, #[source] std::io::Error),
    #[error("failed to parse line {line} of outcomes file {path:?}: {source}")]
    ParseLine { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("line {line} of outcomes file {path:?} repeats the prompt of \"{id}\": keep one line per prompt")]
    RepeatedPrompt { path: PathBuf, line: usize, id: String },
}

impl Outcomes {
    /// Reads a file of [`RecordedPrompt`] lines.
    pub fn read(path: &Path) -> Result<Outcomes, OutcomeError> {
        let unreadable = |source| OutcomeError::ReadFile(path.to_owned(), source);
        let file = File::open(path).map_err(unreadable)?;
        let mut outcomes = Outcomes::default();
        for (at, line) in BufReader::new(file).lines().enumerate() {
            outcomes.add(path, at + 1, &line.map_err(unreadable)?)?;
        }
        Ok(outcomes)
    }

    /// The record of this prompt, if there is one.
    pub fn find(&self, prompt: &str) -> Option<&RecordedPrompt> {
        self.by_prompt.get(prompt)
    }

    fn add(&mut self, path: &Path, line: usize, text: &str) -> Result<(), OutcomeError> {
        let recorded: RecordedPrompt = serde_json::from_str(text)
            .map_err(|source| OutcomeError::ParseLine { path: path.to_owned(), line, source })?;
        match self.by_prompt.insert(recorded.prompt.clone(), recorded) {
            None => Ok(()),
            Some(first) => Err(OutcomeError::RepeatedPrompt { path: path.to_owned(), line, id: first.id }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINE: &str =
        r#"{"id":"q1","prompt":"2+2?","in_tokens":9,"answers":{"m":{"right":1,"out_tokens":5}}}"#;

    fn read(text: &str) -> Result<Outcomes, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Outcomes::read(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_prompt_is_found_by_its_exact_text() {
        let outcomes = read(LINE).unwrap();
        assert_eq!(outcomes.find("2+2?").unwrap().answers["m"], RecordedAnswer { right: 1, out_tokens: 5 });
        assert_eq!(outcomes.find("2+2? "), None);
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line() {
        for (text, says) in [
            (format!("{LINE}\n{LINE}"), "line 2"),
            (format!("{LINE}\n{{\"id\":1}}"), "line 2"),
            (format!("{LINE}\n{LINE}"), "repeats the prompt of \"q1\""),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(says), "{error} does not say {says}");
        }
        let error = Outcomes::read(Path::new("/does/not/exist.jsonl")).unwrap_err().to_string();
        assert!(error.contains("exist.jsonl"), "{error}");
    }
}
