//! Decisions in words: reasons of candidates, refusals, reasoning. Rendered only when somebody looks.

use std::collections::BTreeSet;
use std::time::Duration;

use pointsman_config::policy::{Action, Optimizer};

use crate::decide::{
    Decision, Method, Outcome, PickReason, Reason, Refusal, ScoreSource, TierBy, TierChoice, Verdict,
};
use crate::snapshot::{Policy, Snapshot, Target, Unmet};

/// Renders decisions of one policy.
pub struct Explainer<'a> {
    /// The world of the decision.
    pub snapshot: &'a Snapshot,
    /// Its policy.
    pub policy: &'a Policy,
}

impl Explainer<'_> {
    /// Why a candidate was left out, as part of a sentence: `no image input`.
    pub fn reason(&self, reason: &Reason) -> String {
        match reason {
            Reason::NoImageInput => "no image input".to_owned(),
            Reason::NoTools => "no tool calls".to_owned(),
            Reason::NoStructuredOutput => "no structured output".to_owned(),
            Reason::NoReasoning => "no reasoning".to_owned(),
            Reason::ContextWindow { tokens, window } => {
                format!("{tokens} tokens do not fit its window of {window}")
            }
            Reason::ExcludedByRule(rule) | Reason::NotUsedByRule(rule) => {
                format!("rule \"{}\"", self.policy.rules[*rule].name)
            }
            Reason::Unmet { rule, what } => {
                let what = match what {
                    Unmet::Region(region) => {
                        format!("its provider does not show data policy region {region}")
                    }
                    Unmet::Retention => {
                        "its provider does not show a retention as short as required".to_owned()
                    }
                    Unmet::Training => "its provider does not show that it never trains on data".to_owned(),
                    Unmet::Label(label) => format!("its provider lacks label {label}"),
                    Unmet::Capability(name) => format!("no {name}"),
                };
                match rule {
                    Some(rule) => format!("{what} (rule \"{}\")", self.policy.rules[*rule].name),
                    None => what,
                }
            }
            Reason::NotRequested => "another model was asked for".to_owned(),
            Reason::CircuitOpen { errors, wait } => {
                format!("circuit open after {errors} errors, next probe in {}", seconds(*wait))
            }
            Reason::RateLimited { wait } => format!("rate limited for {}", seconds(*wait)),
            Reason::CredentialRejected { .. } => "its credential is refused".to_owned(),
            Reason::PriceUnknown => "its price is unknown and a budget counts money".to_owned(),
            Reason::InputUnbounded => {
                "a strict budget counts it and nothing bounds what the request costs: it draws on files or \
                 searches, or asks for a dearer service tier, audio or a prediction"
                    .to_owned()
            }
            Reason::TooDear => "costs more than the policy allows a call".to_owned(),
            Reason::NoRoom(limit) => {
                format!("no room in budget {}", self.snapshot.limits[*limit].key.budget)
            }
            Reason::NotComparable => "its score is not a number".to_owned(),
            Reason::Unlisted => "not a candidate of the policy".to_owned(),
        }
    }

    /// The reason as callers see it in `x-pointsman-reason`.
    pub fn pick_reason(&self, reason: &PickReason) -> String {
        match reason {
            PickReason::Picked => "picked".to_owned(),
            PickReason::Requested => "requested".to_owned(),
            PickReason::Rule(rule) => format!("rule:{}", self.policy.rules[*rule].name),
            PickReason::Session => "session".to_owned(),
            PickReason::Budget => "budget".to_owned(),
            PickReason::Default => "default".to_owned(),
        }
    }

    /// What a refusal says to the caller, without the request id: whose object, which cause, no amounts.
    pub fn refusal(&self, d: &Decision, refusal: &Refusal) -> String {
        let policy = &self.policy.name;
        match refusal {
            Refusal::Rule { rule } => {
                let rule = &self.policy.rules[*rule];
                let why = match &rule.action {
                    Action::Reject { message } => message.trim_end_matches('.'),
                    _ => "",
                };
                format!("Rule \"{}\" of policy {policy} refuses this request: {why}.", rule.name)
            }
            Refusal::NoCandidate if d.considered.is_empty() => {
                format!(
                    "Policy {policy} has no candidate that a provider in reach serves{}.",
                    self.unserved()
                )
            }
            Refusal::NoCandidate => {
                format!("No candidate of policy {policy} can take this request: {}.", self.left_out(d, false))
            }
            Refusal::NotAvailable { .. } => {
                format!("No candidate of policy {policy} is available now: {}.", self.left_out(d, true))
            }
            Refusal::Budget { limit } => {
                format!("Budget {} is used up.", self.snapshot.limits[*limit].key.budget)
            }
        }
    }

    /// Two sentences on the choice: what picked whom for what, and what is expected of it.
    pub fn reasoning(&self, d: &Decision) -> String {
        let Outcome::Picked(i, reason) = &d.outcome else {
            let Outcome::Refused(refusal) = &d.outcome else { return String::new() };
            return self.refusal(d, refusal);
        };
        let row = &d.considered[*i];
        let name = self.name(row.target);
        let task = d.task.as_ref().map(|task| format!(" for {task}")).unwrap_or_default();
        let first = match reason {
            PickReason::Picked if d.infeasible => {
                format!("{name} is the cheapest{task}; none is within the bounds of the policy")
            }
            PickReason::Picked => format!("{name} {}{task}{}", self.how(d), self.tier(d)),
            PickReason::Session => {
                format!("{name} came out best{task} by the scores of the conversation so far")
            }
            PickReason::Requested => format!("{name} was asked for by name"),
            PickReason::Rule(_) => format!("{name} answers{task} because of {}", self.pick_reason(reason)),
            PickReason::Budget => {
                format!("{name} came out best{task} among those that the budgets have room for")
            }
            PickReason::Default => format!("{name} is the default: this policy does not choose now"),
        };
        let missing = match d.complexity_missing {
            true => "; how complex the text is, nobody said, so that nothing that asks for it applied",
            false => "",
        };
        let from = match row.source {
            ScoreSource::Scorer => "",
            ScoreSource::Estimate => " by an estimate, because the scorer does not know the model",
            ScoreSource::Prior => " by its prior",
        };
        let cost =
            row.expected_cost.map_or_else(|| "an unknown price".to_owned(), |c| format!("${c} expected"));
        let told = format!("{first}{missing}. Chance of a good answer {:.2}{from}, {cost}.", row.quality);
        match &d.served {
            Some((served, _)) => {
                let own = self.name(d.considered[*served].target);
                format!("{told} This policy only observes: {own}, the application's own choice, answers.")
            }
            None => told,
        }
    }

    /// `came out best of 3`, or with which chance it was drawn.
    fn how(&self, d: &Decision) -> String {
        let in_it = |i: &usize| matches!(d.considered[*i].verdict, Verdict::Picked | Verdict::StandsBy(_));
        let leads = (0..d.considered.len()).filter(in_it).map(|i| self.policy.candidates[i].lead);
        let models = leads.collect::<BTreeSet<_>>().len();
        match d.method {
            Method::Scored(Optimizer::SimpleLp | Optimizer::OptimalLp, _) if d.propensity < 1.0 => {
                format!("was drawn, with chance {:.2}, from the best mix within the bounds", d.propensity)
            }
            Method::Scored(optimizer, _) => format!("came out best of {models} by {}", optimizer.name()),
            Method::Direct | Method::Refused => "answers".to_owned(),
        }
    }

    fn tier(&self, d: &Decision) -> String {
        let Some(TierChoice { tier, by }) = d.tier else { return String::new() };
        let by = match by {
            TierBy::Complexity => "the text's complexity",
            TierBy::Tokens => "the conversation's length",
        };
        format!(" in tier {} by {by}", self.policy.config.tiers[tier].name)
    }

    /// The model's name of a target.
    pub fn name(&self, target: usize) -> &str {
        &self.target(target).key.model
    }

    fn target(&self, target: usize) -> &Target {
        &self.snapshot.targets[target]
    }

    fn unserved(&self) -> String {
        match self.policy.unserved.as_slice() {
            [] => String::new(),
            models => format!(": {}", models.join(", ")),
        }
    }

    /// `gpt-5-mini, llama-70b: no image input; claude: …`, candidates with one reason together, in order.
    fn left_out(&self, d: &Decision, with_provider: bool) -> String {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for row in &d.considered {
            let Verdict::LeftOut(reason) = &row.verdict else { continue };
            if matches!(reason, Reason::Unlisted | Reason::NotRequested) {
                continue;
            }
            let key = &self.target(row.target).key;
            let name = if with_provider {
                format!("{} ({})", key.model, key.provider.name)
            } else {
                key.model.clone()
            };
            let text = self.reason(reason);
            match groups.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(name),
                None => groups.push((text, vec![name])),
            }
        }
        let parts: Vec<String> =
            groups.into_iter().map(|(text, names)| format!("{}: {text}", names.join(", "))).collect();
        if parts.is_empty() { "none is left".to_owned() } else { parts.join("; ") }
    }
}

/// Whole seconds, rounded up: `8 s`.
fn seconds(wait: Duration) -> String {
    format!("{} s", wait.as_millis().div_ceil(1000))
}
