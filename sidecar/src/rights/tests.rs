//! Windows, blocks and crashes, against a store in memory.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use pointsman_config::amount::Amount;
use pointsman_config::budget::{
    BudgetConfig, BudgetSelector, Enforcement, LimitConfig, OnExhausted, Rights as Source,
};
use pointsman_config::entry::{Compiled, Entry, Key, Kind, Name, State};
use pointsman_config::money::Nano;
use pointsman_config::objects::Objects;
use pointsman_config::usage::Usage;
use pointsman_config::window::Window;
use pointsman_core::account::{LimitLive, Settlement, reserve, settle};
use pointsman_core::decide::{Need, Step};
use pointsman_core::snapshot::{LimitKey, Snapshot};

use super::*;

const NOON: &str = "2026-11-21T12:00:00Z";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    granted: u64,
    spent: u64,
    burned: u64,
}

#[derive(Clone, Default)]
struct Disk {
    rows: Arc<Mutex<HashMap<String, Row>>>,
    broken: Arc<Mutex<bool>>,
}

impl Disk {
    fn row(&self, window: &str) -> Row {
        self.rows.lock().unwrap().get(&format!("{window} Tokens")).copied().unwrap_or_default()
    }

    fn change<T>(&self, window: &str, change: impl FnOnce(&mut Row) -> T) -> Result<T, StoreError> {
        if *self.broken.lock().unwrap() {
            return Err("the disk is gone".into());
        }
        Ok(change(self.rows.lock().unwrap().entry(window.to_owned()).or_default()))
    }
}

impl RightsStore for Disk {
    fn open(&mut self, _: &LimitKey, window: &str) -> Result<OpenedWindow, StoreError> {
        self.change(window, |row| {
            row.burned = row.granted.saturating_sub(row.spent);
            OpenedWindow { spent: row.spent, burned: row.burned }
        })
    }

    fn grant(&mut self, _: &LimitKey, window: &str, total: u64) -> Result<(), StoreError> {
        self.change(window, |row| row.granted = total)
    }

    fn record(&mut self, _: &LimitKey, window: &str, spent: u64) -> Result<(), StoreError> {
        self.change(window, |row| row.spent = spent)
    }

    fn close(&mut self, _: &LimitKey, window: &str, spent: u64) -> Result<(), StoreError> {
        self.change(window, |row| {
            row.spent = spent;
            row.granted = spent + row.burned;
        })
    }
}

fn snapshot(amount: &str, window: Window, enforcement: Enforcement) -> Snapshot {
    world(amount, window, enforcement, Source::Local)
}

fn world(amount: &str, window: Window, enforcement: Enforcement, rights: Source) -> Snapshot {
    let budget = BudgetConfig {
        owner: None,
        selector: BudgetSelector::default(),
        limits: vec![LimitConfig {
            name: "cap".to_owned(),
            amount: Amount::parse(amount).unwrap(),
            window,
            time_zone: "UTC".to_owned(),
        }],
        enforcement,
        on_exhausted: OnExhausted::Degrade,
        rights,
    };
    let mut objects = Objects::default();
    let key = Key { kind: Kind::Budget, name: Name::new("shop", "month") };
    let state = State::Valid(Compiled::Budget(budget));
    objects.apply(Entry { key, uid: "u".to_owned(), generation: 1, state });
    Snapshot::build(&objects)
}

struct Process {
    rights: Rights,
    snapshot: Snapshot,
}

impl Process {
    fn start(disk: &Disk, amount: &str, window: Window) -> Self {
        let rights = Rights::new(Some(Box::new(disk.clone())));
        Self { rights, snapshot: snapshot(amount, window, Enforcement::Strict) }
    }

    fn live(&mut self, now: &str) -> Arc<LimitLive> {
        self.rights.part(&self.snapshot, 0, now.parse::<Timestamp>().unwrap()).live
    }

    fn report(&self) -> LimitReport {
        self.rights.report().remove(0)
    }
}

fn step(tokens: u64) -> Step {
    let need = Need { cost: Nano(0), tokens, requests: 1 };
    Step { bound: need, likely: need, ..Step::default() }
}

