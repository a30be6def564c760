//! Checks one compiled object by itself, so that a bad one is refused before it replaces a good one.

use pointsman_config::budget::BudgetConfig;
use pointsman_config::entry::{Compiled, Key};
use pointsman_config::policy::PolicyConfig;
use pointsman_config::provider::{ModelConfig, ProviderConfig, Upstream};
use pointsman_config::window;

use super::{MAX_CANDIDATES, Problem};

/// Everything about `object` that cannot be served, each with its path and a remedy.
pub fn check(key: &Key, object: &Compiled) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |path: String, message: String| found.push(Problem { key: key.clone(), path, message });
    if object.kind() != key.kind {
        say("kind".to_owned(), format!("the entry says {:?} and carries a {:?}", key.kind, object.kind()));
    }
    match object {
        Compiled::Provider(provider) => check_provider(provider, &mut say),
        Compiled::Policy(policy) => check_policy(policy, &mut say),
        Compiled::Budget(budget) => check_budget(budget, &mut say),
    }
    found
}

fn check_provider(provider: &ProviderConfig, say: &mut impl FnMut(String, String)) {
    match &provider.upstream {
        Upstream::Http(http) if http.host.is_empty() || http.port == 0 => {
            say("upstream".to_owned(), "a host and a port are needed".to_owned());
        }
        Upstream::Simulated(s) if !(s.clock_factor.is_finite() && s.clock_factor > 0.0) => {
            say("upstream.clockFactor".to_owned(), "a number above 0 is needed".to_owned());
        }
        Upstream::Simulated(s) if !(0.0..=1.0).contains(&s.failure_rate) => {
            say("upstream.failureRate".to_owned(), "a share from 0 to 1 is needed".to_owned());
        }
        Upstream::Http(_) | Upstream::Simulated(_) => {}
    }
    if provider.circuit_breaker.consecutive_errors == 0 {
        say("circuitBreaker.consecutiveErrors".to_owned(), "at least 1 is needed".to_owned());
    }
    for (i, model) in provider.models.iter().enumerate() {
        check_model(model, |field, message| say(format!("models[{i}].{field}"), message));
        if provider.models[..i].iter().any(|other| other.name == model.name) {
            say(format!("models[{i}].name"), format!("\"{}\" stands there twice", model.name));
        }
    }
}

fn check_model(model: &ModelConfig, mut say: impl FnMut(&str, String)) {
    let prior = &model.prior;
    if !(0.0..=1.0).contains(&prior.quality) {
        say("prior.quality", format!("{} is not a probability from 0 to 1", prior.quality));
    }
    let positive = |value: f64| value.is_finite() && value >= 0.0;
    let rates = [
        ("prior.firstTokenMs", prior.first_token_ms),
        ("prior.tokensPerSecond", prior.tokens_per_second),
        ("prior.outputTokens", prior.output_tokens),
    ];
    for (field, value) in rates {
        if !positive(value) {
            say(field, format!("{value} is not a number of at least 0"));
        }
    }
}

fn check_policy(policy: &PolicyConfig, say: &mut impl FnMut(String, String)) {
    let pairs: usize = policy.candidates.iter().map(|c| c.providers.len()).sum();
    if pairs > MAX_CANDIDATES {
        say(
            "candidates".to_owned(),
            format!("{pairs} pairs of model and provider; at most {MAX_CANDIDATES} fit"),
        );
    }
    if policy.resilience.attempts == 0 {
        say("resilience.attempts".to_owned(), "at least 1 is needed".to_owned());
    }
    for (i, rule) in policy.rules.iter().enumerate() {
        for (j, m) in rule.matches.iter().enumerate() {
            let Some(text) = &m.text else { continue };
            if let Err(error) = compile_regex(&text.regex) {
                say(format!("rules[{i}].matches[{j}].text.regex"), error.to_string());
            }
        }
    }
}

fn check_budget(budget: &BudgetConfig, say: &mut impl FnMut(String, String)) {
    for (i, limit) in budget.limits.iter().enumerate() {
        if let Err(error) = window::time_zone(&limit.time_zone) {
            say(format!("limits[{i}].timeZone"), error.to_string());
        }
        if budget.limits[..i].iter().any(|other| other.name == limit.name) {
            say(format!("limits[{i}].name"), format!("\"{}\" stands there twice", limit.name));
        }
    }
}

/// Compiles an expression within bounds that keep one policy from eating the data plane's memory.
pub(crate) fn compile_regex(text: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(text).size_limit(1 << 20).dfa_size_limit(1 << 20).build()
}
