//! What an ABTest reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pointsman_crds::v1alpha1::ABTest;
use pointsman_crds::v1alpha1::abtest::{ABTestStatus, ABTestSummary};
use pointsman_crds::{ConditionType, Reason};

use super::Scene;
use super::conditions::{dated, ready};
use crate::compile::{Verdict, name_of};

impl Scene<'_> {
    /// The status of a test; none for one that was not compiled.
    pub fn test(&self, test: &ABTest, previous: Option<&ABTestStatus>) -> Option<ABTestStatus> {
        let outcome = self.compiled.tests.get(&name_of(test))?;
        let before: &[Condition] = previous.map_or(&[], |status| &status.conditions);
        let [accepted, resolved] = outcome.verdicts();
        let programmed = if accepted.status && resolved.status {
            Verdict::new(ConditionType::Programmed, true, Reason::Programmed, "A draft changes no traffic.")
        } else {
            let message = "Sidecars get nothing of it.";
            Verdict::new(ConditionType::Programmed, false, Reason::NotProgrammed, message)
        };
        let ready = ready([&accepted, &resolved, &programmed], "The draft could run.");
        let state = if ready.status { test.spec.state.as_str() } else { ready.reason.as_str() };
        let summary = ABTestSummary {
            state: Some(state.to_owned()),
            policy: Some(test.spec.policy_ref.name.clone()),
            variants: Some(outcome.variants.clone()),
        };
        Some(ABTestStatus {
            observed_generation: Some(outcome.generation),
            conditions: dated(
                vec![accepted, resolved, programmed, ready],
                before,
                outcome.generation,
                self.now,
            ),
            summary: Some(summary),
        })
    }
}
