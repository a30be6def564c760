//! A store of rights that forgets with the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use pointsman_sidecar::{OpenedWindow, RightsStore, StoreError};

#[derive(Clone, Copy, Default)]
struct Row {
    granted: u64,
    spent: u64,
    burned: u64,
}

/// Survives a data plane, as a disk does; clones are the same store.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<(String, String), Row>>>);

impl Memory {
    fn with<T>(&self, limit: &str, window: &str, change: impl FnOnce(&mut Row) -> T) -> T {
        let mut rows = self.0.lock().unwrap();
        change(rows.entry((limit.to_owned(), window.to_owned())).or_default())
    }
}

fn name(limit: &pointsman_core::snapshot::LimitKey) -> String {
    format!("{}/{}", limit.budget, limit.limit)
}

impl RightsStore for Memory {
    fn open(
        &mut self,
        limit: &pointsman_core::snapshot::LimitKey,
        window: &str,
    ) -> Result<OpenedWindow, StoreError> {
        Ok(self.with(&name(limit), window, |row| {
            row.burned = row.granted.saturating_sub(row.spent);
            OpenedWindow { spent: row.spent, burned: row.burned }
        }))
    }

    fn grant(
        &mut self,
        limit: &pointsman_core::snapshot::LimitKey,
        window: &str,
        total: u64,
    ) -> Result<(), StoreError> {
        self.with(&name(limit), window, |row| row.granted = total);
        Ok(())
    }

    fn record(
        &mut self,
        limit: &pointsman_core::snapshot::LimitKey,
        window: &str,
        spent: u64,
    ) -> Result<(), StoreError> {
        self.with(&name(limit), window, |row| row.spent = spent);
        Ok(())
    }

    fn close(
        &mut self,
        limit: &pointsman_core::snapshot::LimitKey,
        window: &str,
        spent: u64,
    ) -> Result<(), StoreError> {
        self.with(&name(limit), window, |row| {
            row.spent = spent;
            row.granted = spent + row.burned;
        });
        Ok(())
    }
}
