//! ABTest: a draft is checked against its policy, and changes no traffic.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use pointsman_config::entry::Name;
use pointsman_config::money::Nano;
use pointsman_crds::v1alpha1::ABTest;
use pointsman_crds::v1alpha1::abtest::{OverrideType, Variant, VariantOverride};

use super::outcome::{Outcome, Verdict, name_of, verdicts};
use super::policy::{PolicyFacts, hint};
use super::problem::{Problem, Problems, Reason};

/// What checking a test gives. Sidecars get nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// The object's uid.
    pub uid: String,
    /// The generation that was checked.
    pub generation: i64,
    /// Everything that was found wrong.
    pub problems: Vec<Problem>,
    /// The variants and their shares: `control 90%, cheap 10%`.
    pub variants: String,
}

impl TestOutcome {
    /// The conditions Accepted and ResolvedRefs.
    pub fn verdicts(&self) -> [Verdict; 2] {
        verdicts(&self.problems)
    }

    /// The generation that was checked.
    pub fn generation(&self) -> i64 {
        self.generation
    }
}

/// Checks one test.
pub(super) fn compile(policies: &BTreeMap<Name, Outcome<PolicyFacts>>, test: &ABTest) -> TestOutcome {
    let mut problems = Problems::default();
    check_variants(test, &mut problems);
    check_references(policies, test, &mut problems);
    TestOutcome {
        uid: test.uid().unwrap_or_default(),
        generation: test.metadata.generation.unwrap_or_default(),
        problems: problems.into_vec(),
        variants: shares(&test.spec.variants),
    }
}

fn check_variants(test: &ABTest, problems: &mut Problems) {
    let spec = &test.spec;
    let names: BTreeSet<_> = spec.variants.iter().map(|variant| variant.name.as_str()).collect();
    if names.len() < spec.variants.len() || !(2..=4).contains(&spec.variants.len()) {
        problems.add("spec.variants", Reason::Invalid, "name 2 to 4 variants, each once");
    }
    if !names.contains(spec.control_name.as_str()) {
        problems.add("spec.controlName", Reason::Invalid, "controlName must be the name of a variant");
    }
    if spec.variants.iter().all(|variant| variant.weight <= 0) {
        problems.add("spec.variants", Reason::Invalid, "at least one variant needs a weight above zero");
    }
    for (index, variant) in spec.variants.iter().enumerate() {
        let path = format!("spec.variants[{index}].override");
        match &variant.override_ {
            Some(change) => check_override(&path, change, problems),
            None if variant.name != spec.control_name => {
                let message =
                    "a variant other than the control needs an override, else there is nothing to compare";
                problems.add(path, Reason::Invalid, message);
            }
            None => {}
        }
    }
}

fn check_override(path: &str, change: &VariantOverride, problems: &mut Problems) {
    match change.type_ {
        OverrideType::Model if change.model.is_none() => {
            problems.add(path, Reason::Invalid, "set model when type is Model");
        }
        OverrideType::Strategy if change.strategy.is_none() => {
            problems.add(path, Reason::Invalid, "set strategy when type is Strategy");
        }
        OverrideType::Model | OverrideType::Strategy => {}
    }
    let cap = change.strategy.as_ref().and_then(|strategy| strategy.max_cost_per_call.as_ref());
    if let Some(text) = cap {
        problems.take(&format!("{path}.strategy.maxCostPerCall"), Nano::parse_usd(text));
    }
}

fn check_references(policies: &BTreeMap<Name, Outcome<PolicyFacts>>, test: &ABTest, problems: &mut Problems) {
    let namespace = name_of(test).namespace;
    let name = Name::new(&namespace, &test.spec.policy_ref.name);
    let Some(policy) = policies.get(&name) else {
        let siblings =
            policies.keys().filter(|other| other.namespace == namespace).map(|other| other.name.as_str());
        let message = format!("RoutingPolicy \"{name}\" does not exist{}", hint(&name.name, siblings));
        problems.add("spec.policyRef.name", Reason::PolicyNotFound, message);
        return;
    };
    let candidates = &policy.facts.candidates;
    for (index, variant) in test.spec.variants.iter().enumerate() {
        let Some(model) = variant.override_.as_ref().and_then(|change| change.model.as_ref()) else {
            continue;
        };
        if !candidates.contains(&model.name) {
            let choices = candidates.iter().map(String::as_str);
            let message = format!(
                "\"{}\" is no candidate of RoutingPolicy \"{name}\"{}",
                model.name,
                hint(&model.name, choices)
            );
            problems.add(
                format!("spec.variants[{index}].override.model.name"),
                Reason::UnknownModel,
                message,
            );
        }
    }
}

fn shares(variants: &[Variant]) -> String {
    let all: i64 = variants.iter().map(|variant| i64::from(variant.weight)).sum();
    let share = |weight: i32| (i64::from(weight) * 100 + all / 2) / all.max(1);
    let shown: Vec<_> =
        variants.iter().map(|variant| format!("{} {}%", variant.name, share(variant.weight))).collect();
    shown.join(", ")
}
