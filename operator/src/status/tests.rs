//! Status of small worlds: what stands there, what moves it, and what does not.
#![allow(clippy::unwrap_used)]

use pointsman_config::amount::{Amount, Unit};
use pointsman_config::budget::LimitConfig;
use pointsman_config::link::{self, LimitCounts, PolicyState, SampledCall, UsageReport};
use pointsman_config::window::Window;
use pointsman_crds::v1alpha1::budget::BudgetStatus;
use pointsman_crds::v1alpha1::routingpolicy::RoutingPolicyStatus;
use serde_json::json;

use super::*;
use crate::accounts::Instance;
use crate::compile::{Pod, World, compile};

/// A namespace with a provider, policies and budgets.
struct Stage {
    world: World,
    pods: Vec<PodFacts>,
    links: Links,
    accounts: Accounts,
    ledger: Ledger,
    allowances: BTreeMap<Name, Nano>,
    now: Timestamp,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::empty("root", "2026-11-21".parse().unwrap());
        world.providers.push(
            serde_json::from_value(json!({
                "metadata": {"namespace": "shop", "name": "sim", "uid": "p", "generation": 1},
                "spec": {"type": "Simulated", "models": [{"name": "m", "pricing": {"input": "1", "output": "2"}}]},
            }))
            .unwrap(),
        );
        Self {
            world,
            pods: Vec::new(),
            links: Links::default(),
            accounts: Accounts::default(),
            ledger: Ledger::default(),
            allowances: BTreeMap::new(),
            now: "2026-11-16T12:00:00Z".parse().unwrap(),
        }
    }

    fn policy(mut self, name: &str, generation: i64, spec: serde_json::Value) -> Self {
        self.world.policies.retain(|policy| policy.metadata.name.as_deref() != Some(name));
        let mut all = json!({"candidates": [{"model": "m"}]});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.world.policies.push(
            serde_json::from_value(json!({
                "metadata": {"namespace": "shop", "name": name, "uid": name, "generation": generation}, "spec": all,
            }))
            .unwrap(),
        );
        self
    }

    fn budget(mut self, limits: serde_json::Value) -> Self {
        self.world.budgets.push(
            serde_json::from_value(json!({
                "metadata": {"namespace": "shop", "name": "b", "uid": "b", "generation": 1}, "spec": {"limits": limits},
            }))
            .unwrap(),
        );
        self
    }

    fn pod(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let pod = Pod {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: name.to_owned(),
            labels,
            ..Pod::default()
        };
        self.pods.push(PodFacts { pod, injected: true, outdated: false });
        self
    }

    /// Connects the sidecar of a pod and offers it its world; `acked` lets it serve that.
    fn connect(mut self, pod: &str, acked: bool) -> Self {
        let compiled = compile(&self.world);
        let facts = self.pods.iter().find(|facts| facts.pod.name == pod).unwrap();
        let stream = self.links.connect(pod, ("shop".to_owned(), pod.to_owned()), "1");
        self.links.offer(pod, stream, 1, &crate::compile::scope(&compiled, &facts.pod));
        if acked {
            self.links.ack(pod, stream, 1);
        }
        self
    }

    fn spend(mut self, limit: &str, window: Window, spent: u64) -> Self {
        let config = LimitConfig {
            name: limit.to_owned(),
            amount: Amount { value: 1, unit: Unit::Usd },
            window,
            time_zone: "UTC".to_owned(),
        };
        let zone = jiff::tz::TimeZone::UTC;
        let counts = LimitCounts {
            budget: "shop/b".to_owned(),
            limit: limit.to_owned(),
            window_id: window.at(self.now, &zone).id,
            spent,
            unit: config.amount.unit.to_string(),
            ..LimitCounts::default()
        };
        let instance = Instance { pod_uid: "a".to_owned(), incarnation: "1".to_owned() };
        self.ledger.record(&instance, &counts, &config, self.now);
        self
    }

    fn see<T>(&self, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let compiled = compile(&self.world);
        let scene = Scene::new(&compiled, &self.pods, &self.links, &self.accounts, &self.ledger, self.now);
        look(&scene.with_allowances(self.allowances.clone()))
    }

    fn policy_status(&self, name: &str, previous: Option<&RoutingPolicyStatus>) -> RoutingPolicyStatus {
        self.see(|scene| scene.policy(&Name::new("shop", name), previous)).unwrap()
    }

    fn budget_status(&self) -> BudgetStatus {
        self.see(|scene| scene.budget(&Name::new("shop", "b"), None)).unwrap()
    }
}

