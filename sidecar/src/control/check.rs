//! May an object be served by this process?

use pointsman_config::budget::Rights;
use pointsman_config::entry::{Compiled, Key};
use pointsman_config::provider::{ProviderConfig, Upstream};
use pointsman_core::snapshot::{Problem, check};

use crate::pool::Tls;
use crate::simulated::Simulations;

/// Everything that is wrong with an object, by itself and in this process.
pub(super) fn problems(key: &Key, compiled: &Compiled, has_store: bool) -> Vec<Problem> {
    let mut problems = if compiled.kind() == key.kind {
        check(key, compiled)
    } else {
        vec![problem(key, "", "the object is of another kind than its key says; send it under its own kind")]
    };
    if let Compiled::Budget(budget) = compiled
        && budget.rights == Rights::Local
        && !has_store
    {
        let message =
            "this process has no store to take rights from; use CountingOnly, or give it a state folder";
        problems.push(problem(key, "rights", message));
    }
    problems
}

/// Sets up what a provider needs before it is served.
pub(super) fn prepare(
    key: &Key,
    provider: &ProviderConfig,
    simulations: &mut Simulations,
    tls: &Tls,
) -> Option<Problem> {
    let failed = match &provider.upstream {
        Upstream::Http(http) if http.tls => tls.config().err().map(|error| ("upstream", error.to_string())),
        Upstream::Http(_) => None,
        Upstream::Simulated(_) => {
            simulations.ensure(&key.name, provider).err().map(|error| ("upstream.simulated", error))
        }
    };
    failed.map(|(path, message)| problem(key, path, &message))
}

fn problem(key: &Key, path: &str, message: &str) -> Problem {
    Problem { key: key.clone(), path: path.to_owned(), message: message.to_owned() }
}
