//! Rules: which fit a call, and what they say together.
//!
//! `Reject` comes first; then `Exclude`, `Require` and `OverrideStrategy` add up; the first `UseModel`, `UseProvider` or
//! `UseTier` ends the search. A condition on complexity waits for the score; without one it fits nothing.

use pointsman_config::policy::{Action, ComplexityRange, Match, NamedValue, Objective, Optimizer, TextScope};
use smallvec::SmallVec;

use super::View;
use crate::facts::Facts;
use crate::pii;
use crate::snapshot::{Asked, Pattern, Rule};

/// What the rules say about a call.
#[derive(Debug, Default)]
pub(super) struct Ruling {
    pub(super) rejected_by: Option<usize>,
    /// Rules that exclude or require.
    pub(super) narrowing: SmallVec<[usize; 4]>,
    pub(super) objective: Option<Objective>,
    pub(super) optimizer: Option<Optimizer>,
    /// The rule that ends the search.
    pub(super) used: Option<usize>,
    /// Whether a condition on complexity was left aside, because nobody knows the complexity.
    pub(super) complexity_missing: bool,
}

/// The rules that fit a call, as far as that is known before it is scored.
#[derive(Debug, Default)]
pub(super) struct Fitting(SmallVec<[(usize, Fit); 4]>);

/// Whether a rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    /// If the complexity is in the range of one of these entries of `matches`, as bits.
    IfComplexity(u64),
}

/// The rules that fit, in order. Those that do not apply to calls like this one are left out.
pub(super) fn fitting(f: &Facts<'_>, v: &View<'_>, choosing: bool) -> Fitting {
    let choosing = v.asked == Asked::Virtual && choosing;
    let rules = v.policy.rules.iter().enumerate();
    let relevant = rules.filter(|(_, rule)| choosing || applies_to_named(&rule.action));
    Fitting(relevant.filter_map(|(i, rule)| Some((i, fit(f, rule)?))).collect())
}

/// Whether an action also applies to a call that names its model, or where nothing is chosen.
fn applies_to_named(action: &Action) -> bool {
    match action {
        Action::Reject { .. } | Action::Exclude { .. } | Action::Require { .. } => true,
        Action::OverrideStrategy { .. }
        | Action::UseModel { .. }
        | Action::UseProvider { .. }
        | Action::UseTier { .. } => false,
    }
}

impl Fitting {
    /// Whether anything depends on how complex the text is.
    pub(super) fn waits_for_complexity(&self, v: &View<'_>) -> bool {
        let rejects = |i: usize| matches!(v.policy.rules[i].action, Action::Reject { .. });
        let ends = |i: usize| is_end(&v.policy.rules[i].action);
        if self.0.iter().any(|(i, fit)| *fit == Fit::Yes && rejects(*i)) {
            return false;
        }
        let end = self.0.iter().position(|(i, fit)| *fit == Fit::Yes && ends(*i)).unwrap_or(self.0.len());
        let waits = |(_, fit): &&(usize, Fit)| matches!(fit, Fit::IfComplexity(_));
        self.0[..end].iter().any(|fit| waits(&fit))
            || self.0[end..].iter().filter(waits).any(|(i, _)| rejects(*i))
    }

    /// What the rules say, given the complexity.
    pub(super) fn rule(&self, v: &View<'_>, complexity: Option<f64>) -> Ruling {
        let mut ruling = Ruling::default();
        let fits = |(i, fit): &&(usize, Fit)| match fit {
            Fit::Yes => true,
            Fit::IfComplexity(entries) => {
                complexity.is_some_and(|c| is_complex(&v.policy.rules[*i], *entries, c))
            }
        };
        let waited = |(_, fit): &(usize, Fit)| matches!(fit, Fit::IfComplexity(_));
        ruling.complexity_missing = complexity.is_none() && self.0.iter().any(waited);
        let rejects = |i: &usize| matches!(v.policy.rules[*i].action, Action::Reject { .. });
        ruling.rejected_by = self.0.iter().filter(fits).map(|(i, _)| *i).find(rejects);
        for (i, _) in self.0.iter().filter(fits) {
            match &v.policy.rules[*i].action {
                Action::Reject { .. } => {}
                Action::Exclude { .. } | Action::Require { .. } => ruling.narrowing.push(*i),
                Action::OverrideStrategy { objective, optimizer } => {
                    ruling.objective = ruling.objective.or(*objective);
                    ruling.optimizer = ruling.optimizer.or(*optimizer);
                }
                Action::UseModel { .. } | Action::UseProvider { .. } | Action::UseTier { .. } => {
                    ruling.used = Some(*i);
                    break;
                }
            }
        }
        ruling
    }
}

fn is_end(action: &Action) -> bool {
    matches!(action, Action::UseModel { .. } | Action::UseProvider { .. } | Action::UseTier { .. })
}

fn is_complex(rule: &Rule, entries: u64, complexity: f64) -> bool {
    let within = |range: &ComplexityRange| {
        range.min.is_none_or(|min| complexity >= min) && range.max.is_none_or(|max| complexity <= max)
    };
    rule.matches
        .iter()
        .enumerate()
        .any(|(at, (m, _))| at < 64 && entries >> at & 1 == 1 && m.complexity.as_ref().is_some_and(within))
}

fn fit(f: &Facts<'_>, rule: &Rule) -> Option<Fit> {
    if rule.matches.is_empty() {
        return Some(Fit::Yes);
    }
    let mut waiting = 0;
    for (at, (m, pattern)) in rule.matches.iter().enumerate() {
        if !fits_but_for_complexity(f, m, pattern.as_ref()) {
            continue;
        }
        if m.complexity.is_none() {
            return Some(Fit::Yes);
        }
        waiting |= 1u64.checked_shl(at as u32).unwrap_or_default();
    }
    (waiting != 0).then_some(Fit::IfComplexity(waiting))
}

/// The cheap conditions first, the text last.
fn fits_but_for_complexity(f: &Facts<'_>, m: &Match, pattern: Option<&Pattern>) -> bool {
    let Match { model, text: _, input_tokens, complexity: _, headers, metadata, user, .. } = m;
    let Match { has_tools, has_images, pii, .. } = m;
    let tokens = input_tokens.unwrap_or_default();
    let fits = |wanted: &NamedValue, found: Option<std::borrow::Cow<'_, str>>| {
        found.is_some_and(|found| wanted.value.as_ref().is_none_or(|value| *value == found))
    };
    model.as_ref().is_none_or(|model| model == f.model)
        && tokens.min.is_none_or(|min| f.input_tokens >= min)
        && tokens.max.is_none_or(|max| f.input_tokens <= max)
        && has_tools.is_none_or(|wanted| wanted == f.needs.tools)
        && has_images.is_none_or(|wanted| wanted == f.needs.vision)
        && headers.iter().all(|wanted| fits(wanted, f.caller.header(&wanted.name)))
        && user.as_ref().is_none_or(|user| f.caller.user().is_some_and(|found| found == *user))
        && metadata.iter().all(|wanted| fits(wanted, f.caller.metadata(&wanted.name)))
        && pattern.is_none_or(|p| p.regex.is_match(&f.text.text(p.text.over)))
        && (pii.is_empty() || pii::stands_in(&f.text.text(TextScope::All), pii))
}
