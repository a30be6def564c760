//! The cases: manifests under `accept/` and `reject/`, one folder per kind.
//!
//! A reject file begins with `# expect: <what the API server says>`. Where it holds two documents the first is created
//! and the second is put in its place.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kube::api::DynamicObject;
use serde::Deserialize;

/// One manifest that the API server must accept or refuse.
pub(crate) struct Case {
    /// Such as `reject/budget/no-limits.yaml`.
    pub(crate) name: String,
    /// What the API server must say; absent for what it must accept.
    pub(crate) expected: Option<String>,
    /// What is there before.
    pub(crate) before: Option<DynamicObject>,
    /// What is sent.
    pub(crate) object: DynamicObject,
}

impl Case {
    /// The kind of the object.
    pub(crate) fn kind(&self) -> &str {
        self.object.types.as_ref().map_or("", |types| &types.kind)
    }
}

/// The folder of the cases.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crd")
}

/// Every case under `accept` or `reject`.
pub(crate) fn cases(verdict: &str) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for kind in std::fs::read_dir(folder().join(verdict))? {
        for file in std::fs::read_dir(kind?.path())? {
            let path = file?.path();
            cases.push(read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(cases)
}

fn read(path: &Path) -> anyhow::Result<Case> {
    let text = std::fs::read_to_string(path)?;
    let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).map(str::to_owned);
    let mut objects = serde_yaml::Deserializer::from_str(&text)
        .map(DynamicObject::deserialize)
        .collect::<Result<Vec<_>, _>>()?;
    let object = objects.pop().context("holds no document")?;
    let name = path.strip_prefix(folder())?.display().to_string();
    Ok(Case { name, expected, before: objects.pop(), object })
}
