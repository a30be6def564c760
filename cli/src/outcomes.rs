//! Files of outcomes and of models: read, unpacked, with errors that name the file.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};
use pointsman_train::outcomes::{self, ModelsFile, Outcome};

/// Reads a file; what starts like gzip is unpacked, whatever its name.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let unpacked = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut out)
            .with_context(|| format!("failed to unpack {}: copy it again", path.display()))?;
        out
    } else {
        bytes
    };
    String::from_utf8(unpacked)
        .map_err(|_| anyhow!("{} is not UTF-8 text; give a file of JSON, plain or gzip", path.display()))
}

/// Reads the models file.
pub(crate) fn models(path: &Path) -> anyhow::Result<ModelsFile> {
    serde_json::from_str(&text(path)?).map_err(|error| {
        anyhow!(
            "{}: {error}; it must look like {{\"sources\": {{NAME: {{\"models\": [..]}}}}, \"prices\": {{MODEL: {{\"in\": 1, \"out\": 2}}}}}}",
            path.display()
        )
    })
}

/// Reads outcomes.
pub(crate) fn lines(path: &Path, models: &ModelsFile) -> anyhow::Result<Vec<Outcome>> {
    let outcomes =
        outcomes::parse(&text(path)?, models).map_err(|error| anyhow!("{}, {error}", path.display()))?;
    if outcomes.is_empty() {
        return Err(anyhow!("{} holds no prompt; write one JSON object per line", path.display()));
    }
    Ok(outcomes)
}
