//! How an embedded store comes into being: whole, or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use pointsman_sidecar::StoreError;
use redb::{Database, WriteTransaction};

/// Opens the store of this name in a folder; `tables` makes the tables of a new one.
///
/// A new store gets its name when it is whole: of a file that was half made when its process died, nobody could ever open
/// the rest.
pub(crate) fn open(
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
        let database = Database::create(&beside)?;
        let write = database.begin_write()?;
        tables(&write)?;
        write.commit()?;
        drop(database);
        fs::rename(&beside, &file)?;
        File::open(folder)?.sync_all()?;
    }
    Ok(Database::open(file)?)
}