fn told(status: &RoutingPolicyStatus, type_: &str) -> String {
    let condition = status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
    format!("{} {}: {}", condition.status, condition.reason, condition.message)
}

fn state(status: &RoutingPolicyStatus) -> &str {
    status.summary.as_ref().unwrap().state.as_deref().unwrap()
}

#[test]
fn a_policy_goes_from_no_pods_over_behind_and_not_wired_to_serving() {
    let stage = Stage::new().policy("default", 1, json!({}));
    let status = stage.policy_status("default", None);
    assert_eq!(told(&status, "Programmed"), "True NoPods: It selects no pod with a sidecar yet.");
    assert_eq!(state(&status), "NoPods");
    let stage = stage.pod("a", &[]).connect("a", false);
    let status = stage.policy_status("default", None);
    assert_eq!(told(&status, "Programmed"), "False SidecarsBehind: 0 of 1 sidecars run generation 1.");
    assert_eq!(
        (state(&status), told(&status, "Ready").starts_with("False SidecarsBehind")),
        ("SidecarsBehind", true)
    );
    let mut stage = stage.connect("a", true);
    let status = stage.policy_status("default", None);
    assert_eq!(told(&status, "Ready"), "True Ready: 1 of 1 pods route by this policy.");
    assert_eq!(state(&status), "NotWired");
    let calls = link::CallCounts {
        policy: "shop/default".to_owned(),
        provider: "shop/sim".to_owned(),
        model: "m".to_owned(),
        day: "2026-11-16".to_owned(),
        requests: 3,
        routed: 2,
        ..link::CallCounts::default()
    };
    let instance = Instance { pod_uid: "a".to_owned(), incarnation: "1".to_owned() };
    stage.accounts.merge(&instance, &UsageReport { calls: vec![calls], ..UsageReport::default() });
    let status = stage.policy_status("default", None);
    let summary = status.summary.as_ref().unwrap();
    assert_eq!(
        (state(&status), summary.routed.as_deref(), summary.models.as_deref()),
        ("Serving", Some("66%"), Some("m 100%"))
    );
}

/// Some calls whose cheapest candidate costs 0.4 thousandths of a USD.
fn choices() -> UsageReport {
    let call = SampledCall { quality: vec![0.8, 0.6], cost_usd: vec![0.004, 0.0004] };
    let state =
        PolicyState { policy: "shop/default".to_owned(), sample: vec![call; 8], ..PolicyState::default() };
    UsageReport { incarnation: "1".to_owned(), seq: 1, policies: vec![state], ..UsageReport::default() }
}

#[test]
fn a_target_below_what_the_cheapest_cost_is_told_with_the_remedy() {
    let target = |usd: &str| {
        let target =
            json!({"type": "PerThousandCalls", "perThousandCalls": {"amount": format!("{usd} USD")}});
        json!({"strategy": {"optimizer": "ShadowPrice", "spendTarget": target}})
    };
    let mut stage = Stage::new().policy("default", 1, target("0.39"));
    let unknown = stage.policy_status("default", None);
    assert!(
        !unknown.conditions.iter().any(|condition| condition.type_ == "TargetTooLow"),
        "nobody has called"
    );

    let instance = Instance { pod_uid: "a".to_owned(), incarnation: "1".to_owned() };
    stage.accounts.merge(&instance, &choices());
    let low = told(&stage.policy_status("default", None), "TargetTooLow");
    assert!(low.starts_with("True BelowCheapest: 1000 calls cost at least $0.40,"), "{low}");
    assert!(low.ends_with("Raise the target, or add a cheaper candidate."), "{low}");

    let fine =
        told(&stage.policy("default", 2, target("0.41")).policy_status("default", None), "TargetTooLow");
    assert!(fine.starts_with("False WithinReach:"), "{fine}");
}

