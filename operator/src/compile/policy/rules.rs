//! Rules: expressions checked, and bound to the candidates that resolved.

use std::collections::BTreeSet;

use pointsman_config::policy::{self, CandidateConfig, ComplexityRange, NamedValue, TokenRange};
use pointsman_crds::v1alpha1::routingpolicy::{self as api, ActionType, RoutingPolicySpec};
use regex::RegexBuilder;

use super::candidates::Reach;
use super::requirement::requirement;
use super::strategy::{objective, optimizer};
use crate::compile::problem::{Problems, Reason};
use crate::compile::provider::number;

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
    if *entry == api::Match::default() {
        let message =
            "a match needs at least one condition; leave matches out for a rule that always applies";
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
    let complexity = match &entry.complexity {
        Some(range) => Some(complexity_range(&format!("{path}.complexity"), range, problems)?),
        None => None,
    };
    let headers = entry.headers.iter().map(|h| named(&h.name.to_ascii_lowercase(), h.value.as_ref()));
    let metadata = entry.metadata.iter().map(|m| named(&m.name, m.value.as_ref()));
    Some(policy::Match {
        model: entry.model.clone(),
        text,
        input_tokens,
        complexity,
        headers: headers.collect(),
        metadata: metadata.collect(),
        user: entry.user.clone(),
        has_tools: entry.has_tools,
        has_images: entry.has_images,
        pii: entry.pii.iter().copied().map(pii).collect(),
    })
}

fn pii(kind: api::Pii) -> policy::Pii {
    match kind {
        api::Pii::Email => policy::Pii::Email,
        api::Pii::PhoneNumber => policy::Pii::PhoneNumber,
        api::Pii::PaymentCard => policy::Pii::PaymentCard,
        api::Pii::Iban => policy::Pii::Iban,
        api::Pii::UsSocialSecurity => policy::Pii::UsSocialSecurity,
    }
}

fn named(name: &str, value: Option<&String>) -> NamedValue {
    NamedValue { name: name.to_owned(), value: value.cloned() }
}

fn complexity_range(
    path: &str,
    range: &api::ComplexityRange,
    problems: &mut Problems,
) -> Option<ComplexityRange> {
    let min = fraction(&format!("{path}.min"), range.min.as_ref(), problems)?;
    let max = fraction(&format!("{path}.max"), range.max.as_ref(), problems)?;
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        problems.add(path, Reason::Invalid, "min must not be greater than max");
        return None;
    }
    Some(ComplexityRange { min, max })
}

/// A number from 0 to 1 that may be absent; none where it stands there and is none.
pub(super) fn fraction(path: &str, text: Option<&String>, problems: &mut Problems) -> Option<Option<f64>> {
    match text {
        Some(text) => number(path, text, 0.0..=1.0, problems).map(Some),
        None => Some(None),
    }
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
        ActionType::UseTier => {
            let Some(tier) = &action.use_tier else {
                return problems.refuse(path, missing("useTier", action));
            };
            let of = |candidate: &api::Candidate| candidate.tier.as_ref() == Some(&tier.name);
            if !rest.spec.candidates.iter().any(of) {
                let message = format!("\"{}\" is the tier of no candidate of this policy", tier.name);
                problems.add(format!("{path}.useTier.name"), Reason::Invalid, message);
            }
            let is_served = rest.resolved.iter().any(|candidate| candidate.tier.as_ref() == Some(&tier.name));
            is_served.then(|| policy::Action::UseTier { tier: tier.name.clone() })
        }
        ActionType::Require => {
            let Some(require) = &action.require else {
                return problems.refuse(path, missing("require", action));
            };
            Some(policy::Action::Require { requirement: requirement(require) })
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
