//! What a Budget reports.

use jiff::{Timestamp, Zoned};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_config::amount::Unit;
use pointsman_config::budget::{Enforcement, LimitConfig};
use pointsman_config::entry::{Key, Kind, Name};
use pointsman_config::window::{Span, Window, time_zone};
use pointsman_crds::v1alpha1::budget::{BudgetStatus, BudgetSummary, LimitStatus};
use pointsman_crds::{ConditionType, Reason};

use super::Scene;
use super::conditions::{dated, nacked, ready};
use super::figures;
use super::programmed::programmed;
use crate::accounts::{Standing, shard_name};
use crate::compile::{BudgetFacts, Verdict};

/// Where one limit stands now.
pub(super) struct LimitNow<'a> {
    pub(super) limit: &'a LimitConfig,
    pub(super) standing: Standing,
    reserved: u64,
    span: Span,
    ends: Option<Zoned>,
    now: Timestamp,
}

impl Scene<'_> {
    /// The status of a budget; none for one that was not compiled.
    pub fn budget(&self, name: &Name, previous: Option<&BudgetStatus>) -> Option<BudgetStatus> {
        let outcome = self.compiled.budgets.get(name)?;
        let before: &[Condition] = previous.map_or(&[], |status| &status.conditions);
        let holders = self.coverage.holders.get(&Key { kind: Kind::Budget, name: name.clone() });
        let limits = self.limits(name, &outcome.facts);
        let [accepted, resolved] = outcome.verdicts();
        let idle = (Reason::Programmed, "No connected sidecar needs it yet.");
        let programmed = programmed(&outcome.entry, holders, idle, before);
        let ready = ready(
            [&accepted, &resolved, &programmed],
            "Valid, resolved, and with every sidecar that needs it.",
        );
        let summary = summary(&limits, &ready, self.now);
        let refusals = holders.map_or(&[][..], |holders| &holders.refusals);
        let verdicts = vec![
            accepted,
            resolved,
            programmed,
            ready,
            exhausted(&limits),
            counting_only(),
            nacked(refusals),
        ];
        Some(BudgetStatus {
            observed_generation: Some(outcome.entry.generation),
            conditions: dated(verdicts, before, outcome.entry.generation, self.now),
            summary: Some(summary),
            guarantee: Some(guarantee(outcome.facts.enforcement).to_owned()),
            limits: limits.iter().map(|limit| row(limit, name, &outcome.facts)).collect(),
            ledger_name: self.ledger.knows(name).then(|| shard_name(name, 0)),
        })
    }

    /// Where each limit of a budget stands.
    pub(super) fn limits<'f>(&self, name: &Name, facts: &'f BudgetFacts) -> Vec<LimitNow<'f>> {
        let stand = |limit: &'f LimitConfig| {
            let zone = time_zone(&limit.time_zone).ok()?;
            let span = limit.window.at(self.now, &zone);
            Some(LimitNow {
                limit,
                standing: self.ledger.standing(name, limit, &span.id),
                reserved: self.accounts.reserved(name, &limit.name, &span.id),
                ends: span.end.map(|end| end.to_zoned(zone)),
                span,
                now: self.now,
            })
        };
        facts.limits.iter().filter_map(stand).collect()
    }
}

impl LimitNow<'_> {
    fn unit(&self) -> Unit {
        self.limit.amount.unit
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.standing.spent >= self.limit.amount.value
    }

    /// `$2000/Month`
    pub(super) fn name(&self) -> String {
        format!("{}/{}", figures::amount(self.limit.amount), self.limit.window)
    }

    /// Parts of a million that are used up.
    fn used(&self) -> u128 {
        (u128::from(self.standing.spent) * 1_000_000)
            .checked_div(u128::from(self.limit.amount.value))
            .unwrap_or(u128::MAX)
    }

    /// Seconds since the window began; none for a window without a beginning.
    fn elapsed(&self) -> Option<f64> {
        self.span.end?;
        Some(self.now.duration_since(self.span.start).as_secs_f64())
    }

    /// What will be spent by the end of the window at its own pace so far; none while too little of it has passed.
    pub(super) fn forecast(&self) -> Option<u64> {
        const ENOUGH: f64 = 0.02;
        let length = self.span.end?.duration_since(self.span.start).as_secs_f64();
        let passed = self.elapsed()? / length;
        let long = !matches!(self.limit.window, Window::Minute | Window::Total);
        (long && passed >= ENOUGH).then(|| (self.standing.spent as f64 / passed) as u64)
    }

    /// The pace since the window began.
    fn per_hour(&self) -> Option<u64> {
        const A_MINUTE: f64 = 60.0;
        let elapsed = self.elapsed().filter(|elapsed| *elapsed >= A_MINUTE)?;
        Some((self.standing.spent as f64 * 3600.0 / elapsed) as u64)
    }

    /// `Dec 1`, `00:00`, `never`.
    pub(super) fn resets_at(&self) -> String {
        let Some(ends) = &self.ends else { return "never".to_owned() };
        match self.limit.window {
            Window::Minute | Window::Hour | Window::Day => ends.strftime("%H:%M").to_string(),
            Window::Week | Window::Month | Window::Total => ends.strftime("%b %-d").to_string(),
        }
    }

    /// When the window ends, exactly, in the limit's zone.
    pub(super) fn ends(&self) -> Option<String> {
        self.ends.as_ref().map(|ends| ends.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
    }
}

