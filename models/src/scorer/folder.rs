//! Reads a routing model out of its folder, and refuses one that is damaged or not what it says.
//!
//! The caller does the I/O: [`Files`] hands out the bytes of a file by its name, be they inside the binary or read from
//! a disk. Bytes are shared, never copied, so that a model inside the binary costs only the pages that are used.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::manifest::{FILE, Kind, Manifest};
use super::response::{Peers, logit, sigmoid};
use super::{Prediction, ScoreText, Scorer, Scratch};

/// Makes a scorer of one kind out of its files.
type Open = fn(&Manifest, &Files<'_>) -> Result<Box<dyn Scorer>, FolderError>;

/// Which code opens which kind.
const KINDS: &[(Kind, Open)] = &[(Kind::Embedding, crate::embedding::open)];

/// Why a folder is no routing model: which file, which field, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}{field}: {message}; {remedy}", if field.is_empty() { "" } else { ": " })]
pub struct FolderError {
    file: String,
    field: String,
    message: String,
    remedy: String,
}

impl FolderError {
    /// An error in `file`, at `field` where that says more.
    pub fn new(file: &str, field: &str, message: impl ToString, remedy: &str) -> Self {
        Self {
            file: file.to_owned(),
            field: field.to_owned(),
            message: message.to_string(),
            remedy: remedy.to_owned(),
        }
    }
}

/// A digest that tells models apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelHash(pub [u8; 16]);

impl ModelHash {
    /// Of a manifest's text. It holds the checksums of all weights, so its digest stands for the whole folder.
    fn of(manifest: &[u8]) -> Self {
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(manifest)[..16]);
        Self(hash)
    }
}

impl std::fmt::Display for ModelHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether the bytes of files are compared with the checksums of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// They are.
    Compare,
    /// They are part of this program and were compared when it was tested; comparing would only load every page.
    Shipped,
}

/// The files of one folder, as a loader sees them.
pub struct Files<'a> {
    read: &'a dyn Fn(&str) -> Result<Bytes, String>,
    manifest: &'a Manifest,
    checksums: Checksums,
}

impl Files<'_> {
    /// The bytes of a file of the manifest.
    pub fn bytes(&self, name: &str) -> Result<Bytes, FolderError> {
        let Some(entry) = self.manifest.files.iter().find(|file| file.name == name) else {
            let message = format!("\"{name}\" is missing, and kind {:?} needs it", self.manifest.kind);
            return Err(FolderError::new(
                FILE,
                "files",
                message,
                "write the folder anew with `pointsman train`",
            ));
        };
        let bytes = read(self.read, name)?;
        if bytes.len() as u64 != entry.bytes {
            let message = format!("it has {} bytes, the manifest says {}", bytes.len(), entry.bytes);
            return Err(FolderError::new(name, "", message, "copy the folder again"));
        }
        if self.checksums == Checksums::Compare && hex(&Sha256::digest(&bytes)) != entry.sha256 {
            return Err(FolderError::new(
                name,
                "",
                "its checksum is not the manifest's",
                "copy the folder again",
            ));
        }
        Ok(bytes)
    }

    /// A file of so many little-endian `f32`s, all of them finite.
    pub fn floats(&self, name: &str, count: usize) -> Result<Vec<f32>, FolderError> {
        let bytes = self.bytes(name)?;
        let (quads, rest) = bytes.as_chunks::<4>();
        if quads.len() != count || !rest.is_empty() {
            let message =
                format!("it has {} bytes where {count} numbers of 4 bytes are expected", bytes.len());
            return Err(FolderError::new(name, "", message, "write the folder anew with `pointsman train`"));
        }
        let numbers: Vec<f32> = quads.iter().map(|quad| f32::from_le_bytes(*quad)).collect();
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(i) => {
                let message = format!("number {i} is {}", numbers[i]);
                Err(FolderError::new(
                    name,
                    "",
                    message,
                    "train the model anew: no weight may be infinite or no number",
                ))
            }
        }
    }
}

