//! Tiers, from strings to values.

use std::collections::BTreeSet;

use pointsman_config::policy::{Balancing, TierConfig};
use pointsman_crds::v1alpha1::routingpolicy::{self as api, RoutingPolicySpec};

use super::rules::fraction;
use crate::compile::problem::{Problems, Reason};

/// Compiles the tiers; the schema promises most of it to those who come through an API server.
pub(super) fn compile(spec: &RoutingPolicySpec, problems: &mut Problems) -> Option<Vec<TierConfig>> {
    let names: BTreeSet<_> = spec.tiers.iter().map(|tier| tier.name.as_str()).collect();
    if names.len() < spec.tiers.len() {
        problems.add("spec.tiers", Reason::Invalid, "give each tier a name of its own");
    }
    for (index, candidate) in spec.candidates.iter().enumerate() {
        if candidate.tier.as_deref().is_some_and(|tier| !names.contains(tier)) {
            let path = format!("spec.candidates[{index}].tier");
            problems.add(path, Reason::Invalid, "a candidate's tier must be one of spec.tiers");
        }
    }
    let lowest = spec.tiers.iter().filter(|tier| tier.min_complexity.is_none() && tier.min_tokens.is_none());
    let lowest = lowest.count();
    if lowest > 1 && lowest < spec.tiers.len() {
        let message = "only one tier can be the lowest: give the others minComplexity or minTokens";
        problems.add("spec.tiers", Reason::Invalid, message);
    }
    let numbered = spec.tiers.iter().enumerate();
    numbered.map(|(index, tier)| one(&format!("spec.tiers[{index}]"), tier, problems)).collect()
}

fn one(path: &str, tier: &api::Tier, problems: &mut Problems) -> Option<TierConfig> {
    Some(TierConfig {
        name: tier.name.clone(),
        min_complexity: fraction(&format!("{path}.minComplexity"), tier.min_complexity.as_ref(), problems)?,
        min_tokens: tier.min_tokens.and_then(|tokens| u64::try_from(tokens).ok()),
    })
}

/// The way of balancing in the contract's words.
pub(super) fn balancing(balancing: api::Balancing) -> Balancing {
    match balancing {
        api::Balancing::RoundRobin => Balancing::RoundRobin,
        api::Balancing::WeightedRoundRobin => Balancing::WeightedRoundRobin,
        api::Balancing::LeastLatency => Balancing::LeastLatency,
        api::Balancing::Performance => Balancing::Performance,
        api::Balancing::CostOptimized => Balancing::CostOptimized,
        api::Balancing::HighestAvailability => Balancing::HighestAvailability,
        api::Balancing::Pareto => Balancing::Pareto,
    }
}
