//! Rules: expressions checked, and bound to the candidates that resolved.

use std::collections::BTreeSet;

use pointsman_config::policy::{self, CandidateConfig, TokenRange};
use pointsman_crds::v1alpha1::routingpolicy::{self as api, ActionType, RoutingPolicySpec};
use regex::RegexBuilder;

use super::candidates::Reach;
use super::strategy::{objective, optimizer};
use crate::compile::problem::{Problems, Reason};

/// The most memory that one compiled expression may take.
const MOST_REGEX_BYTES: usize = 1 << 20;

/// Compiles the rules in order. A rule whose candidates did not resolve is left out; the candidate's problem says why.
pub(super) fn compile(
    reach: &Reach<'_>,
    spec: &RoutingPolicySpec,
    resolved: &[CandidateConfig],
    problems: &mut Problems,
) -> Vec<policy::Rule> {
    let mut names = BTreeSet::new();
    let mut rules = Vec::new();
    for (index, rule) in spec.rules.iter().enumerate() {
        let path = format!("spec.rules[{index}]");
        if !names.insert(&rule.name) {
            problems.add(format!("{path}.name"), Reason::Invalid, "give each rule a name of its own");
        }
        let numbered = rule.matches.iter().enumerate();
        let matches: Vec<_> = numbered
            .filter_map(|(at, entry)| one_match(&format!("{path}.matches[{at}]"), entry, problems))
            .collect();
        let rest = Rest { reach, spec, resolved };
        let action = action(&rest, &format!("{path}.action"), &rule.action, problems);
        let complete = matches.len() == rule.matches.len();
        rules.extend(action.filter(|_| complete).map(|action| policy::Rule {
            name: rule.name.clone(),
            matches,
            action,
        }));
    }
    rules
}

struct Rest<'a> {
    reach: &'a Reach<'a>,
    spec: &'a RoutingPolicySpec,
    resolved: &'a [CandidateConfig],
}

impl Rest<'_> {
    fn is_resolved(&self, model: &str) -> bool {
        self.resolved.iter().any(|candidate| candidate.model == model)
    }

    /// Notes a name that is no candidate at all.
    fn check_candidate(&self, path: &str, model: &str, problems: &mut Problems) {
        if !self.spec.candidates.iter().any(|candidate| candidate.model == model) {
            problems.add(
                path,
                Reason::Invalid,
                format!("\"{model}\" is no candidate of this policy: add it, or name one"),
            );
        }
    }
}

fn one_match(path: &str, entry: &api::Match, problems: &mut Problems) -> Option<policy::Match> {
    if entry.model.is_none() && entry.text.is_none() && entry.input_tokens.is_none() {
        let message =
            "a match needs model, text or inputTokens; leave matches out for a rule that always applies";
        problems.add(path, Reason::Invalid, message);
        return None;
    }
    let text = match &entry.text {
        Some(text) => Some(text_match(&format!("{path}.text.regex"), text, problems)?),
        None => None,
    };
    let input_tokens = match &entry.input_tokens {
        Some(range) => Some(token_range(&format!("{path}.inputTokens"), range, problems)?),
        None => None,
    };
    Some(policy::Match { model: entry.model.clone(), text, input_tokens })
}

fn text_match(path: &str, text: &api::TextMatch, problems: &mut Problems) -> Option<policy::TextMatch> {
    let built = RegexBuilder::new(&text.regex).size_limit(MOST_REGEX_BYTES).build();
    if let Err(error) = built {
        let message =
            format!("\"{}\" is no regular expression: {}", text.regex, last_line(&error.to_string()));
        problems.add(path, Reason::Invalid, message);
        return None;
    }
    let over = match text.over {
        api::TextScope::LastUserMessage => policy::TextScope::LastUserMessage,
        api::TextScope::UserText => policy::TextScope::UserText,
        api::TextScope::All => policy::TextScope::All,
    };
    Some(policy::TextMatch { regex: text.regex.clone(), over })
}

/// What went wrong, without the picture that points at it.
fn last_line(error: &str) -> &str {
    error.trim_end().rsplit('\n').next().unwrap_or(error).trim_start_matches("error: ")
}

fn token_range(path: &str, range: &api::TokenRange, problems: &mut Problems) -> Option<TokenRange> {
    let tokens = |count: i32| u64::try_from(count).unwrap_or_default();
    let (min, max) = (range.min.map(tokens), range.max.map(tokens));
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        problems.add(path, Reason::Invalid, "min must not be greater than max");
        return None;
    }
    Some(TokenRange { min, max })
}

fn action(
    rest: &Rest<'_>,
    path: &str,
    action: &api::Action,
    problems: &mut Problems,
) -> Option<policy::Action> {
    match action.type_ {
        ActionType::UseModel => {
            let Some(chosen) = &action.use_model else {
                return problems.refuse(path, missing("useModel", action));
            };
            rest.check_candidate(&format!("{path}.useModel.model"), &chosen.model, problems);
            rest.is_resolved(&chosen.model).then(|| policy::Action::UseModel { model: chosen.model.clone() })
        }
        ActionType::UseProvider => {
            let Some(reference) = &action.use_provider else {
                return problems.refuse(path, missing("useProvider", action));
            };
            use_provider(rest, &format!("{path}.useProvider"), reference, problems)
        }
        ActionType::Exclude => {
            let Some(exclude) = &action.exclude else {
                return problems.refuse(path, missing("exclude", action));
            };
            for (at, model) in exclude.models.iter().enumerate() {
                rest.check_candidate(&format!("{path}.exclude.models[{at}]"), model, problems);
            }
            let models: Vec<_> =
                exclude.models.iter().filter(|model| rest.is_resolved(model)).cloned().collect();
            (!models.is_empty()).then_some(policy::Action::Exclude { models })
        }
        ActionType::OverrideStrategy => {
            let Some(other) = &action.override_strategy else {
                return problems.refuse(path, missing("overrideStrategy", action));
            };
            Some(policy::Action::OverrideStrategy {
                objective: other.objective.map(objective),
                optimizer: other.optimizer.map(optimizer),
            })
        }
        ActionType::Reject => {
            let Some(reject) = &action.reject else {
                return problems.refuse(path, missing("reject", action));
            };
            Some(policy::Action::Reject { message: reject.message.clone() })
        }
    }
}

fn missing(member: &str, action: &api::Action) -> String {
    format!("set {member} when type is {}", action.type_)
}

fn use_provider(
    rest: &Rest<'_>,
    path: &str,
    reference: &pointsman_crds::shared::Reference,
    problems: &mut Problems,
) -> Option<policy::Action> {
    let (name, _) = rest.reach.provider(path, reference, problems)?;
    if rest.resolved.iter().any(|candidate| candidate.providers.contains(name)) {
        return Some(policy::Action::UseProvider { provider: name.clone() });
    }
    let message = format!(
        "LLMProvider \"{name}\" serves no candidate of this policy: name it in a candidate's providerRefs"
    );
    problems.add(path, Reason::UnknownProvider, message);
    None
}
