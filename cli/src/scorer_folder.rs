//! Routing models in folders.

use std::path::Path;

use anyhow::anyhow;
use bytes::Bytes;
use pointsman_models::scorer::RoutingModel;
use pointsman_models::scorer::folder::Checksums;

/// Opens a folder, or the shipped one.
pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<RoutingModel> {
    let Some(folder) = folder else { return Ok(pointsman_models::shipped::load()) };
    RoutingModel::load(&|name| read(folder, name), Checksums::Compare)
        .map_err(|error| anyhow!("{}: {error}", folder.display()))
}

/// One file of a folder, or of the shipped one.
pub(crate) fn file(folder: Option<&Path>, name: &str) -> anyhow::Result<Bytes> {
    match folder {
        Some(folder) => {
            read(folder, name).map_err(|error| anyhow!("{}: {error}", folder.join(name).display()))
        }
        None => pointsman_models::shipped::file(name).map_err(|error| anyhow!("{name}: {error}")),
    }
}

fn read(folder: &Path, name: &str) -> Result<Bytes, String> {
    std::fs::read(folder.join(name)).map(Bytes::from).map_err(|error| error.to_string())
}
