//! `manifest.yaml`: what a routing model is, what it reads, which models it knows, how it was made.

use pointsman_config::score_text;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::FolderError;

/// The name of the file.
pub const FILE: &str = "manifest.yaml";
/// The version of the format that this program reads and writes.
pub const FORMAT: u32 = 1;
/// More models than this are no choice.
const MODELS_AT_MOST: usize = 1024;

/// What a folder says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// What people call the model.
    pub name: String,
    /// Which one of that name it is.
    pub version: String,
    /// Which code reads the weights.
    pub kind: Kind,
    /// What it reads.
    pub input: Input,
    /// How the text becomes features.
    pub extractor: Extractor,
    /// Which models it scores; predictions run parallel to this list.
    pub models: Vec<KnownModel>,
    /// What makes its chances honest.
    #[serde(default)]
    pub calibration: Calibration,
    /// How much memory it takes once it is loaded, in bytes.
    pub memory_bytes: u64,
    /// The files beside this one.
    pub files: Vec<FileEntry>,
    /// Under which licence its weights are published, as an SPDX expression.
    pub licence: String,
    /// How it was made.
    pub made: Made,
    /// What only its kind understands.
    #[serde(default)]
    pub settings: Value,
}

/// Which code reads the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Static token embeddings, surface features and a low-rank head.
    Embedding,
}

/// What a model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// The version of the rule that makes [`score_text::ScoreText`].
    pub score_text: u32,
    /// Tokens beyond these are not read.
    pub max_tokens: u32,
}

/// How a text becomes features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extractor {
    /// Its name.
    pub name: String,
    /// Features of different versions must not be mixed.
    pub version: u32,
}

/// A model that is scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KnownModel {
    /// Its canonical name.
    pub name: String,
    /// Other names of the very same model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// Makes honest chances of predictions: `sigmoid(intercept + slope x logit(p))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Above 1 where predictions are too timid, below where they are too bold.
    pub slope: f64,
    /// Above 0 where they are too pessimistic.
    pub intercept: f64,
}

impl Default for Calibration {
    /// Leaves predictions as they are.
    fn default() -> Self {
        Self { slope: 1.0, intercept: 0.0 }
    }
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name, without any folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its checksum, in lower-case hexadecimal.
    pub sha256: String,
}

/// How a model was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// By which tool, with which options.
    pub by: String,
    /// From which data, each with its licence.
    pub from: Vec<String>,
    /// On which day.
    pub on: String,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn parse(text: &[u8]) -> Result<Self, FolderError> {
        let broken = |message: String| FolderError::new(FILE, "", message, "compare it with docs/scoring.md");
        let text = std::str::from_utf8(text).map_err(|_| broken("it is not UTF-8".to_owned()))?;
        let manifest: Self = serde_yaml::from_str(text).map_err(|error| broken(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// As the text of the file.
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(self).expect("a manifest is plain data with names for keys")
    }

    /// What only the kind understands, in its own type.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, FolderError> {
        serde_json::from_value(self.settings.clone()).map_err(|error| {
            FolderError::new(FILE, "settings", error, "write the folder with `pointsman train`")
        })
    }

    fn check(&self) -> Result<(), FolderError> {
        let wrong = |field: &str, message: &str, remedy: &str| {
            Err(FolderError::new(FILE, field, message.to_owned(), remedy))
        };
        if self.format != FORMAT {
            return Err(FolderError::new(
                FILE,
                "format",
                format!("{} is not the format {FORMAT} that this program reads", self.format),
                "use a program and a model of one age",
            ));
        }
        if self.input.score_text != score_text::VERSION {
            return Err(FolderError::new(
                FILE,
                "input.scoreText",
                format!(
                    "it reads texts of rule {}, this program makes rule {}",
                    self.input.score_text,
                    score_text::VERSION
                ),
                "train it anew with this program",
            ));
        }
        if self.name.is_empty() || self.version.is_empty() {
            return wrong("name", "name or version is empty", "say which model this is");
        }
        if self.input.max_tokens == 0 {
            return wrong("input.maxTokens", "it would read nothing", "allow at least one token");
        }
        if self.licence.is_empty() {
            return wrong("licence", "it is empty", "write an SPDX expression such as Apache-2.0");
        }
        let Calibration { slope, intercept } = self.calibration;
        if !slope.is_finite() || !intercept.is_finite() || slope <= 0.0 {
            return wrong(
                "calibration",
                "slope and intercept must be finite, the slope above 0",
                "leave it out to keep predictions as they are",
            );
        }
        self.check_models()?;
        self.check_files()
    }

    fn check_models(&self) -> Result<(), FolderError> {
        let wrong =
            |field: String, message: &str, remedy| Err(FolderError::new(FILE, &field, message, remedy));
        if self.models.is_empty() || self.models.len() > MODELS_AT_MOST {
            return wrong(
                "models".to_owned(),
                "it must name 1 to 1024 models",
                "list every model that the head scores",
            );
        }
        let mut names = std::collections::BTreeSet::new();
        for (i, model) in self.models.iter().enumerate() {
            for name in std::iter::once(&model.name).chain(&model.aliases) {
                if name.is_empty() || !names.insert(name.as_str()) {
                    return wrong(
                        format!("models[{i}]"),
                        "a name is empty or stands twice",
                        "give each model names of its own",
                    );
                }
            }
        }
        Ok(())
    }

    fn check_files(&self) -> Result<(), FolderError> {
        for (i, file) in self.files.iter().enumerate() {
            let plain = !file.name.is_empty() && !file.name.contains(['/', '\\']) && file.name != FILE;
            let first = self.files[..i].iter().all(|other| other.name != file.name);
            if !plain || !first {
                let message = format!("\"{}\" is no plain file name, or stands twice", file.name);
                return Err(FolderError::new(
                    FILE,
                    &format!("files[{i}].name"),
                    message,
                    "name each file of the folder once",
                ));
            }
        }
        Ok(())
    }
}
