#![allow(clippy::unwrap_used)]
//! Pods report, the leader plans: target and price over all of them.

use pointsman_config::link::{LimitCounts, PolicyState, SampledCall, UsageReport};

use super::*;
use crate::accounts::Instance;
use crate::compile::compile;
use crate::compile::tests::world;

const WALL: &str = "2026-11-21T12:00:00Z";

const PROVIDER: &str = "kind: LLMProvider\nmetadata: {name: sim}\nspec:\n  type: Simulated\n  models:\n  \
    - {name: dear, pricing: {input: \"10\", output: \"10\"}}\n  - {name: cheap, pricing: {input: \"1\", output: \"1\"}}\n---\n";

fn policy(strategy: &str) -> String {
    format!(
        "{PROVIDER}kind: RoutingPolicy\nmetadata: {{name: p}}\nspec:\n  candidates: [{{model: dear}}, {{model: cheap}}]\n{strategy}"
    )
}

fn instance(pod: usize) -> Instance {
    Instance { pod_uid: format!("pod-{pod}"), incarnation: "1".to_owned() }
}

/// 32 choices between 0.8 for a cent and 0.6 for a tenth of it, and what was spent so far.
fn report(seq: u64, chosen: u64, spent: u64) -> UsageReport {
    let call = SampledCall { quality: vec![0.8, 0.6], cost_usd: vec![0.01, 0.001] };
    UsageReport {
        incarnation: "1".to_owned(),
        seq,
        policies: vec![PolicyState {
            policy: "shop/p".to_owned(),
            chosen,
            window_id: "2026-11-21T00:00:00Z".to_owned(),
            window_spent_nano: spent,
            sample: vec![call; 32],
            ..PolicyState::default()
        }],
        ..UsageReport::default()
    }
}

struct Cluster {
    compiled: CompiledWorld,
    accounts: Accounts,
    ledger: Ledger,
    plans: Plans,
    start: Instant,
}

impl Cluster {
    fn new(manifests: &str) -> Self {
        Self {
            compiled: compile(&world(manifests)),
            accounts: Accounts::default(),
            ledger: Ledger::default(),
            plans: Plans::default(),
            start: Instant::now(),
        }
    }

    fn plan(&self, after: Duration) -> Option<PolicyPlan> {
        let wall: Timestamp = WALL.parse().unwrap();
        let known = Known {
            compiled: &self.compiled,
            accounts: &self.accounts,
            ledger: &self.ledger,
            wall: wall + after,
            now: self.start + after,
        };
        let pod = Pod { namespace: "shop".to_owned(), ..Pod::default() };
        self.plans.of(&known, &pod, &[Name::new("shop", "p")]).pop()
    }

    /// What the policy's own window leaves for a call, in nano-USD.
    fn allowance(&self, after: u64) -> Option<u64> {
        let wall: Timestamp = WALL.parse().unwrap();
        let at = wall + Duration::from_secs(after);
        let allowances = self.plans.allowances(&self.compiled, &self.accounts, at);
        allowances.get(&Name::new("shop", "p")).map(|nano| nano.0)
    }
}

/// An operator that has just started hears of a million calls, and knows of none when it came.
#[test]
fn the_calls_of_days_are_not_taken_for_those_of_a_second() {
    let target = "  strategy: {spendTarget: {type: Window, window: {amount: 400 USD, per: Day}}}\n";
    let mut cluster = Cluster::new(&policy(target));
    cluster.accounts.merge(&instance(0), &report(1, 1_000_000, 0));
    let first = cluster.plan(Duration::ZERO).unwrap();
    // A second pod's stream comes back a little later; meanwhile the first has answered four calls.
    cluster.accounts.merge(&instance(0), &report(2, 1_000_004, 0));
    cluster.accounts.merge(&instance(1), &report(1, 1_000_000, 0));
    let second = cluster.plan(Duration::from_secs(4)).unwrap();
    // 400 USD over twelve hours of about one call a second.
    let expected = 400e9 / (12.0 * 3_600.0);
    for plan in [first, second] {
        assert!((plan.target_nano as f64 / expected - 1.0).abs() < 0.02, "{plan:?} {expected}");
    }
}