/// A routing model that is ready to score.
pub struct RoutingModel {
    manifest: Manifest,
    hash: ModelHash,
    scorer: Box<dyn Scorer>,
}

impl std::fmt::Debug for RoutingModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { manifest, hash, scorer: _ } = self;
        f.debug_struct("RoutingModel")
            .field("name", &manifest.name)
            .field("hash", hash)
            .finish_non_exhaustive()
    }
}

impl RoutingModel {
    /// Reads a model; `read` gives the bytes of a file of its folder.
    pub fn load(
        read_file: &dyn Fn(&str) -> Result<Bytes, String>,
        checksums: Checksums,
    ) -> Result<Self, FolderError> {
        let text = read(read_file, FILE)?;
        let manifest = Manifest::parse(&text)?;
        let files = Files { read: read_file, manifest: &manifest, checksums };
        let Some((_, open)) = KINDS.iter().find(|(kind, _)| *kind == manifest.kind) else {
            let message = format!("{:?} has no code in this program", manifest.kind);
            return Err(FolderError::new(FILE, "kind", message, "use a newer program"));
        };
        let scorer = open(&manifest, &files)?;
        Ok(Self { hash: ModelHash::of(&text), manifest, scorer })
    }

    /// A model whose scorer is not made from files: one in another process, or of a test.
    pub fn from_parts(manifest: Manifest, scorer: Box<dyn Scorer>) -> Self {
        Self { hash: ModelHash::of(manifest.to_yaml().as_bytes()), manifest, scorer }
    }

    /// What the folder says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Tells this model from every other.
    pub fn hash(&self) -> ModelHash {
        self.hash
    }

    /// What kinds of task it tells apart.
    pub fn tasks(&self) -> &[std::sync::Arc<str>] {
        self.scorer.tasks()
    }

    /// How good the model at this position of predictions is on an ordinary text, where the scorer says so; calibrated, as
    /// predictions are.
    pub fn usual_quality(&self, position: usize) -> Option<f64> {
        self.scorer.usual_quality(position).map(|quality| self.calibrated(quality))
    }

    /// By whom each candidate is estimated that the scorer does not know, so that it compares with those that it knows.
    /// A candidate is where it stands in predictions, if anywhere, and its prior quality; the answer runs parallel. Where
    /// none is known there are no peers: the difficulty for all models keeps the candidates in the order of their priors.
    pub fn peers(&self, candidates: &[(Option<usize>, f64)]) -> Vec<Option<Peers>> {
        let knows_one = candidates.iter().any(|(position, _)| position.is_some());
        let usual = || {
            let positions = 0..self.manifest.models.len();
            positions.filter_map(|position| Some((position, self.usual_quality(position)?)))
        };
        let peers = |(position, prior): &(Option<usize>, f64)| match position {
            None if knows_one => Peers::of(*prior, usual()),
            _ => None,
        };
        candidates.iter().map(peers).collect()
    }

    /// Where a model of this name stands in predictions.
    pub fn position(&self, name: &str) -> Option<usize> {
        let named = |known: &super::manifest::KnownModel| {
            known.name == name || known.aliases.iter().any(|alias| alias == name)
        };
        self.manifest.models.iter().position(named)
    }

    /// Scores a text, with the manifest's calibration applied.
    pub fn predict(&self, text: &ScoreText, scratch: &mut Scratch) -> Prediction {
        let mut prediction = self.scorer.predict(text, scratch);
        if self.manifest.calibration != Default::default() {
            for quality in &mut prediction.quality {
                *quality = self.calibrated(f64::from(*quality)) as f32;
            }
        }
        prediction
    }

    fn calibrated(&self, quality: f64) -> f64 {
        let calibration = self.manifest.calibration;
        if calibration == Default::default() {
            return quality;
        }
        sigmoid(calibration.intercept + calibration.slope * logit(quality.clamp(1e-6, 1.0 - 1e-6)))
    }
}

fn read(read: &dyn Fn(&str) -> Result<Bytes, String>, name: &str) -> Result<Bytes, FolderError> {
    read(name).map_err(|error| FolderError::new(name, "", error, "put the whole folder there"))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