/// Spends `tokens`, taking more rights as the control thread would.
fn spend(process: &mut Process, live: &Arc<LimitLive>, tokens: u64) -> bool {
    let limits = [live.clone()];
    let reserved = reserve(&limits, &step(tokens)).or_else(|lost| {
        if lost.more_coming {
            process.rights.extend();
        }
        reserve(&limits, &step(tokens))
    });
    let Ok(reservation) = reserved else { return false };
    settle(reservation, None, Settlement::Usage(Usage { output: tokens, ..Usage::default() }));
    process.rights.extend();
    true
}

#[test]
fn rights_are_durable_before_they_are_used_and_never_exceed_the_limit() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    let mut spent = 0;
    while spend(&mut process, &live, 7) {
        spent += 7;
        let row = disk.row(&live.terms.window_id);
        assert!(live.spent() <= row.granted && row.granted <= 1000, "{row:?}");
    }
    assert_eq!(spent, 994);
}

#[test]
fn a_crash_burns_what_was_granted_and_not_recorded() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 10));
    process.rights.record();
    assert!(spend(&mut process, &live, 10));
    let granted = process.report().granted;
    drop(process);
    let mut again = Process::start(&disk, "1000 Tokens", Window::Day);
    again.live(NOON);
    let report = again.report();
    assert_eq!((report.spent, report.burned), (10, granted - 10));
    assert!(report.granted >= report.spent + report.burned);
}

#[test]
fn an_orderly_end_burns_nothing() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 10));
    process.rights.close();
    drop(process);
    let mut again = Process::start(&disk, "1000 Tokens", Window::Day);
    again.live(NOON);
    assert_eq!((again.report().spent, again.report().burned), (10, 0));
}

#[test]
fn fifty_crashes_never_let_the_limit_be_exceeded() {
    let disk = Disk::default();
    let mut chance = crate::chance::Chance::seeded(50);
    let mut spent = 0;
    for _ in 0..50 {
        let mut process = Process::start(&disk, "2000 Tokens", Window::Day);
        let live = process.live(NOON);
        for _ in 0..chance.bits() % 20 {
            let tokens = 1 + chance.bits() % 9;
            spent += if spend(&mut process, &live, tokens) { tokens } else { 0 };
            if chance.bits().is_multiple_of(3) {
                process.rights.record();
            }
        }
        assert!(process.report().granted <= 2000);
    }
    assert!(spent > 0 && spent <= 2000, "{spent}");
}

#[test]
fn a_new_window_starts_anew_and_late_settlements_stay_in_the_old_one() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "10000 Tokens", Window::Day);
    let today = process.live(NOON);
    let late = reserve(std::slice::from_ref(&today), &step(8)).unwrap();
    let tomorrow = process.live("2026-11-22T00:00:00Z");
    assert_eq!((tomorrow.spent(), tomorrow.reserved()), (0, 0));
    settle(late, None, Settlement::Usage(Usage { output: 8, ..Usage::default() }));
    process.rights.record();
    assert_eq!((today.spent(), tomorrow.spent()), (8, 0));
    let past: Vec<_> =
        process.rights.report_with_past().into_iter().map(|r| (r.window_id, r.spent)).collect();
    assert_eq!(past, [(today.terms.window_id.clone(), 8), (tomorrow.terms.window_id.clone(), 0)]);
}

#[test]
fn an_edited_amount_keeps_what_was_spent_and_lowers_rights_at_once() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 40));
    process.snapshot = snapshot("50 Tokens", Window::Day, Enforcement::Strict);
    assert_eq!(process.live(NOON).spent(), 40);
    assert!(disk.row(&live.terms.window_id).granted <= 50);
    assert!(!spend(&mut process, &live, 11));
    assert!(spend(&mut process, &live, 10));
    process.snapshot = snapshot("2000 Tokens", Window::Day, Enforcement::Strict);
    process.live(NOON);
    assert!(spend(&mut process, &live, 500));
}

#[test]
fn a_limit_that_goes_and_comes_back_goes_on_where_it_was() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 40));
    let in_flight = reserve(std::slice::from_ref(&live), &step(8)).unwrap();
    process.rights.retain(&Snapshot::build(&Objects::default()));
    let again = process.live(NOON);
    settle(in_flight, None, Settlement::Usage(Usage { output: 8, ..Usage::default() }));
    process.rights.record();
    assert_eq!((process.report().spent, process.report().burned, again.reserved()), (48, 0, 0));
    assert_eq!(disk.row(&live.terms.window_id).granted, process.report().granted);
}

