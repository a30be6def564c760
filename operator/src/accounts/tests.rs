//! Merging, whatever happens to the messages in between.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pointsman_config::amount::{Amount, Unit};
use pointsman_config::budget::LimitConfig;
use pointsman_config::link::{CallCounts, LimitCounts, PolicyState, TargetState, UsageReport};
use pointsman_config::window::Window;
use pointsman_crds::v1alpha1::budgetledger::BudgetLedgerData;
use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-11-21T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn instance(number: usize) -> Instance {
    Instance { pod_uid: format!("pod-{number}"), incarnation: "1".to_owned() }
}

/// What incarnation `number` reports as its `seq`-th: counters grow with seq.
fn report(number: usize, seq: u64) -> UsageReport {
    UsageReport {
        incarnation: "1".to_owned(),
        seq,
        calls: vec![CallCounts {
            policy: "shop/p".to_owned(),
            provider: "shop/openai".to_owned(),
            model: "gpt".to_owned(),
            day: "2026-11-21".to_owned(),
            requests: seq * 2,
            cost_nano: seq * 100 + number as u64,
            latency_buckets: vec![seq, 0, seq],
            ..CallCounts::default()
        }],
        limits: vec![spent("shop/month", seq * 100, 10 - seq.min(10))],
        policies: vec![PolicyState {
            policy: "shop/p".to_owned(),
            lambda: seq as f64,
            ..PolicyState::default()
        }],
        targets: vec![TargetState {
            provider: "shop/openai".to_owned(),
            model: "gpt".to_owned(),
            state: if seq.is_multiple_of(2) { "Healthy" } else { "RateLimited" }.to_owned(),
        }],
        ..UsageReport::default()
    }
}

fn spent(budget: &str, spent: u64, reserved: u64) -> LimitCounts {
    LimitCounts {
        budget: budget.to_owned(),
        limit: "usd".to_owned(),
        window_id: "2026-11-01T00:00:00Z".to_owned(),
        spent,
        uncertain: spent / 10,
        reserved,
        unit: "USD".to_owned(),
    }
}

fn limit() -> LimitConfig {
    LimitConfig {
        name: "usd".to_owned(),
        amount: Amount { value: 1_000_000, unit: Unit::Usd },
        window: Window::Month,
        time_zone: "UTC".to_owned(),
    }
}

fn limits() -> BTreeMap<LimitKey, LimitConfig> {
    BTreeMap::from([(LimitKey { budget: month(), limit: "usd".to_owned() }, limit())])
}

fn month() -> Name {
    Name::new("shop", "month")
}

fn standing(ledger: &Ledger) -> u64 {
    ledger.standing(&month(), &limit(), "2026-11-01T00:00:00Z").spent
}

#[derive(Clone, Default, PartialEq, Debug)]
struct Books {
    accounts: Accounts,
    ledger: Ledger,
}

impl Books {
    fn take(&mut self, number: usize, seq: u64) {
        let report = report(number, seq);
        self.accounts.merge(&instance(number), &report);
        report
            .limits
            .iter()
            .for_each(|counts| self.ledger.record(&instance(number), counts, &limit(), now()));
    }

    fn of(messages: &[(usize, u64)]) -> Self {
        let mut books = Self::default();
        messages.iter().for_each(|(number, seq)| books.take(*number, *seq));
        books
    }
}

