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
fn report(chosen: u64, spent: u64) -> UsageReport {
    let call = SampledCall { quality: vec![0.8, 0.6], cost_usd: vec![0.01, 0.001] };
    UsageReport {
        incarnation: "1".to_owned(),
        seq: 1,
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
}

#[test]
fn pods_of_one_policy_share_what_is_left_of_its_window_and_one_price() {
    let target = "  strategy: {spendTarget: {type: Window, window: {amount: 400 USD, per: Day}}}\n";
    let mut cluster = Cluster::new(&policy(target));
    assert!(cluster.plan(Duration::ZERO).is_some_and(|plan| plan.lambda == 0.0), "nothing is known yet");
    // Four pods, a call per second each, for an hour; 40 USD each are spent.
    for pod in 0..4 {
        cluster.accounts.merge(&instance(pod), &report(3_600, 40_000_000_000));
    }
    let plan = cluster.plan(Duration::from_secs(3_600)).unwrap();
    // 240 USD are left for 11 hours of four calls a second, nearly: the first second counts as one call.
    let expected = 240e9 / (4.0 * 11.0 * 3_600.0);
    assert!((plan.target_nano as f64 / expected - 1.0).abs() < 0.01, "{plan:?} {expected}");
    assert_eq!(cluster.plans.allowances()[&Name::new("shop", "p")].0, plan.target_nano);
    // That is between the two models, so the price is the slope between them.
    let slope = (0.8 - 0.6) / (0.01 - 0.001);
    assert!((plan.lambda / slope - 1.0).abs() < 1e-6, "{plan:?} {slope}");
}

#[test]
fn three_pods_know_too_little_for_a_price_and_get_the_target_alone() {
    let target = "  strategy: {spendTarget: {type: Window, window: {amount: 400 USD, per: Day}}}\n";
    let mut cluster = Cluster::new(&policy(target));
    (0..3).for_each(|pod| cluster.accounts.merge(&instance(pod), &report(10, 0)));
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
    assert!(cluster.plans.allowances().is_empty(), "the policy has no target of its own");
}

#[test]
fn a_policy_without_a_window_has_no_plan() {
    let target =
        "  strategy: {spendTarget: {type: PerThousandCalls, perThousandCalls: {amount: 0.25 USD}}}\n";
    assert_eq!(Cluster::new(&policy(target)).plan(Duration::ZERO), None);
    assert_eq!(Cluster::new(&policy("")).plan(Duration::ZERO), None);
}
