//! What objects report: conditions, columns and figures, from what was compiled, linked and counted. Pure.
//!
//! ```text
//! CompiledWorld ─┐
//! pods, Links ───┼─► Scene ──► status of each object ──► change(previous, next) ──► write or not
//! Accounts, Ledger ┘                                 └─► events(previous, next)
//! ```

mod abtest;
mod budget;
mod change;
mod conditions;
mod coverage;
mod events;
mod figures;
mod policy;
mod programmed;
mod provider;
mod savings;
mod scorer;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pointsman_config::entry::Name;
use pointsman_config::money::Nano;

use crate::accounts::{Accounts, CallKey, Calls, Ledger, day};
use crate::compile::CompiledWorld;
use crate::links::Links;

pub use change::{Change, change};
pub use coverage::{Coverage, Holders, PodCounts, PodFacts};
pub use events::{Notice, notices};

/// Everything that status is made from, at one moment.
pub struct Scene<'a> {
    compiled: &'a CompiledWorld,
    accounts: &'a Accounts,
    ledger: &'a Ledger,
    coverage: Coverage,
    today: BTreeMap<CallKey, Calls>,
    /// What the target per window of each policy that has one leaves for a call.
    allowances: BTreeMap<Name, Nano>,
    now: Timestamp,
}

impl<'a> Scene<'a> {
    /// Counts pods and calls once for all objects.
    pub fn new(
        compiled: &'a CompiledWorld,
        pods: &[PodFacts],
        links: &Links,
        accounts: &'a Accounts,
        ledger: &'a Ledger,
        now: Timestamp,
    ) -> Self {
        let coverage = Coverage::of(compiled, pods, links, accounts);
        let today = accounts.of_day(&day(now));
        Self { compiled, accounts, ledger, coverage, today, allowances: BTreeMap::new(), now }
    }

    /// With what is left for a call of policies that have a target per window.
    pub fn with_allowances(self, allowances: BTreeMap<Name, Nano>) -> Self {
        Self { allowances, ..self }
    }

    /// Today's calls of a provider.
    fn calls_of_provider(&self, provider: &Name) -> Calls {
        sum(self.today.iter().filter(|(key, _)| key.provider == *provider).map(|(_, calls)| calls))
    }

    /// Today's calls of a policy by model.
    fn calls_of_policy(&self, policy: &Name) -> BTreeMap<&str, Calls> {
        let mut models: BTreeMap<&str, Calls> = BTreeMap::new();
        for (key, calls) in self.today.iter().filter(|(key, _)| key.policy == *policy) {
            models.entry(&key.model).or_default().add(calls);
        }
        models
    }
}

fn sum<'c>(calls: impl Iterator<Item = &'c Calls>) -> Calls {
    calls.fold(Calls::default(), |mut sum, calls| {
        sum.add(calls);
        sum
    })
}
