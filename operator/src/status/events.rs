//! What is worth an Event: transitions that people look for when they ask what happened.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_config::entry::Name;
use pointsman_crds::ConditionType;
use pointsman_crds::v1alpha1::budget::BudgetStatus;

use super::Scene;
use super::budget::LimitNow;
use super::figures;

/// One Event to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether somebody should look.
    pub warning: bool,
    /// In one CamelCase word.
    pub reason: &'static str,
    /// For people.
    pub note: String,
}

/// The notices of an object whose conditions have changed.
pub fn notices(previous: &[Condition], next: &[Condition]) -> Vec<Notice> {
    let mut notices = Vec::new();
    for condition in next {
        let before = previous.iter().find(|known| known.type_ == condition.type_);
        notices.extend(notice(before, condition));
    }
    notices
}

fn notice(before: Option<&Condition>, after: &Condition) -> Option<Notice> {
    let same = before.is_some_and(|b| b.status == after.status && b.reason == after.reason);
    let same_generation = before.is_some_and(|b| b.observed_generation == after.observed_generation);
    let is = |type_: ConditionType, status: &str| after.type_ == type_.as_str() && after.status == status;
    let told = |warning, reason| Some(Notice { warning, reason, note: after.message.clone() });
    if is(ConditionType::Programmed, "True") && !(same && same_generation) {
        return told(false, "Published");
    }
    if same {
        return None;
    }
    if is(ConditionType::Accepted, "False") {
        return told(true, "NotAccepted");
    }
    if is(ConditionType::ResolvedRefs, "False") {
        return told(true, "NotResolved");
    }
    if is(ConditionType::Nacked, "True") {
        return told(true, "Nacked");
    }
    if is(ConditionType::Conflicted, "True") {
        return told(true, "Conflicted");
    }
    if is(ConditionType::Exhausted, "True") {
        return told(true, "Exhausted");
    }
    None
}

impl Scene<'_> {
    /// The notice for each limit that has crossed a threshold since the stored status. One that crosses several at once
    /// tells the highest.
    pub fn thresholds(&self, name: &Name, previous: Option<&BudgetStatus>) -> Vec<Notice> {
        let Some(outcome) = self.compiled.budgets.get(name) else { return Vec::new() };
        let limits = self.limits(name, &outcome.facts);
        limits.iter().filter_map(|limit| crossed(limit, &outcome.facts.thresholds, previous)).collect()
    }
}

fn crossed(limit: &LimitNow<'_>, thresholds: &[u64], previous: Option<&BudgetStatus>) -> Option<Notice> {
    let row = previous?.limits.iter().find(|row| row.limit == limit.limit.name);
    let same_window = row.filter(|row| row.resets_at == limit.ends());
    let before = same_window.map_or(Some(0), |row| figures::parse(&row.spent, limit.limit.amount.unit))?;
    let amount = limit.limit.amount.value;
    let reached =
        |spent: u64, percent: u64| u128::from(spent) * 100 >= u128::from(amount) * u128::from(percent);
    let percent = thresholds
        .iter()
        .rev()
        .find(|percent| reached(limit.standing.spent, **percent) && !reached(before, **percent))?;
    let pace = limit.forecast().and_then(|forecast| figures::share(forecast, amount));
    let pace =
        pace.map_or(String::new(), |share| format!("; at this pace {share}% by the end of the window"));
    let note = format!("{percent}% of {} spent{pace}.", limit.name());
    Some(Notice { warning: *percent >= 80, reason: "ThresholdReached", note })
}