#[test]
fn what_callers_named_most_is_remembered_and_stays_while_the_policy_chooses() {
    let two = json!([{"model": "m"}, {"model": "n"}]);
    let named = |mode: &str, model: &str, count: u64, before: Option<&str>| {
        let mut stage = Stage::new().policy("default", 1, json!({"mode": mode, "candidates": two}));
        let calls = link::CallCounts {
            policy: "shop/default".to_owned(),
            provider: "shop/sim".to_owned(),
            model: model.to_owned(),
            day: "2026-11-16".to_owned(),
            requests: count,
            named: count,
            ..link::CallCounts::default()
        };
        let instance = Instance { pod_uid: "a".to_owned(), incarnation: "1".to_owned() };
        stage.accounts.merge(&instance, &UsageReport { calls: vec![calls], ..UsageReport::default() });
        let previous =
            RoutingPolicyStatus { most_named: before.map(str::to_owned), ..RoutingPolicyStatus::default() };
        stage.policy_status("default", Some(&previous)).most_named
    };
    for (mode, model, count, before, expected) in [
        ("Observe", "m", 3, None, Some("m")),
        ("Observe", "m", 3, Some("n"), Some("m")),
        // Nobody has called since the operator started.
        ("Observe", "m", 0, Some("n"), Some("n")),
        ("Route", "m", 0, Some("n"), Some("n")),
        // A stray call moves nothing.
        ("Route", "m", 1, Some("n"), Some("n")),
        ("Route", "m", 1, None, Some("m")),
        ("Route", "m", 0, Some("no-candidate"), None),
        ("Observe", "no-candidate", 9, None, None),
    ] {
        let found = named(mode, model, count, before);
        assert_eq!(found.as_deref(), expected, "{mode} {model} {count} {before:?}");
    }
}

#[test]
fn a_window_that_leaves_less_than_the_cheapest_costs_is_told_too() {
    let target = json!({"type": "Window", "window": {"amount": "10 USD", "per": "Day"}});
    let strategy = json!({"strategy": {"optimizer": "ShadowPrice", "spendTarget": target}});
    let mut stage = Stage::new().policy("default", 1, strategy);
    let instance = Instance { pod_uid: "a".to_owned(), incarnation: "1".to_owned() };
    stage.accounts.merge(&instance, &choices());
    let unplanned = stage.policy_status("default", None);
    assert!(!unplanned.conditions.iter().any(|condition| condition.type_ == "TargetTooLow"));

    // Nano-USD for a call, of which the cheapest costs 400,000.
    stage.allowances.insert(Name::new("shop", "default"), Nano(399_000));
    let low = told(&stage.policy_status("default", None), "TargetTooLow");
    assert!(low.starts_with("True BelowCheapest: 1000 calls cost at least $0.40,"), "{low}");
    assert!(
        low.contains("at the present rate of calls spec.strategy.spendTarget leaves $0.399 for them"),
        "{low}"
    );
    stage.allowances.insert(Name::new("shop", "default"), Nano(401_000));
    let fine = told(&stage.policy_status("default", None), "TargetTooLow");
    assert!(fine.starts_with("False WithinReach:"), "{fine}");
}

