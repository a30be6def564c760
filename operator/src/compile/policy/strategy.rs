//! The finer settings of a choice, from strings to values.

use pointsman_config::amount::{Amount, Unit};
use pointsman_config::money::{Nano, PricePerMillion};
use pointsman_config::policy::{self, OnInfeasible, SpendPerWindow, Weights};
use pointsman_config::window::Window;
use pointsman_crds::shared::{Objective, Optimizer};
use pointsman_crds::v1alpha1::routingpolicy::{self as api, SpendTarget, SpendTargetType};

use crate::compile::problem::{Problems, Reason};

const PATH: &str = "spec.strategy";

/// Compiles the settings; absent ones are those of the objective.
pub(super) fn compile(strategy: Option<&api::Strategy>, problems: &mut Problems) -> Option<policy::Strategy> {
    let Some(strategy) = strategy else { return Some(policy::Strategy::default()) };
    let max_cost_per_call = match &strategy.max_cost_per_call {
        Some(text) => Some(problems.take(&format!("{PATH}.maxCostPerCall"), Nano::parse_usd(text))?),
        None => None,
    };
    let max_price = match &strategy.max_price {
        Some(text) => Some(problems.take(&format!("{PATH}.maxPrice"), PricePerMillion::parse_usd(text))?),
        None => None,
    };
    let (spend_per_thousand_calls, spend_per_window) = match &strategy.spend_target {
        Some(target) => spend_target(target, problems)?,
        None => (None, None),
    };
    if strategy.optimizer == Some(Optimizer::Strict) && max_cost_per_call.is_none() && max_price.is_none() {
        let message = "optimizer Strict needs a bound: set maxCostPerCall or maxPrice";
        problems.add(format!("{PATH}.optimizer"), Reason::Invalid, message);
    }
    Some(policy::Strategy {
        optimizer: strategy.optimizer.map(optimizer),
        weights: strategy.weights.as_ref().map(weights),
        spend_per_thousand_calls,
        spend_per_window,
        max_cost_per_call,
        max_price,
        max_output_tokens: strategy.max_output_tokens.and_then(|tokens| u64::try_from(tokens).ok()),
        on_infeasible: on_infeasible(strategy.on_infeasible),
        sampling: match strategy.sampling {
            api::Sampling::Enabled => policy::Sampling::Enabled,
            api::Sampling::Disabled => policy::Sampling::Disabled,
        },
    })
}

/// One of the two kinds of target.
type SpendTargets = (Option<Nano>, Option<SpendPerWindow>);

fn spend_target(target: &SpendTarget, problems: &mut Problems) -> Option<SpendTargets> {
    let path = format!("{PATH}.spendTarget");
    match (target.type_, &target.per_thousand_calls, &target.window) {
        (SpendTargetType::PerThousandCalls, Some(average), _) => {
            let amount = money(&format!("{path}.perThousandCalls.amount"), &average.amount, problems)?;
            Some((Some(amount), None))
        }
        (SpendTargetType::Window, _, Some(window)) => {
            let amount = money(&format!("{path}.window.amount"), &window.amount, problems)?;
            Some((None, Some(SpendPerWindow { amount, window: spend_per(window.per) })))
        }
        (SpendTargetType::PerThousandCalls, None, _) => {
            let message = "type PerThousandCalls needs perThousandCalls.amount";
            problems.add(format!("{path}.perThousandCalls.amount"), Reason::Invalid, message);
            None
        }
        (SpendTargetType::Window, _, None) => {
            let message = "type Window needs window.amount and window.per";
            problems.add(format!("{path}.window.amount"), Reason::Invalid, message);
            None
        }
    }
}

fn money(path: &str, text: &str, problems: &mut Problems) -> Option<Nano> {
    let amount = problems.take(path, Amount::parse(text))?;
    if amount.unit != Unit::Usd {
        problems.add(path, Reason::Invalid, "a spend target is money: write 0.25 USD");
        return None;
    }
    Some(Nano(amount.value))
}

fn spend_per(per: api::SpendPer) -> Window {
    match per {
        api::SpendPer::Hour => Window::Hour,
        api::SpendPer::Day => Window::Day,
        api::SpendPer::Week => Window::Week,
        api::SpendPer::Month => Window::Month,
    }
}

fn weights(weights: &api::Weights) -> Weights {
    let weight = |value: i32| u32::try_from(value).unwrap_or_default();
    Weights { quality: weight(weights.quality), cost: weight(weights.cost), speed: weight(weights.speed) }
}

fn on_infeasible(on_infeasible: api::OnInfeasible) -> OnInfeasible {
    match on_infeasible {
        api::OnInfeasible::Cheapest => OnInfeasible::Cheapest,
        api::OnInfeasible::Error => OnInfeasible::Error,
    }
}

/// The objective in the contract's words.
pub(super) fn objective(objective: Objective) -> policy::Objective {
    match objective {
        Objective::Balanced => policy::Objective::Balanced,
        Objective::Quality => policy::Objective::Quality,
        Objective::Cost => policy::Objective::Cost,
        Objective::Speed => policy::Objective::Speed,
    }
}

/// The optimizer in the contract's words.
pub(super) fn optimizer(optimizer: Optimizer) -> policy::Optimizer {
    match optimizer {
        Optimizer::MaxScore => policy::Optimizer::MaxScore,
        Optimizer::Strict => policy::Optimizer::Strict,
        Optimizer::SimpleLp => policy::Optimizer::SimpleLp,
        Optimizer::OptimalLp => policy::Optimizer::OptimalLp,
        Optimizer::SpeedWeighted => policy::Optimizer::SpeedWeighted,
        Optimizer::Pareto => policy::Optimizer::Pareto,
        Optimizer::MostAvailable => policy::Optimizer::MostAvailable,
        Optimizer::Cheapest => policy::Optimizer::Cheapest,
        Optimizer::Fastest => policy::Optimizer::Fastest,
        Optimizer::ShadowPrice => policy::Optimizer::ShadowPrice,
    }
}
