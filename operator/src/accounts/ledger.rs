//! What was spent under each limit, in a form that outlives pods, the operator, and the Budget itself.
//!
//! A ledger is kept as one object per budget and shard. A row belongs to one incarnation and stays in its shard, so that
//! closing it (adding it to the shard's `closed`, removing the row) is one write, and merging two versions of a shard is
//! taking the larger number of each row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pointsman_config::amount::Unit;
use pointsman_config::budget::LimitConfig;
use pointsman_config::entry::Name;
use pointsman_config::link::LimitCounts;
use pointsman_config::window::{Window, time_zone};
use sha2::{Digest, Sha256};

use super::{Instance, parse_name};

mod objects;

/// The most rows of one window in one object.
const MOST_ROWS: usize = 500;

/// One limit of one budget.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitKey {
    /// The budget.
    pub budget: Name,
    /// The limit.
    pub limit: String,
}

/// Where a limit stands in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Spent.
    pub spent: u64,
    /// The part of it that was estimated.
    pub uncertain: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rows {
    closed: u64,
    instances: BTreeMap<Instance, Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Book {
    unit: Unit,
    window: Window,
    windows: BTreeMap<String, Rows>,
}

type Shard = BTreeMap<String, Book>;

/// What was spent under every limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    shards: BTreeMap<Name, Vec<Shard>>,
    dirty: BTreeSet<(Name, usize)>,
    closed: BTreeSet<Instance>,
}

impl Ledger {
    /// Takes one count of one incarnation in, if its limit exists and its window is near `now`.
    pub fn record(&mut self, instance: &Instance, counts: &LimitCounts, limit: &LimitConfig, now: Timestamp) {
        let Some(budget) = parse_name(&counts.budget) else { return };
        let nothing = counts.spent == 0 && counts.uncertain == 0;
        if nothing || self.closed.contains(instance) || !near_windows(limit, now).contains(&counts.window_id)
        {
            return;
        }
        let index = self.shard_of(&budget, &limit.name, &counts.window_id, instance);
        let shard = &mut self.shards.get_mut(&budget).expect("shard_of has made it")[index];
        let rows = rows(shard, limit, &counts.window_id);
        let row = rows.instances.entry(instance.clone()).or_default();
        let merged =
            Standing { spent: row.spent.max(counts.spent), uncertain: row.uncertain.max(counts.uncertain) };
        if *row != merged {
            *row = merged;
            self.dirty.insert((budget, index));
        }
    }

    /// The shard that has the row, else the first with room, else a new one.
    fn shard_of(&mut self, budget: &Name, limit: &str, window_id: &str, instance: &Instance) -> usize {
        let shards = self.shards.entry(budget.clone()).or_default();
        let rows = |shard: &Shard| shard.get(limit).and_then(|book| book.windows.get(window_id)).cloned();
        let held =
            shards.iter().position(|s| rows(s).is_some_and(|rows| rows.instances.contains_key(instance)));
        let roomy =
            || shards.iter().position(|s| rows(s).is_none_or(|rows| rows.instances.len() < MOST_ROWS));
        held.or_else(roomy).unwrap_or_else(|| {
            shards.push(Shard::new());
            shards.len() - 1
        })
    }

    /// Where a limit stands in a window.
    pub fn standing(&self, budget: &Name, limit: &str, window_id: &str) -> Standing {
        let books = self.shards.get(budget).into_iter().flatten().filter_map(|shard| shard.get(limit));
        let rows = books.filter_map(|book| book.windows.get(window_id));
        rows.fold(Standing::default(), |sum, rows| {
            let spent = rows.instances.values().fold(rows.closed, |sum, row| sum.saturating_add(row.spent));
            let uncertain = rows.instances.values().fold(0_u64, |sum, row| sum.saturating_add(row.uncertain));
            Standing {
                spent: sum.spent.saturating_add(spent),
                uncertain: sum.uncertain.saturating_add(uncertain),
            }
        })
    }

    /// Whether anything was ever recorded under a budget.
    pub fn knows(&self, budget: &Name) -> bool {
        self.shards.contains_key(budget)
    }

    /// Folds the rows of incarnations that will never report again, and forgets windows that have passed.
    pub fn close(
        &mut self,
        ended: impl Fn(&Instance) -> bool,
        limits: &BTreeMap<LimitKey, LimitConfig>,
        now: Timestamp,
    ) {
        let mut folded = BTreeSet::new();
        for (budget, shards) in &mut self.shards {
            for (index, shard) in shards.iter_mut().enumerate() {
                let before = shard.clone();
                for (name, book) in shard.iter_mut() {
                    let key = LimitKey { budget: budget.clone(), limit: name.clone() };
                    if let Some(limit) = limits.get(&key) {
                        let near = near_windows(limit, now);
                        book.windows.retain(|id, _| near.contains(id));
                    }
                    for rows in book.windows.values_mut() {
                        let (gone, alive) =
                            std::mem::take(&mut rows.instances).into_iter().partition(|(i, _)| ended(i));
                        rows.instances = alive;
                        let gone: BTreeMap<Instance, Standing> = gone;
                        rows.closed =
                            gone.values().fold(rows.closed, |sum, row| sum.saturating_add(row.spent));
                        folded.extend(gone.into_keys());
                    }
                }
                if *shard != before {
                    self.dirty.insert((budget.clone(), index));
                }
            }
        }
        self.closed.extend(folded);
    }

    /// Every incarnation that has a row.
    pub fn instances(&self) -> BTreeSet<&Instance> {
        let books = self.shards.values().flatten().flat_map(BTreeMap::values);
        books.flat_map(|book| book.windows.values()).flat_map(|rows| rows.instances.keys()).collect()
    }
}

/// The rows of a window. A limit whose unit or window has changed is another limit, and starts anew.
fn rows<'a>(shard: &'a mut Shard, limit: &LimitConfig, window_id: &str) -> &'a mut Rows {
    let fresh = || Book { unit: limit.amount.unit, window: limit.window, windows: BTreeMap::new() };
    let book = shard.entry(limit.name.clone()).or_insert_with(fresh);
    if (book.unit, book.window) != (limit.amount.unit, limit.window) {
        *book = fresh();
    }
    book.windows.entry(window_id.to_owned()).or_default()
}

/// The ids of the windows for which reports are taken: the last one for late reports, this one, and the next one for
/// clocks that run ahead.
fn near_windows(limit: &LimitConfig, now: Timestamp) -> BTreeSet<String> {
    let Ok(zone) = time_zone(&limit.time_zone) else { return BTreeSet::new() };
    let current = limit.window.at(now, &zone);
    let mut near = BTreeSet::from([current.id.clone()]);
    if let Some(end) = current.end {
        near.insert(limit.window.at(end, &zone).id);
        if let Ok(before) = current.start.checked_sub(SignedDuration::from_nanos(1)) {
            near.insert(limit.window.at(before, &zone).id);
        }
    }
    near
}

/// The name of a shard's object: `<namespace>.<budget>`, with a suffix from the second shard on that no budget's name can
/// claim by accident.
pub fn shard_name(budget: &Name, index: usize) -> String {
    let plain = format!("{}.{}", budget.namespace, budget.name);
    if index == 0 {
        return plain;
    }
    let digest = Sha256::digest(format!("{budget}#{index}"));
    let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{plain}.{suffix}-{index}")
}