#[test]
fn once_programmed_a_generation_stays_so_when_sidecars_come_and_the_next_one_starts_anew() {
    let stage = Stage::new().policy("default", 1, json!({})).pod("a", &[]).connect("a", true);
    let first = stage.policy_status("default", None);
    let stage = stage.pod("b", &[]).connect("b", false);
    let second = stage.policy_status("default", Some(&first));
    assert_eq!(told(&second, "Programmed"), "True Programmed: 1 of 2 sidecars run generation 1.");
    assert_eq!(state(&second), "SidecarsBehind");
    let stage = stage.policy("default", 2, json!({"objective": "Cost"}));
    let third = stage.policy_status("default", Some(&second));
    assert_eq!(told(&third, "Programmed"), "False SidecarsBehind: 0 of 2 sidecars run generation 2.");
    // An operator that has just started knows no sidecar.
    let restarted = Stage::new().policy("default", 1, json!({})).pod("a", &[]);
    let status = restarted.policy_status("default", Some(&first));
    assert_eq!(told(&status, "Programmed"), "True Programmed: No sidecar of its pods is connected yet.");
}

#[test]
fn the_time_of_a_condition_moves_only_with_its_status() {
    let mut stage = Stage::new().policy("default", 1, json!({}));
    let first = stage.policy_status("default", None);
    stage.now += std::time::Duration::from_secs(60);
    let stage = stage.policy("default", 2, json!({"candidates": [{"model": "m"}, {"model": "x"}]}));
    let second = stage.policy_status("default", Some(&first));
    let time = |status: &RoutingPolicyStatus, type_: &str| {
        let condition = status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        (condition.last_transition_time.0.to_string(), condition.observed_generation)
    };
    assert_eq!(time(&second, "Accepted"), ("2026-11-16T12:00:00Z".to_owned(), Some(2)));
    assert_eq!(time(&second, "ResolvedRefs"), ("2026-11-16T12:01:00Z".to_owned(), Some(2)));
    assert_eq!(state(&second), "UnknownModel");
}

#[test]
fn equals_conflict_and_defaults_give_way_silently() {
    let bots = json!({"targetSelector": {"matchLabels": {"app": "bot"}}});
    let higher = json!({"targetSelector": {"matchLabels": {"app": "bot"}}, "priority": 20});
    let stage = Stage::new()
        .policy("default", 1, json!({}))
        .policy("low", 1, bots)
        .policy("high", 1, higher)
        .pod("a", &[("app", "bot")])
        .pod("b", &[("app", "bot")])
        .pod("c", &[]);
    assert_eq!(
        told(&stage.policy_status("low", None), "Conflicted"),
        "True LowerPriority: 2 pods take virtual model \"auto\" from shop/high. This policy has priority 0."
    );
    for fine in ["high", "default"] {
        assert_eq!(
            told(&stage.policy_status(fine, None), "Conflicted"),
            "False NoConflict: No pod is contested."
        );
    }
    let matched =
        ["default", "low", "high"].map(|name| stage.policy_status(name, None).data_plane.unwrap().matched);
    assert_eq!(matched, [1, 0, 2]);
}

#[test]
fn an_invalid_policy_is_not_handed_out_and_says_so() {
    let stage = Stage::new().policy("default", 3, json!({"rules": [{"name": "r", "matches": [{"text": {"regex": "("}}], "action": {"type": "Reject", "reject": {"message": "no"}}}]}));
    let status = stage.policy_status("default", None);
    assert!(told(&status, "Programmed").starts_with(
        "False NotProgrammed: Not handed out; sidecars keep their last good version. spec.rules[0]"
    ));
    assert_eq!((state(&status), &status.mode), ("Invalid", &None));
}

