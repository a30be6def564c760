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
/// The most rows in one object: some 150 bytes each, and the API server takes 1.5 MB.
const MOST_ROWS_OF_SHARD: usize = 4_000;
/// How long it is remembered that an incarnation was closed; its token ends long before.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

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
    closed: Standing,
    instances: BTreeMap<Instance, Standing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Book {
    unit: Unit,
    window: Window,
    windows: BTreeMap<String, Rows>,
}

impl Book {
    fn new(unit: Unit, window: Window) -> Self {
        Self { unit, window, windows: BTreeMap::new() }
    }

    /// A limit whose unit or window has changed is another limit.
    fn is_of(&self, unit: Unit, window: Window) -> bool {
        (self.unit, self.window) == (unit, window)
    }
}

impl Standing {
    fn add(self, other: Self) -> Self {
        Self {
            spent: self.spent.saturating_add(other.spent),
            uncertain: self.uncertain.saturating_add(other.uncertain),
        }
    }

    fn larger(self, other: Self) -> Self {
        Self { spent: self.spent.max(other.spent), uncertain: self.uncertain.max(other.uncertain) }
    }
}

type Shard = BTreeMap<String, Book>;

/// What was spent under every limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    shards: BTreeMap<Name, Vec<Shard>>,
    dirty: BTreeSet<(Name, usize)>,
    closed: BTreeMap<Instance, Timestamp>,
}

impl Ledger {
    /// Takes one count of one incarnation in, if its limit exists, counts the same, and its window is near `now`.
    pub fn record(&mut self, instance: &Instance, counts: &LimitCounts, limit: &LimitConfig, now: Timestamp) {
        let Some(budget) = parse_name(&counts.budget) else { return };
        let nothing = counts.spent == 0 && counts.uncertain == 0;
        let other = counts.unit != limit.amount.unit.to_string();
        if nothing
            || other
            || self.closed.contains_key(instance)
            || !near_windows(limit, now).contains(&counts.window_id)
        {
            return;
        }
        let index = self.shard_of(&budget, &limit.name, &counts.window_id, instance);
        let shard = &mut self.shards.get_mut(&budget).expect("shard_of has made it")[index];
        let rows = rows(shard, limit, &counts.window_id);
        let row = rows.instances.entry(instance.clone()).or_default();
        let merged = row.larger(Standing { spent: counts.spent, uncertain: counts.uncertain });
        if *row != merged {
            *row = merged;
            self.dirty.insert((budget, index));
        }
    }

    /// The shard that has the row, else the first with room, else a new one.
    fn shard_of(&mut self, budget: &Name, limit: &str, window_id: &str, instance: &Instance) -> usize {
        let shards = self.shards.entry(budget.clone()).or_default();
        let held = shards.iter().position(|shard| {
            found(shard, limit, window_id).is_some_and(|r| r.instances.contains_key(instance))
        });
        let has_room = |shard: &Shard| {
            found(shard, limit, window_id).is_none_or(|rows| rows.instances.len() < MOST_ROWS)
                && len(shard) < MOST_ROWS_OF_SHARD
        };
        let roomy = || shards.iter().position(has_room);
        held.or_else(roomy).unwrap_or_else(|| {
            shards.push(Shard::new());
            shards.len() - 1
        })
    }

    /// Where a limit stands in a window. What was counted while it had another unit or window is not its own.
    pub fn standing(&self, budget: &Name, limit: &LimitConfig, window_id: &str) -> Standing {
        let books = self.shards.get(budget).into_iter().flatten().filter_map(|shard| shard.get(&limit.name));
        let own = books.filter(|book| book.is_of(limit.amount.unit, limit.window));
        let rows = own.filter_map(|book| book.windows.get(window_id));
        rows.flat_map(|rows| std::iter::once(&rows.closed).chain(rows.instances.values()))
            .fold(Standing::default(), |sum, row| sum.add(*row))
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
                        rows.closed = gone.values().fold(rows.closed, |sum, row| sum.add(*row));
                        folded.extend(gone.into_keys());
                    }
                }
                if *shard != before {
                    self.dirty.insert((budget.clone(), index));
                }
            }
        }
        self.closed.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        self.closed.extend(folded.into_iter().map(|instance| (instance, now)));
    }

    /// Every incarnation that has a row.
    pub fn instances(&self) -> BTreeSet<&Instance> {
        let books = self.shards.values().flatten().flat_map(BTreeMap::values);
        books.flat_map(|book| book.windows.values()).flat_map(|rows| rows.instances.keys()).collect()
    }
}

fn found<'a>(shard: &'a Shard, limit: &str, window_id: &str) -> Option<&'a Rows> {
    shard.get(limit)?.windows.get(window_id)
}

/// How many rows a shard has.
fn len(shard: &Shard) -> usize {
    shard.values().flat_map(|book| book.windows.values()).map(|rows| rows.instances.len()).sum()
}

/// The rows of a window. A limit whose unit or window has changed starts anew.
fn rows<'a>(shard: &'a mut Shard, limit: &LimitConfig, window_id: &str) -> &'a mut Rows {
    let fresh = || Book::new(limit.amount.unit, limit.window);
    let book = shard.entry(limit.name.clone()).or_insert_with(fresh);
    if !book.is_of(limit.amount.unit, limit.window) {
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