#[test]
fn pods_of_one_policy_share_what_is_left_of_its_window_and_one_price() {
    let target = "  strategy: {spendTarget: {type: Window, window: {amount: 400 USD, per: Day}}}\n";
    let cluster = Cluster::new(&policy(target));
    assert!(cluster.plan(Duration::ZERO).is_some_and(|plan| plan.lambda == 0.0), "nothing is known yet");
    let mut cluster = Cluster::new(&policy(target));
    (0..4).for_each(|pod| cluster.accounts.merge(&instance(pod), &report(1, 0, 0)));
    cluster.plan(Duration::ZERO);
    // Four pods, a call per second each, for an hour; 40 USD each are spent.
    for pod in 0..4 {
        cluster.accounts.merge(&instance(pod), &report(2, 3_600, 40_000_000_000));
    }
    let plan = cluster.plan(Duration::from_secs(3_600)).unwrap();
    // 240 USD are left for 11 hours of four calls a second, nearly: the first second counts as one call.
    let expected = 240e9 / (4.0 * 11.0 * 3_600.0);
    assert!((plan.target_nano as f64 / expected - 1.0).abs() < 0.01, "{plan:?} {expected}");
    assert_eq!(cluster.allowance(3_600), Some(plan.target_nano));
    // A window later, at the same hour, it is whole again, whether or not anybody has called.
    let whole = cluster.allowance(3_600 + 86_400).unwrap() as f64;
    assert!((whole / expected * 240.0 / 400.0 - 1.0).abs() < 0.01, "{whole} {expected}");
    // That is between the two models, so the price is the slope between them.
    let slope = (0.8 - 0.6) / (0.01 - 0.001);
    assert!((plan.lambda / slope - 1.0).abs() < 1e-6, "{plan:?} {slope}");
}

#[test]
fn three_pods_know_too_little_for_a_price_and_get_the_target_alone() {
    let target = "  strategy: {spendTarget: {type: Window, window: {amount: 400 USD, per: Day}}}\n";
    let mut cluster = Cluster::new(&policy(target));
    (0..3).for_each(|pod| cluster.accounts.merge(&instance(pod), &report(1, 10, 0)));
    let plan = cluster.plan(Duration::ZERO).unwrap();
    assert!(plan.target_nano > 0 && plan.lambda == 0.0, "{plan:?}");
}

#[test]
fn a_budget_paces_the_policies_that_it_counts() {
    let budget =
        "---\nkind: Budget\nmetadata: {name: b}\nspec: {limits: [{name: d, amount: 400 USD, window: Day}]}\n";
    let manifests = policy("") + budget;
    let fresh = Cluster::new(&manifests).plan(Duration::ZERO).unwrap();
    let mut cluster = Cluster::new(&manifests);
    let counts = LimitCounts {
        budget: "shop/b".to_owned(),
        limit: "d".to_owned(),
        window_id: "2026-11-21T00:00:00Z".to_owned(),
        spent: 160_000_000_000,
        unit: "USD".to_owned(),
        ..LimitCounts::default()
    };
    let limit = cluster.compiled.budgets.values().next().unwrap().facts.limits[0].clone();
    cluster.ledger.record(&instance(0), &counts, &limit, WALL.parse().unwrap());
    let after = cluster.plan(Duration::ZERO).unwrap();
    // 240 of 400 USD are left.
    let share = after.target_nano as f64 / fresh.target_nano as f64;
    assert!((share - 0.6).abs() < 1e-3, "{fresh:?} {after:?}");
    assert_eq!(cluster.allowance(0), None, "the policy has no target of its own");
}

#[test]
fn a_policy_without_a_window_has_no_plan() {
    let target =
        "  strategy: {spendTarget: {type: PerThousandCalls, perThousandCalls: {amount: 0.25 USD}}}\n";
    assert_eq!(Cluster::new(&policy(target)).plan(Duration::ZERO), None);
    assert_eq!(Cluster::new(&policy("")).plan(Duration::ZERO), None);
}