#[test]
fn a_budget_tells_its_fullest_limit_its_pace_and_when_it_resets() {
    // Half of the month has passed; half a dollar of one was spent, and two of ten.
    let stage = Stage::new().budget(json!([
        {"name": "month", "amount": "10 USD", "window": "Month"},
        {"name": "small", "amount": "1 USD", "window": "Month"},
    ]));
    let stage = stage.spend("month", Window::Month, 2_000_000_000).spend("small", Window::Month, 600_000_000);
    let status = stage.budget_status();
    let summary = status.summary.unwrap();
    let shown =
        [summary.limit, summary.spent, summary.used, summary.forecast, summary.state, summary.resets_at];
    assert_eq!(shown.map(Option::unwrap), ["$1/Month", "$0.60", "60%", "$1.16", "AtRisk", "Dec 1"]);
    assert_eq!(status.limits[0].spent, "2.00");
    assert_eq!(status.limits[0].remaining, "8.00");
    assert_eq!(status.limits[0].resets_at.as_deref(), Some("2026-12-01T00:00:00+00:00"));
    assert_eq!(status.ledger_name.as_deref(), Some("shop.b"));
    let stage = stage.spend("small", Window::Month, 1_000_000_000);
    assert_eq!(stage.budget_status().summary.unwrap().state.as_deref(), Some("Exhausted"));
}

#[test]
fn windows_end_where_their_zone_says() {
    for (window, zone, shown, exact) in [
        ("Day", "Europe/Berlin", "00:00", Some("2026-11-17T00:00:00+01:00")),
        ("Hour", "UTC", "13:00", Some("2026-11-16T13:00:00+00:00")),
        ("Week", "UTC", "Nov 23", Some("2026-11-23T00:00:00+00:00")),
        ("Total", "UTC", "never", None),
    ] {
        let limits = json!([{"name": "l", "amount": "5 Requests", "window": window, "timeZone": zone}]);
        let status = Stage::new().budget(limits).budget_status();
        assert_eq!(status.summary.unwrap().resets_at.as_deref(), Some(shown), "{window}");
        assert_eq!(status.limits[0].resets_at.as_deref(), exact, "{window}");
    }
}

#[test]
fn the_highest_threshold_that_was_crossed_is_told_once() {
    let limits = json!([{"name": "m", "amount": "1 USD", "window": "Month"}]);
    let stage = Stage::new().budget(limits);
    let empty = stage.budget_status();
    let name = Name::new("shop", "b");
    let notices =
        |stage: &Stage, previous: &BudgetStatus| stage.see(|scene| scene.thresholds(&name, Some(previous)));
    assert_eq!(notices(&stage, &empty), []);
    let stage = stage.spend("m", Window::Month, 850_000_000);
    let [notice] = &notices(&stage, &empty)[..] else { panic!("one notice") };
    assert_eq!((notice.reason, notice.warning), ("ThresholdReached", true));
    assert_eq!(notice.note, "80% of $1/Month spent; at this pace 164% by the end of the window.");
    let told = stage.budget_status();
    assert_eq!(notices(&stage, &told), []);
    // The next window begins without a word, and tells its own thresholds.
    let mut later = stage;
    later.now = "2026-12-20T00:00:00Z".parse().unwrap();
    assert_eq!(notices(&later, &told), []);
    let later = later.spend("m", Window::Month, 500_000_000);
    assert!(notices(&later, &told)[0].note.starts_with("50% of $1/Month spent"));
}

#[test]
fn transitions_become_notices_and_repetitions_do_not() {
    let stage = Stage::new().policy("default", 1, json!({}));
    let first = stage.policy_status("default", None);
    let reasons =
        |before: &[_], after: &[_]| notices(before, after).iter().map(|n| n.reason).collect::<Vec<_>>();
    assert_eq!(reasons(&[], &first.conditions), ["Published"]);
    assert_eq!(reasons(&first.conditions, &first.conditions), Vec::<&str>::new());
    let broken = Stage::new().policy("default", 2, json!({"candidates": [{"model": "x"}]}));
    let second = broken.policy_status("default", Some(&first));
    assert_eq!(reasons(&first.conditions, &second.conditions), ["NotResolved"]);
    let mended = Stage::new().policy("default", 3, json!({}));
    assert_eq!(
        reasons(&second.conditions, &mended.policy_status("default", Some(&second)).conditions),
        ["Published"]
    );
}
