//! The ledger of a process on its own: what each limit has granted and spent in each window, in an embedded store.
//!
//! One row per limit and window. A row is written in one transaction that the disk has confirmed before the call
//! returns, so that a process that is killed at any moment finds what it had promised. Rows of windows that ended long
//! ago are dropped when the store opens.
//!
//! One process at a time holds a ledger, and a lock beside it for as long as it lives.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use pointsman_core::snapshot::LimitKey;
use pointsman_sidecar::{OpenedWindow, RightsStore, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::store;

/// `namespace/budget/limit window` to (granted, spent, burned).
const WINDOWS: TableDefinition<'_, &str, (u64, u64, u64)> = TableDefinition::new("windows");

/// So many windows of one limit are remembered.
const REMEMBERED: usize = 32;

/// The ledger, open.
pub(crate) struct Ledger {
    database: Database,
    _lock: File,
}

/// A row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    granted: u64,
    spent: u64,
    burned: u64,
}

impl Ledger {
    /// Opens the ledger in a folder, made where it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(folder)?;
        let lock = lock(folder)?;
        let database = store::open(folder, "ledger.redb", |write| {
            write.open_table(WINDOWS)?;
            Ok(())
        })?;
        Ok(Self { database, _lock: lock })
    }

    fn row(&self, key: &str) -> Result<Row, StoreError> {
        let read = self.database.begin_read()?;
        let found = read.open_table(WINDOWS)?.get(key)?;
        Ok(found.map_or_else(Row::default, |row| {
            let (granted, spent, burned) = row.value();
            Row { granted, spent, burned }
        }))
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Row)) -> Result<Row, StoreError> {
        let mut row = self.row(key)?;
        let before = row;
        change(&mut row);
        if row != before {
            let write = self.database.begin_write()?;
            write.open_table(WINDOWS)?.insert(key, (row.granted, row.spent, row.burned))?;
            write.commit()?;
        }
        Ok(row)
    }

    /// Drops the oldest windows of a limit, so that a limit per minute does not grow for ever.
    fn forget_old(&self, limit: &LimitKey) -> Result<(), StoreError> {
        let prefix = format!("{}/{} ", limit.budget, limit.limit);
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(WINDOWS)?;
            let mut keys = Vec::new();
            for row in table.range(prefix.as_str()..)? {
                let key = row?.0.value().to_owned();
                if !key.starts_with(&prefix) {
                    break;
                }
                keys.push(key);
            }
            for old in keys.iter().take(keys.len().saturating_sub(REMEMBERED)) {
                table.remove(old.as_str())?;
            }
        }
        write.commit()?;
        Ok(())
    }
}

/// Held until the file is dropped, and by nobody any more when its process has died.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let lock = File::create(folder.join("ledger.lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err("another pointsman serves with it; stop that one, or name another --state-dir".into())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Windows are named by their start, so that a limit's rows sort by time.
fn key(limit: &LimitKey, window_id: &str) -> String {
    format!("{}/{} {window_id}", limit.budget, limit.limit)
}

impl RightsStore for Ledger {
    fn open(&mut self, limit: &LimitKey, window_id: &str) -> Result<OpenedWindow, StoreError> {
        self.forget_old(limit)?;
        let row = self.change(&key(limit, window_id), |row| {
            // What was granted and never recorded was in the hands of a process that died.
            row.burned = row.burned.max(row.granted.saturating_sub(row.spent));
        })?;
        Ok(OpenedWindow { spent: row.spent, burned: row.burned })
    }

    fn grant(&mut self, limit: &LimitKey, window_id: &str, total: u64) -> Result<(), StoreError> {
        self.change(&key(limit, window_id), |row| row.granted = row.granted.max(total)).map(drop)
    }

    fn record(&mut self, limit: &LimitKey, window_id: &str, spent: u64) -> Result<(), StoreError> {
        self.change(&key(limit, window_id), |row| row.spent = row.spent.max(spent)).map(drop)
    }

    fn close(&mut self, limit: &LimitKey, window_id: &str, spent: u64) -> Result<(), StoreError> {
        let settle = |row: &mut Row| {
            row.spent = row.spent.max(spent);
            row.granted = row.spent.saturating_add(row.burned);
        };
        self.change(&key(limit, window_id), settle).map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pointsman_config::entry::Name;

    use super::*;

    fn limit() -> LimitKey {
        LimitKey { budget: Name::new("shop", "month"), limit: "usd".to_owned() }
    }

    fn opened(folder: &Path) -> OpenedWindow {
        RightsStore::open(&mut Ledger::open(folder).unwrap(), &limit(), "w").unwrap()
    }

    #[test]
    fn a_clean_end_gives_back_what_was_not_used() {
        let folder = tempfile::tempdir().unwrap();
        {
            let mut ledger = Ledger::open(folder.path()).unwrap();
            ledger.grant(&limit(), "w", 100).unwrap();
            ledger.close(&limit(), "w", 30).unwrap();
        }
        assert_eq!(opened(folder.path()), OpenedWindow { spent: 30, burned: 0 });
    }

    #[test]
    fn a_crash_burns_what_was_granted_and_not_recorded_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        {
            let mut ledger = Ledger::open(folder.path()).unwrap();
            ledger.grant(&limit(), "w", 100).unwrap();
            ledger.record(&limit(), "w", 30).unwrap();
        }
        let expected = OpenedWindow { spent: 30, burned: 70 };
        assert_eq!((opened(folder.path()), opened(folder.path())), (expected, expected));
        {
            let mut ledger = Ledger::open(folder.path()).unwrap();
            ledger.grant(&limit(), "w", 150).unwrap();
            ledger.close(&limit(), "w", 40).unwrap();
        }
        assert_eq!(opened(folder.path()), OpenedWindow { spent: 40, burned: 70 });
    }

    #[test]
    fn a_ledger_that_was_half_made_when_its_process_died_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ledger.redb.new"), [0; 4096]).unwrap();
        assert_eq!(opened(folder.path()), OpenedWindow::default());
    }

    #[test]
    fn one_ledger_serves_one_process_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Ledger::open(folder.path()).unwrap();
        let second = Ledger::open(folder.path()).err().unwrap();
        assert!(second.to_string().starts_with("another pointsman serves with it"), "{second}");
        drop(first);
        assert!(Ledger::open(folder.path()).is_ok());
    }

    #[test]
    fn windows_of_the_same_limit_do_not_touch_each_other_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(folder.path()).unwrap();
        for minute in 10..60 {
            let window = format!("2026-11-21T10:{minute}:00Z");
            assert_eq!(RightsStore::open(&mut ledger, &limit(), &window).unwrap(), OpenedWindow::default());
            ledger.close(&limit(), &window, minute).unwrap();
        }
        let at = |ledger: &Ledger, minute| {
            ledger.row(&key(&limit(), &format!("2026-11-21T10:{minute}:00Z"))).unwrap()
        };
        assert_eq!(at(&ledger, 59).spent, 59);
        assert_eq!(at(&ledger, 10), Row::default());
    }
}
