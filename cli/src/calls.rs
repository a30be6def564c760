//! The scored calls of a process, in an embedded store: what `pointsman train` learns from.
//!
//! One row per call, by request id, which sorts by time; the oldest go beyond a bound. Feedback is on disk when it is
//! answered; calls without any may be lost with the last half second before a crash.

use std::ops::Bound;
use std::path::Path;

use pointsman_sidecar::{CallRow, CallStore, StoreError};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::store;

const CALLS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("calls");
/// Completion ids to request ids.
const COMPLETIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("completions");

/// The name of the file in a state folder.
const FILE: &str = "calls.redb";
/// Of a process on its own; some kilobytes each.
pub(crate) const ALONE_AT_MOST: u64 = 50_000;
/// Of a sidecar, whose state folder has 64 MiB.
pub(crate) const OF_A_POD_AT_MOST: u64 = 4_000;
/// The store's pages in memory. A call is written once and seldom read.
const CACHE_BYTES: usize = 4 << 20;

/// The store, open.
pub(crate) struct Calls {
    database: Database,
    most: u64,
}

impl Calls {
    /// Opens the store in a folder that exists.
    pub(crate) fn open(folder: &Path, most: u64) -> Result<Self, StoreError> {
        let database = store::open_small(folder, FILE, CACHE_BYTES, |write| {
            write.open_table(CALLS)?;
            write.open_table(COMPLETIONS)?;
            Ok(())
        })?;
        Ok(Self { database, most })
    }

    /// Opens the store, or goes without: scored calls are to learn from, and nothing that is served hangs on them.
    pub(crate) fn open_or_go_without(folder: &Path, most: u64) -> Option<Box<dyn CallStore>> {
        let opened = std::fs::create_dir_all(folder).map_err(StoreError::from);
        match opened.and_then(|()| Self::open(folder, most)) {
            Ok(calls) => Some(Box::new(calls)),
            Err(error) => {
                let file = folder.join(FILE);
                tracing::warn!(file = %file.display(), %error, "scored calls are not kept to learn from: their store cannot be opened; where it is damaged, move it away and start again");
                None
            }
        }
    }

    /// Opens what another process has left.
    pub(crate) fn read(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(folder.join(FILE))?, most: ALONE_AT_MOST })
    }

    /// Every row, oldest first.
    pub(crate) fn all(&self) -> Result<Vec<CallRow>, StoreError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(CALLS)?;
        let rows = table.iter()?.map(|row| Ok(serde_json::from_slice(row?.1.value())?));
        rows.collect()
    }
}

impl CallStore for Calls {
    fn keep(&mut self, rows: &[CallRow]) -> Result<(), StoreError> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::None)?;
        {
            let mut calls = write.open_table(CALLS)?;
            let mut completions = write.open_table(COMPLETIONS)?;
            for row in rows {
                calls.insert(row.id.as_str(), serde_json::to_vec(row)?.as_slice())?;
                if let Some(completion) = &row.completion_id {
                    completions.insert(completion.as_str(), row.id.as_str())?;
                }
            }
            while calls.len()? > self.most {
                let Some(oldest) = calls.pop_first()? else { break };
                let oldest: CallRow = serde_json::from_slice(oldest.1.value())?;
                if let Some(completion) = &oldest.completion_id {
                    completions.remove(completion.as_str())?;
                }
            }
        }
        Ok(write.commit()?)
    }

    fn feedback(&mut self, id: &str, score: f64) -> Result<Option<CallRow>, StoreError> {
        let write = self.database.begin_write()?;
        let known = {
            let mut calls = write.open_table(CALLS)?;
            let completions = write.open_table(COMPLETIONS)?;
            let named = completions.get(id)?.map(|request| request.value().to_owned());
            let id = named.as_deref().unwrap_or(id);
            let row: Option<CallRow> =
                calls.get(id)?.map(|row| serde_json::from_slice(row.value())).transpose()?;
            if let Some(row) = &row {
                let rated = CallRow { feedback: Some(score), ..row.clone() };
                calls.insert(id, serde_json::to_vec(&rated)?.as_slice())?;
            }
            row
        };
        write.commit()?;
        Ok(known)
    }

    fn rows(&self, after: &str, most: usize) -> Result<Vec<CallRow>, StoreError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(CALLS)?;
        let rows = table.range::<&str>((Bound::Excluded(after), Bound::Unbounded))?;
        rows.take(most).map(|row| Ok(serde_json::from_slice(row?.1.value())?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, completion: Option<&str>) -> CallRow {
        CallRow {
            id: id.to_owned(),
            completion_id: completion.map(str::to_owned),
            time: "2026-11-21T08:00:00Z".to_owned(),
            policy: "shop/default".to_owned(),
            picked: "small".to_owned(),
            served: Some("small".to_owned()),
            said: Some(0.7),
            mean: Some(0.6),
            propensity: 1.0,
            routing_model: "00".to_owned(),
            extractor: "words".to_owned(),
            extractor_version: 1,
            features: "003f".to_owned(),
            scores: [("small".to_owned(), 0.7)].into(),
            expected_cost_nano: [("small".to_owned(), 1000)].into(),
            cost_nano: 900,
            input_tokens: 10,
            output_tokens: 20,
            latency_ms: 300,
            feedback: None,
        }
    }

    #[test]
    fn feedback_finds_its_call_by_either_id_after_a_restart_and_the_last_word_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut calls = Calls::open(folder.path(), 50).expect("a store");
        calls.keep(&[row("req_1", Some("chatcmpl-1")), row("req_2", None)]).expect("kept");
        assert_eq!(calls.feedback("req_2", 0.25).expect("a store"), Some(row("req_2", None)));
        drop(calls);
        let mut calls = Calls::open(folder.path(), 50).expect("the same store");
        let known = |row: Option<CallRow>| row.map(|row| (row.id, row.feedback));
        let named = || Some("req_1".to_owned());
        assert_eq!(known(calls.feedback("chatcmpl-1", 1.0).expect("a store")), named().map(|id| (id, None)));
        let again = calls.feedback("req_1", 0.0).expect("a store");
        assert_eq!(known(again), named().map(|id| (id, Some(1.0))));
        assert_eq!(calls.feedback("chatcmpl-9", 1.0).expect("a store"), None);
        let first = CallRow { feedback: Some(0.0), ..row("req_1", Some("chatcmpl-1")) };
        let second = CallRow { feedback: Some(0.25), ..row("req_2", None) };
        assert_eq!(calls.rows("", 1).expect("rows"), std::slice::from_ref(&first));
        assert_eq!(calls.rows("req_1", 9).expect("rows"), std::slice::from_ref(&second));
        assert_eq!(calls.all().expect("rows"), [first, second]);
    }

    #[test]
    fn the_oldest_rows_make_room_with_their_completion_ids() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut calls = Calls::open(folder.path(), 2).expect("a store");
        let rows = [("req_1", Some("a")), ("req_2", None), ("req_3", None)].map(|(id, name)| row(id, name));
        calls.keep(&rows).expect("kept");
        let names: Vec<_> = calls.all().expect("rows").into_iter().map(|row| row.id).collect();
        assert_eq!(names, ["req_2", "req_3"]);
        assert_eq!(calls.feedback("a", 1.0).expect("a store"), None);
    }
}
