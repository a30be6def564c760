//! How an embedded store comes into being: whole, or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use pointsman_sidecar::StoreError;
use redb::{Builder, Database, WriteTransaction};

/// Opens the store of this name in a folder; `tables` makes the tables of a new one.
///
/// A new store gets its name when it is whole: of a file that was half made when its process died, nobody could ever open
/// the rest.
pub(crate) fn open(
    folder: &Path,
    name: &str,
    tables: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<Database, StoreError> {
    open_with(&Builder::new(), folder, name, tables)
}

/// The same, with so many bytes of memory for its pages.
pub(crate) fn open_small(
    folder: &Path,
    name: &str,
    cache_bytes: usize,
    tables: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<Database, StoreError> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes);
    open_with(&builder, folder, name, tables)
}

fn open_with(
    builder: &Builder,
    folder: &Path,
    name: &str,
    tables: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
) -> Result<Database, StoreError> {
    let file = folder.join(name);
    if !file.try_exists()? {
        let beside = folder.join(format!("{name}.new"));
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let database = builder.create(&beside)?;
        let write = database.begin_write()?;
        tables(&write)?;
        write.commit()?;
        drop(database);
        fs::rename(&beside, &file)?;
        File::open(folder)?.sync_all()?;
    }
    Ok(builder.open(file)?)
}
