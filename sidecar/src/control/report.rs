//! What goes to the operator: everything counted since the start, sent when something changed.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pointsman_config::entry::Name;
use pointsman_config::link::{
    CallCounts, LimitCounts, PolicyState, SampledCall, ScorerState, TargetState, UsageReport,
};
use pointsman_core::dual::Offer;
use pointsman_core::snapshot::TargetKey;
use tokio::sync::watch;

use crate::feedback::Away;
use crate::pacing::Pacing;
use crate::plane::live::Live;
use crate::plane::{Plane, PolicyPart};
use crate::rights::{LimitReport, Rights};
use crate::shared::Shared;
use crate::telemetry::state_name;
use crate::usage::{Counted, Day};

/// The newest report; a slow reader skips the ones between, which loses nothing since all are cumulative.
pub(crate) struct Reports {
    newest: watch::Sender<Arc<UsageReport>>,
}

/// What there is to report.
pub(super) struct Known<'a> {
    pub(super) shared: &'a Shared,
    pub(super) live: &'a Live,
    pub(super) rights: &'a Rights,
    pub(super) pacing: &'a Pacing,
    pub(super) away: &'a Away,
}

impl Reports {
    pub(crate) fn new() -> Self {
        Self { newest: watch::Sender::new(Arc::default()) }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<UsageReport>> {
        self.newest.subscribe()
    }

    /// Publishes the state of things, where it differs from the last one. The link adds its incarnation.
    pub(super) fn publish(&self, known: &Known<'_>, last: bool) {
        let Known { shared, live, rights, pacing, away } = known;
        if self.newest.receiver_count() == 0 {
            return;
        }
        let plane = shared.plane.load_full();
        let mut report = UsageReport {
            incarnation: String::new(),
            seq: self.newest.borrow().seq,
            calls: calls(live),
            limits: rights.report_with_past().into_iter().map(limit).collect(),
            policies: plane.as_deref().map(|plane| policies(plane, pacing)).unwrap_or_default(),
            targets: plane.as_deref().map(|plane| targets(plane, shared)).unwrap_or_default(),
            last,
            given: away.given(),
            found: away.calls(),
            called: shared.called.load(Relaxed),
        };
        if report == **self.newest.borrow() {
            return;
        }
        report.seq += 1;
        self.newest.send_replace(Arc::new(report));
    }
}

fn calls(live: &Live) -> Vec<CallCounts> {
    let mut rows = Vec::new();
    for ((policy, target), counters) in &live.counters {
        rows.extend(counters.report().into_iter().map(|(day, counted)| call(policy, target, day, counted)));
    }
    rows.sort_by(|a, b| {
        (&a.policy, &a.provider, &a.model, &a.day).cmp(&(&b.policy, &b.provider, &b.model, &b.day))
    });
    rows
}

fn call(policy: &Name, target: &TargetKey, day: Day, counted: Counted) -> CallCounts {
    let Counted { requests, routed, failures, fallbacks, input, output, cost, uncertain, latency, .. } =
        counted;
    let Counted { named, compared, baseline, chosen, baseline_quality, chosen_quality, .. } = counted;
    CallCounts {
        policy: policy.to_string(),
        provider: target.provider.to_string(),
        model: target.model.clone(),
        day: day.to_string(),
        requests,
        routed,
        failures,
        fallbacks,
        input_tokens: input,
        output_tokens: output,
        cost_nano: cost,
        uncertain_nano: uncertain,
        latency_buckets: latency.to_vec(),
        compared,
        baseline_nano: baseline,
        chosen_nano: chosen,
        baseline_quality_micro: baseline_quality,
        chosen_quality_micro: chosen_quality,
        named,
    }
}

fn limit(report: LimitReport) -> LimitCounts {
    LimitCounts {
        budget: report.key.budget.to_string(),
        limit: report.key.limit,
        window_id: report.window_id,
        spent: report.spent,
        uncertain: report.uncertain,
        reserved: report.reserved,
        unit: report.unit.to_string(),
    }
}

fn policies(plane: &Plane, pacing: &Pacing) -> Vec<PolicyState> {
    let rows = plane.snapshot.policies.iter().zip(&plane.policies);
    rows.map(|(policy, beside)| PolicyState {
        policy: policy.name.to_string(),
        generation: policy.generation,
        lambda: beside.live.lambda(),
        refused: beside.live.refused.load(Relaxed),
        chosen: beside.live.chosen.load(Relaxed),
        window_id: pacing.window(&policy.name).unwrap_or_default().to_owned(),
        window_spent_nano: beside.live.spent.load(Relaxed),
        sample: beside.live.sample().rows().map(|row| sampled(row)).collect(),
        scorer: scorer(beside),
    })
    .collect()
}

fn scorer(beside: &PolicyPart) -> Option<ScorerState> {
    let manifest = beside.scorer.model.as_ref()?.manifest();
    let guard = *beside.live.guard();
    Some(ScorerState {
        model: format!("{} {}", manifest.name, manifest.version),
        verdict: guard.verdict().as_str().to_owned(),
        weight: guard.weight(),
        feedback: guard.seen(),
    })
}

fn sampled(row: &[Offer]) -> SampledCall {
    SampledCall {
        quality: row.iter().map(|offer| offer.quality).collect(),
        cost_usd: row.iter().map(|offer| offer.cost).collect(),
    }
}

fn targets(plane: &Plane, shared: &Shared) -> Vec<TargetState> {
    let now = shared.clock.now();
    let row = |(i, target): (usize, &pointsman_core::snapshot::Target)| TargetState {
        provider: target.key.provider.to_string(),
        model: target.key.model.clone(),
        state: state_name(plane.health(i, now)).to_owned(),
    };
    plane.snapshot.targets.iter().enumerate().map(row).collect()
}
