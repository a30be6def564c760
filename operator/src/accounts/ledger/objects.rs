//! The ledger as objects of the cluster, and back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pointsman_config::amount::Unit;
use pointsman_config::entry::Name;
use pointsman_config::window::Window;
use pointsman_crds::v1alpha1::budget as api;
use pointsman_crds::v1alpha1::budgetledger::{
    self as stored, BudgetKey, BudgetLedgerData, InstanceLedger, LimitLedger, WindowLedger,
};

use super::{Book, Instance, Ledger, Rows, Shard, Standing};

/// The most windows of one limit in an object: this one and the one before.
const MOST_WINDOWS: usize = 2;

impl Ledger {
    /// Takes a stored shard in: the larger number of each row.
    pub fn load(&mut self, index: usize, data: &BudgetLedgerData) {
        let budget = Name::new(&data.budget.namespace, &data.budget.name);
        let shards = self.shards.entry(budget).or_default();
        if shards.len() <= index {
            shards.resize_with(index + 1, Shard::new);
        }
        for limit in &data.limits {
            let (unit, window) = (unit(limit.unit), window(limit.window));
            let book = shards[index].entry(limit.limit.clone()).or_insert_with(|| Book::new(unit, window));
            // What was counted here since the limit became another one is newer.
            if !book.is_of(unit, window) {
                continue;
            }
            limit.windows.iter().for_each(|stored| load_window(book, stored, &self.closed));
        }
    }

    /// One shard as it is stored.
    pub fn stored(&self, budget: &Name, index: usize) -> BudgetLedgerData {
        let shard = self.shards.get(budget).and_then(|shards| shards.get(index));
        store(budget, shard.unwrap_or(&Shard::new()))
    }

    /// The objects that have changed since they were last taken, with their shard's number.
    pub fn take_dirty(&mut self) -> Vec<(Name, usize, BudgetLedgerData)> {
        let dirty = std::mem::take(&mut self.dirty);
        let stored = |(budget, index): (Name, usize)| {
            let data = self.stored(&budget, index);
            (budget, index, data)
        };
        dirty.into_iter().map(stored).collect()
    }

    /// Marks a shard as not yet stored.
    pub fn mark_dirty(&mut self, budget: Name, index: usize) {
        self.dirty.insert((budget, index));
    }
}

/// Rows that were closed here stay closed: they are part of `closed` already.
fn load_window(book: &mut Book, stored: &WindowLedger, closed: &BTreeMap<Instance, Timestamp>) {
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let rows = book.windows.entry(stored.window_id.clone()).or_default();
    let standing =
        |spent: &str, uncertain: &str| Standing { spent: number(spent), uncertain: number(uncertain) };
    rows.closed = rows.closed.larger(standing(&stored.closed, &stored.closed_uncertain));
    for row in &stored.instances {
        let instance = Instance { pod_uid: row.pod_uid.clone(), incarnation: row.incarnation.clone() };
        if closed.contains_key(&instance) {
            continue;
        }
        let known = rows.instances.entry(instance).or_default();
        *known = known.larger(standing(&row.spent, &row.uncertain));
    }
}

fn store(budget: &Name, shard: &Shard) -> BudgetLedgerData {
    let limits = shard.iter().map(|(name, book)| LimitLedger {
        limit: name.clone(),
        unit: stored_unit(book.unit),
        window: stored_window(book.window),
        windows: newest(&book.windows).map(|(id, rows)| store_window(id, rows)).collect(),
    });
    BudgetLedgerData {
        budget: BudgetKey { namespace: budget.namespace.clone(), name: budget.name.clone() },
        limits: limits.collect(),
    }
}

/// Window ids are UTC times, so that the newest sort last.
fn newest(windows: &BTreeMap<String, Rows>) -> impl Iterator<Item = (&String, &Rows)> {
    windows.iter().skip(windows.len().saturating_sub(MOST_WINDOWS))
}

fn store_window(id: &str, rows: &Rows) -> WindowLedger {
    let row = |(instance, standing): (&Instance, &Standing)| InstanceLedger {
        pod_uid: instance.pod_uid.clone(),
        incarnation: instance.incarnation.clone(),
        spent: standing.spent.to_string(),
        uncertain: standing.uncertain.to_string(),
    };
    WindowLedger {
        window_id: id.to_owned(),
        closed: rows.closed.spent.to_string(),
        closed_uncertain: rows.closed.uncertain.to_string(),
        instances: rows.instances.iter().map(row).collect(),
    }
}

fn unit(unit: stored::Unit) -> Unit {
    match unit {
        stored::Unit::Usd => Unit::Usd,
        stored::Unit::Tokens => Unit::Tokens,
        stored::Unit::Requests => Unit::Requests,
    }
}

fn stored_unit(unit: Unit) -> stored::Unit {
    match unit {
        Unit::Usd => stored::Unit::Usd,
        Unit::Tokens => stored::Unit::Tokens,
        Unit::Requests => stored::Unit::Requests,
    }
}

fn window(window: api::Window) -> Window {
    match window {
        api::Window::Minute => Window::Minute,
        api::Window::Hour => Window::Hour,
        api::Window::Day => Window::Day,
        api::Window::Week => Window::Week,
        api::Window::Month => Window::Month,
        api::Window::Total => Window::Total,
    }
}

fn stored_window(window: Window) -> api::Window {
    match window {
        Window::Minute => api::Window::Minute,
        Window::Hour => api::Window::Hour,
        Window::Day => api::Window::Day,
        Window::Week => api::Window::Week,
        Window::Month => api::Window::Month,
        Window::Total => api::Window::Total,
    }
}