fn summary(limits: &[LimitNow<'_>], ready: &Verdict, now: Timestamp) -> BudgetSummary {
    let mut fullest: Option<&LimitNow<'_>> = None;
    for limit in limits {
        if fullest.is_none_or(|known| limit.used() > known.used()) {
            fullest = Some(limit);
        }
    }
    let state = if ready.status { state(limits) } else { ready.reason.as_str() };
    let Some(limit) = fullest else {
        return BudgetSummary { state: Some(state.to_owned()), ..BudgetSummary::default() };
    };
    let unit = limit.unit();
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let forecast = limit.forecast().map(|value| match unit {
        Unit::Usd => figures::round_money(value),
        Unit::Tokens | Unit::Requests => value.to_string(),
    });
    BudgetSummary {
        state: Some(state.to_owned()),
        limit: Some(limit.name()),
        spent: Some(figures::rounded(limit.standing.spent, unit)),
        used: Some(figures::percent(limit.standing.spent, limit.limit.amount.value)),
        forecast: Some(or_dash(forecast)),
        resets_at: Some(limit.resets_at()),
        held: Some(figures::rounded(limit.reserved, unit)),
        burn_per_hour: Some(or_dash(limit.per_hour().map(|value| figures::rounded(value, unit)))),
        as_of: Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    }
}

fn state(limits: &[LimitNow<'_>]) -> &'static str {
    let at_risk =
        |limit: &LimitNow<'_>| limit.forecast().is_some_and(|forecast| forecast > limit.limit.amount.value);
    if limits.iter().any(LimitNow::is_exhausted) {
        "Exhausted"
    } else if limits.iter().any(at_risk) {
        "AtRisk"
    } else {
        "OnTrack"
    }
}

fn exhausted(limits: &[LimitNow<'_>]) -> Verdict {
    let used_up: Vec<_> = limits
        .iter()
        .filter(|limit| limit.is_exhausted())
        .map(|limit| {
            format!(
                "limit \"{}\" ({}) is used up until {}",
                limit.limit.name,
                limit.name(),
                limit.resets_at()
            )
        })
        .collect();
    if used_up.is_empty() {
        return Verdict::new(ConditionType::Exhausted, false, Reason::WithinLimit, "Every limit has room.");
    }
    Verdict::new(ConditionType::Exhausted, true, Reason::LimitReached, used_up.join("; "))
}

fn counting_only() -> Verdict {
    let message = "Rights are not handed out across pods: calls are counted and reported, none is refused.";
    Verdict::new(ConditionType::CountingOnly, true, Reason::RightsNotAllotted, message)
}

fn guarantee(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Soft => "Soft: calls are counted and reported, none is refused.",
        Enforcement::Strict | Enforcement::Hybrid => {
            "None yet: in a cluster calls are counted and reported, and none is refused (CountingOnly)."
        }
    }
}

fn row(limit: &LimitNow<'_>, name: &Name, facts: &BudgetFacts) -> LimitStatus {
    let exact = |value: u64| figures::exact(value, limit.unit());
    LimitStatus {
        for_: if facts.namespaces.is_some() { "all".to_owned() } else { name.namespace.clone() },
        limit: limit.limit.name.clone(),
        remaining: exact(limit.limit.amount.value.saturating_sub(limit.standing.spent)),
        reserved: Some(exact(limit.reserved)),
        resets_at: limit.ends(),
        spent: exact(limit.standing.spent),
        uncertain: Some(exact(limit.standing.uncertain)),
    }
}