proptest! {
    #[test]
    fn lost_repeated_and_reordered_reports_change_no_total(
        messages in proptest::collection::vec((0_usize..4, 1_u64..20), 1..40),
        order in any::<u64>(),
    ) {
        let straight = Books::of(&messages);
        // Whatever the order, and with everything twice.
        let mut shuffled: Vec<_> = messages.iter().chain(&messages).copied().collect();
        shuffled.sort_by_key(|(number, seq)| (*seq ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(*number as u64));
        prop_assert_eq!(&straight, &Books::of(&shuffled));
        // Only the last report of each incarnation arrives.
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        messages.iter().for_each(|(number, seq)| { let known = last.entry(*number).or_default(); *known = (*known).max(*seq); });
        prop_assert_eq!(&straight, &Books::of(&last.into_iter().collect::<Vec<_>>()));
    }

    #[test]
    fn a_ledger_stored_and_read_back_at_any_point_counts_the_same(
        messages in proptest::collection::vec((0_usize..4, 1_u64..20), 1..40),
        crash_at in 0_usize..40,
    ) {
        let whole = Books::of(&messages);
        let (before, after) = messages.split_at(crash_at.min(messages.len()));
        let mut stored = Ledger::default();
        Books::of(before).ledger.take_dirty().iter().for_each(|(_, index, data)| stored.load(*index, data));
        let mut restarted = Books { ledger: stored, ..Books::default() };
        after.iter().for_each(|(number, seq)| restarted.take(*number, *seq));
        prop_assert_eq!(standing(&whole.ledger), standing(&restarted.ledger));
    }
}

#[test]
fn totals_are_sums_over_incarnations() {
    let books = Books::of(&[(0, 3), (1, 5)]);
    let day = books.accounts.of_day("2026-11-21");
    let calls = day.values().next().unwrap();
    assert_eq!((calls.requests, calls.cost), (16, 801));
    assert_eq!(standing(&books.ledger), 800);
    assert_eq!(books.accounts.reserved(&month(), "usd", "2026-11-01T00:00:00Z"), 7 + 5);
    assert_eq!(books.accounts.lambda(&Name::new("shop", "p")), Some(4.0));
    assert_eq!(books.accounts.health(&Name::new("shop", "openai")).get("gpt"), Some(&Health::RateLimited));
    assert_eq!(*books.accounts.callers(), ["pod-0", "pod-1"].map(str::to_owned).into());
}

#[test]
fn what_callers_name_most_is_counted_over_pods_and_providers() {
    let mut accounts = Accounts::default();
    let calls = |model: &str, provider: &str, named| CallCounts {
        policy: "shop/p".to_owned(),
        provider: provider.to_owned(),
        model: model.to_owned(),
        day: "2026-11-21".to_owned(),
        requests: 100,
        named,
        ..CallCounts::default()
    };
    let policy = Name::new("shop", "p");
    let candidates = ["small", "large", "auto-only"].map(str::to_owned);
    for (pod, rows, expected) in [
        (0, vec![calls("small", "shop/a", 5), calls("auto-only", "shop/a", 0)], Some("small")),
        (1, vec![calls("large", "shop/a", 3), calls("large", "shop/b", 2)], Some("large")),
        (2, vec![calls("small", "shop/a", 1), calls("no-candidate", "shop/a", 1000)], Some("small")),
    ] {
        accounts.merge(&instance(pod), &UsageReport { seq: 1, calls: rows, ..UsageReport::default() });
        assert_eq!(accounts.most_named(&policy, &candidates), expected, "after pod {pod}");
    }
    assert_eq!(accounts.most_named(&Name::new("bank", "p"), &candidates), None);
}

#[test]
fn who_has_called_once_has_called_for_as_long_as_the_pod_lives() {
    let mut books = Books::of(&[(0, 3)]);
    let later: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
    books.accounts.forget_days(later);
    assert!(books.accounts.callers().contains("pod-0"), "its calls are of another day");
    // A new operator hears of those days no more; that there were calls, the process says that took them.
    let mut anew = Accounts::default();
    anew.merge(&instance(1), &UsageReport { seq: 9, ..UsageReport::default() });
    assert!(anew.callers().is_empty());
    anew.merge(&instance(1), &UsageReport { seq: 10, called: true, ..UsageReport::default() });
    assert!(anew.callers().contains("pod-1"));
    anew.keep_present(|uid| uid != "pod-1");
    assert!(anew.callers().is_empty(), "the pod is gone");
}

#[test]
fn what_a_sidecar_says_of_its_present_ends_with_it_and_what_it_counted_stays() {
    let mut books = Books::of(&[(0, 3)]);
    books.accounts.ended(&instance(0));
    assert_eq!(books.accounts.reserved(&month(), "usd", "2026-11-01T00:00:00Z"), 0);
    assert_eq!(books.accounts.lambda(&Name::new("shop", "p")), None);
    assert_eq!(books.accounts.of_day("2026-11-21").len(), 1);
}

#[test]
fn closing_keeps_the_sum_and_refuses_what_comes_too_late() {
    let mut books = Books::of(&[(0, 3), (1, 5)]);
    books.ledger.close(|ended| *ended == instance(0), &limits(), now());
    assert_eq!(standing(&books.ledger), 800);
    assert_eq!(books.ledger.instances(), [&instance(1)].into());
    books.take(0, 4);
    assert_eq!(standing(&books.ledger), 800);
    books.take(1, 6);
    assert_eq!(standing(&books.ledger), 900);
}

#[test]
fn windows_that_are_neither_the_last_this_nor_the_next_are_not_taken() {
    let mut ledger = Ledger::default();
    for (window_id, taken) in [
        ("2026-11-01T00:00:00Z", true),
        ("2026-10-01T00:00:00Z", true),
        ("2026-12-01T00:00:00Z", true),
        ("2026-09-01T00:00:00Z", false),
        ("2027-01-01T00:00:00Z", false),
        ("total", false),
    ] {
        let counts = LimitCounts { window_id: window_id.to_owned(), ..spent("shop/month", 7, 0) };
        ledger.record(&instance(0), &counts, &limit(), now());
        assert_eq!(
            ledger.standing(&month(), &limit(), window_id).spent,
            if taken { 7 } else { 0 },
            "{window_id}"
        );
    }
    ledger.close(|_| false, &limits(), "2027-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(ledger.standing(&month(), &limit(), "2026-10-01T00:00:00Z").spent, 0, "forgotten");
    assert_eq!(ledger.standing(&month(), &limit(), "2026-12-01T00:00:00Z").spent, 7, "kept");
}

#[test]
fn the_501st_row_goes_into_a_second_object_and_nothing_is_lost() {
    let mut ledger = Ledger::default();
    for number in 0..501 {
        ledger.record(&instance(number), &spent("shop/month", 1, 0), &limit(), now());
    }
    let objects = ledger.take_dirty();
    let rows: Vec<_> = objects.iter().map(|(_, _, data)| data.limits[0].windows[0].instances.len()).collect();
    assert_eq!(rows, [500, 1]);
    let mut read = Ledger::default();
    objects.iter().for_each(|(_, index, data)| read.load(*index, data));
    assert_eq!((standing(&ledger), standing(&read)), (501, 501));
    let names: Vec<_> = objects.iter().map(|(budget, index, _)| shard_name(budget, *index)).collect();
    assert_eq!(names[0], "shop.month");
    assert!(names[1].starts_with("shop.month.") && names[1].ends_with("-1"), "{names:?}");
}

#[test]
fn closing_keeps_what_was_uncertain() {
    let mut books = Books::of(&[(0, 3)]);
    let before = books.ledger.standing(&month(), &limit(), "2026-11-01T00:00:00Z");
    assert_eq!(before, Standing { spent: 300, uncertain: 30 });
    books.ledger.close(|_| true, &limits(), now());
    let mut read = Ledger::default();
    books.ledger.take_dirty().iter().for_each(|(_, index, data)| read.load(*index, data));
    assert_eq!(read.standing(&month(), &limit(), "2026-11-01T00:00:00Z"), before);
}

#[test]
fn a_limit_with_another_unit_is_another_limit() {
    let mut books = Books::of(&[(0, 3)]);
    let stored = books.ledger.take_dirty();
    let tokens = LimitConfig { amount: Amount { value: 5, unit: Unit::Tokens }, ..limit() };
    let of_tokens = |ledger: &Ledger| ledger.standing(&month(), &tokens, "2026-11-01T00:00:00Z").spent;
    assert_eq!(of_tokens(&books.ledger), 0, "money is no tokens");
    // A sidecar that has not heard of it yet goes on counting money.
    books.ledger.record(&instance(0), &spent("shop/month", 400, 0), &tokens, now());
    assert_eq!(of_tokens(&books.ledger), 0);
    let counted = LimitCounts { unit: "Tokens".to_owned(), ..spent("shop/month", 2, 0) };
    books.ledger.record(&instance(1), &counted, &tokens, now());
    assert_eq!(of_tokens(&books.ledger), 2);
    // The write finds the money that was stored before.
    stored.iter().for_each(|(_, index, data)| books.ledger.load(*index, data));
    assert_eq!(of_tokens(&books.ledger), 2);
    let mut read = Ledger::default();
    books.ledger.take_dirty().iter().for_each(|(_, index, data)| read.load(*index, data));
    assert_eq!(of_tokens(&read), 2);
}

#[test]
fn an_object_of_many_limits_stays_below_what_the_api_server_takes() {
    let mut ledger = Ledger::default();
    for (number, limit) in (0..400).flat_map(|pod| (0..32).map(move |limit| (pod, limit))) {
        let limit = LimitConfig { name: format!("limit-{limit}"), ..self::limit() };
        let counts = LimitCounts { limit: limit.name.clone(), ..spent("shop/month", 1_000_000_000_000, 0) };
        let instance = Instance { pod_uid: format!("{number:036}"), incarnation: format!("{number:032}") };
        ledger.record(&instance, &counts, &limit, now());
    }
    let objects = ledger.take_dirty();
    let bytes = objects.iter().map(|(_, _, data)| serde_json::to_vec(data).unwrap().len());
    assert!(bytes.max().unwrap() < 1_000_000, "{} objects", objects.len());
}

#[test]
fn an_unchanged_report_leaves_the_ledger_clean() {
    let mut books = Books::of(&[(0, 3)]);
    assert_eq!(books.ledger.take_dirty().len(), 1);
    books.take(0, 3);
    books.take(0, 2);
    assert_eq!(books.ledger.take_dirty(), Vec::<(Name, usize, BudgetLedgerData)>::new());
}

#[test]
fn a_pod_reports_only_what_its_namespace_may_know() {
    use crate::compile::{Pod, World, compile};
    let mut world = World::empty("root", "2026-11-21".parse().unwrap());
    for (namespace, name) in [("shop", "month"), ("search", "month"), ("root", "own")] {
        world.budgets.push(
            serde_json::from_value(serde_json::json!({
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"limits": [{"name": "usd", "amount": "1 USD", "window": "Month"}]},
            }))
            .unwrap(),
        );
    }
    let pod = Pod { namespace: "shop".to_owned(), ..Pod::default() };
    let report = UsageReport {
        limits: ["shop/month", "search/month", "root/own", "shop/none", "x"]
            .map(|budget| spent(budget, 1, 0))
            .to_vec(),
        calls: [
            ("shop/p", "shop/a"),
            ("search/p", "shop/a"),
            ("shop/p", "search/a"),
            ("root/p", "root/a"),
            ("p", "a"),
        ]
        .map(|(policy, provider)| CallCounts {
            policy: policy.to_owned(),
            provider: provider.to_owned(),
            ..CallCounts::default()
        })
        .to_vec(),
        ..UsageReport::default()
    };
    let left = permitted(&compile(&world), &pod, report);
    assert_eq!(left.limits.iter().map(|l| l.budget.as_str()).collect::<Vec<_>>(), ["shop/month"]);
    assert_eq!(left.calls.iter().map(|c| c.policy.as_str()).collect::<Vec<_>>(), ["shop/p", "root/p"]);
}

#[test]
fn calls_of_other_days_than_these_are_not_kept() {
    let calls = |day: &str| CallCounts { day: day.to_owned(), ..CallCounts::default() };
    let days = ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "9999-12-31", "x", ""];
    let mut report = UsageReport { calls: days.map(calls).to_vec(), ..UsageReport::default() };
    keep_near_days(&mut report, now());
    let kept: Vec<_> = report.calls.iter().map(|calls| calls.day.as_str()).collect();
    assert_eq!(kept, ["2026-11-20", "2026-11-21", "2026-11-22"]);
}