#[test]
fn a_limit_in_another_unit_counts_from_zero_and_finds_its_old_count_again() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 40));
    process.snapshot = snapshot("10 Requests", Window::Day, Enforcement::Strict);
    let calls = process.live(NOON);
    assert_eq!(calls.spent(), 0);
    assert!(spend(&mut process, &calls, 1));
    process.rights.record();
    process.snapshot = snapshot("1000 Tokens", Window::Day, Enforcement::Strict);
    assert_eq!((process.live(NOON).spent(), process.report().burned), (40, 0));
}

#[test]
fn without_a_store_that_answers_nothing_may_be_spent() {
    let disk = Disk::default();
    *disk.broken.lock().unwrap() = true;
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(!spend(&mut process, &live, 1) && process.rights.is_waiting());
    *disk.broken.lock().unwrap() = false;
    let live = process.live(NOON);
    assert!(!process.rights.is_waiting());
    assert!(spend(&mut process, &live, 1));
}

/// A process that only counts, as in a cluster.
fn counting() -> Process {
    let snapshot = world("1000 Tokens", Window::Day, Enforcement::Strict, Source::CountingOnly);
    Process { rights: Rights::new(None), snapshot }
}

fn rows(process: &Process) -> Vec<(u64, u64)> {
    process.rights.report_with_past().into_iter().map(|row| (row.spent, row.uncertain)).collect()
}

#[test]
fn a_limit_that_only_counts_and_comes_back_after_everything_settled_is_one_row() {
    let mut process = counting();
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 40));
    let unsure = reserve(std::slice::from_ref(&live), &step(8)).unwrap();
    settle(unsure, None, Settlement::Counted(Usage { output: 5, ..Usage::default() }));
    let (spent, uncertain) = (process.report().spent, process.report().uncertain);
    assert!(uncertain > 0);
    process.rights.retain(&Snapshot::build(&Objects::default()));
    process.rights.record();
    assert_eq!(rows(&process), [(spent, uncertain)]);
    let again = process.live(NOON);
    assert!(spend(&mut process, &again, 2));
    assert_eq!(rows(&process), [(spent + 2, uncertain)]);
}

#[test]
fn a_clock_that_goes_back_over_midnight_goes_on_with_the_old_window() {
    let mut process = counting();
    let today = process.live(NOON);
    assert!(spend(&mut process, &today, 40));
    process.live("2026-11-22T00:00:01Z");
    process.rights.record();
    let again = process.live("2026-11-21T23:59:59Z");
    assert!(spend(&mut process, &again, 2));
    assert_eq!(process.report().spent, 42);
}

#[test]
fn an_edited_enforcement_of_a_limit_that_only_counts_changes_no_figure() {
    let mut process = counting();
    let live = process.live(NOON);
    let in_flight = reserve(std::slice::from_ref(&live), &step(100)).unwrap();
    process.snapshot = world("1000 Tokens", Window::Day, Enforcement::Soft, Source::CountingOnly);
    process.live(NOON);
    settle(in_flight, None, Settlement::Usage(Usage { output: 7, ..Usage::default() }));
    assert_eq!(rows(&process), [(7, 0)]);
}

#[test]
fn a_window_that_could_not_be_opened_is_not_closed_over_what_the_store_knows() {
    let disk = Disk::default();
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    let live = process.live(NOON);
    assert!(spend(&mut process, &live, 40));
    process.rights.close();
    *disk.broken.lock().unwrap() = true;
    let mut process = Process::start(&disk, "1000 Tokens", Window::Day);
    process.live(NOON);
    *disk.broken.lock().unwrap() = false;
    process.rights.close();
    assert_eq!(disk.row(&live.terms.window_id).spent, 40);
}

#[test]
fn windows_that_are_over_are_reported_twice_per_limit_and_the_older_ones_no_more() {
    let mut process = counting();
    for day in 21..=25 {
        let live = process.live(&format!("2026-11-{day}T12:00:00Z"));
        assert!(spend(&mut process, &live, day));
        process.rights.record();
    }
    assert_eq!(rows(&process), [(23, 0), (24, 0), (25, 0)]);
}
