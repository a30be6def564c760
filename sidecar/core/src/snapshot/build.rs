//! Joins objects into a snapshot. Never fails: what does not fit together is left out and can be seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman_config::amount::Unit;
use pointsman_config::budget::{BudgetConfig, BudgetSelector, Enforcement, OnExhausted};
use pointsman_config::entry::{Compiled, Name};
use pointsman_config::objects::{Object, Objects};
use pointsman_config::policy::{Action, Match, Mode, PolicyConfig, Requirement, Rule as RuleConfig};
use pointsman_config::provider::ProviderConfig;
use pointsman_config::window::Window;

use super::check::compile_regex;
use super::requirement::unmet;
use super::{
    Budget, CandMask, Candidate, Limit, LimitKey, MAX_CANDIDATES, Pattern, Policy, Provider, Rule, Snapshot,
    Target, TargetKey, Unmet,
};

impl Snapshot {
    /// Joins `objects`, each of which has passed [`super::check`].
    pub fn build(objects: &Objects) -> Self {
        let mut snapshot = Self::default();
        let mut policies = Vec::new();
        for object in objects.iter() {
            match &object.compiled {
                Compiled::Provider(provider) => snapshot.add_provider(&object.key.name, provider),
                Compiled::Budget(budget) => snapshot.add_budget(&object.key.name, budget),
                Compiled::Policy(policy) => policies.push((object, policy)),
            }
        }
        let targets: BTreeMap<TargetKey, usize> =
            snapshot.targets.iter().enumerate().map(|(i, t)| (t.key.clone(), i)).collect();
        for (object, policy) in policies {
            let built = snapshot.build_policy(object, policy, &targets);
            snapshot.policies.push(built);
        }
        snapshot.virtual_models = virtual_models(&snapshot.policies);
        snapshot
    }

    fn add_provider(&mut self, name: &Name, config: &ProviderConfig) {
        let provider = self.providers.len();
        self.targets.extend(config.models.iter().map(|model| Target {
            key: TargetKey { provider: name.clone(), model: model.name.clone() },
            provider,
            model: model.clone(),
        }));
        self.providers.push(Provider { name: name.clone(), config: config.clone() });
    }

    fn add_budget(&mut self, name: &Name, config: &BudgetConfig) {
        let budget = self.budgets.len();
        self.limits.extend(config.limits.iter().map(|limit| Limit {
            key: LimitKey { budget: name.clone(), limit: limit.name.clone() },
            budget,
            config: limit.clone(),
        }));
        self.budgets.push(Budget { name: name.clone(), config: config.clone() });
    }

    fn build_policy(
        &self,
        object: &Object,
        config: &PolicyConfig,
        targets: &BTreeMap<TargetKey, usize>,
    ) -> Policy {
        let name = &object.key.name;
        let mut candidates = Vec::new();
        let mut unserved = Vec::new();
        for wanted in &config.candidates {
            let before = candidates.len();
            for provider in &wanted.providers {
                let key = TargetKey { provider: provider.clone(), model: wanted.model.clone() };
                if let Some(&target) = targets.get(&key) {
                    let limits = self.limits_that_count(name, &key);
                    let tier = wanted.tier.as_ref();
                    let own_weight = self.targets[target].model.prior.sampling_weight;
                    candidates.push(Candidate {
                        target,
                        limits,
                        listed: true,
                        lead: before,
                        tier: tier.and_then(|tier| config.tiers.iter().position(|t| t.name == *tier)),
                        sampling_weight: f64::from(wanted.weight.unwrap_or(own_weight)),
                        unmet: self.unmet(&config.requires, target),
                    });
                }
            }
            if candidates.len() == before {
                unserved.push(wanted.model.clone());
            }
        }
        if config.mode != Mode::Route {
            self.add_unlisted(name, config, &mut candidates);
        }
        candidates.truncate(MAX_CANDIDATES);
        let default = self.default_candidate(config, &candidates);
        let baseline = self.baseline(config, &candidates);
        let paced_by = self.paced_by(config, &candidates);
        Policy {
            name: name.clone(),
            uid: object.uid.clone(),
            generation: object.generation,
            config: config.clone(),
            unserved,
            rules: config.rules.iter().map(|rule| self.build_rule(rule, config, &candidates)).collect(),
            candidates,
            default,
            paced_by,
            baseline,
        }
    }

    fn unmet(&self, required: &Requirement, target: usize) -> Option<Unmet> {
        let target = &self.targets[target];
        unmet(required, &self.providers[target.provider].config, &target.model)
    }

    fn build_rule(&self, rule: &RuleConfig, config: &PolicyConfig, candidates: &[Candidate]) -> Rule {
        let unmet: Vec<_> = match &rule.action {
            Action::Require { requirement } => {
                candidates.iter().map(|candidate| self.unmet(requirement, candidate.target)).collect()
            }
            _ => Vec::new(),
        };
        let is_named = |i: &usize| {
            let (candidate, key) = (&candidates[*i], &self.targets[candidates[*i].target].key);
            match &rule.action {
                Action::UseModel { model } => key.model == *model,
                Action::Exclude { models } => models.contains(&key.model),
                Action::UseProvider { provider } => key.provider == *provider,
                Action::UseTier { tier } => candidate.tier.is_some_and(|at| config.tiers[at].name == *tier),
                Action::Require { .. } => unmet[*i].is_none(),
                Action::OverrideStrategy { .. } | Action::Reject { .. } => false,
            }
        };
        let named = (0..candidates.len()).filter(is_named).fold(CandMask::default(), CandMask::with);
        Rule {
            name: rule.name.clone(),
            matches: rule.matches.iter().map(|m| (m.clone(), pattern(m))).collect(),
            action: rule.action.clone(),
            named,
            unmet,
        }
    }

    fn limits_that_count(&self, policy: &Name, target: &TargetKey) -> smallvec::SmallVec<[usize; 4]> {
        let counts =
            |i: &usize| selects(&self.budgets[self.limits[*i].budget].config.selector, policy, target);
        (0..self.limits.len()).filter(counts).collect()
    }

    /// Adds every target that is not a candidate yet.
    fn add_unlisted(&self, policy: &Name, config: &PolicyConfig, candidates: &mut Vec<Candidate>) {
        for (target, known) in self.targets.iter().enumerate() {
            if candidates.iter().any(|c| c.target == target) {
                continue;
            }
            let same = |c: &Candidate| self.targets[c.target].key.model == known.key.model;
            candidates.push(Candidate {
                target,
                limits: self.limits_that_count(policy, &known.key),
                listed: false,
                lead: candidates.iter().position(same).unwrap_or(candidates.len()),
                tier: None,
                sampling_weight: f64::from(known.model.prior.sampling_weight),
                unmet: self.unmet(&config.requires, target),
            });
        }
    }

    /// The limits to whose window spending is paced: money, of budgets that degrade, over every candidate alike. One that
    /// counts only some candidates keeps those from being picked when it is full; a price would hold the others back too.
    /// A limit without an end gives way to a target that the policy names.
    fn paced_by(&self, config: &PolicyConfig, candidates: &[Candidate]) -> smallvec::SmallVec<[usize; 4]> {
        let strategy = &config.strategy;
        let has_target = strategy.spend_per_thousand_calls.is_some() || strategy.spend_per_window.is_some();
        let paces = |i: &usize| {
            let limit = &self.limits[*i];
            let budget = &self.budgets[limit.budget].config;
            limit.config.amount.unit == Unit::Usd
                && budget.on_exhausted == OnExhausted::Degrade
                && budget.enforcement != Enforcement::Soft
                && (limit.config.window != Window::Total || !has_target)
                && candidates.iter().filter(|c| c.listed).all(|c| c.limits.contains(i))
        };
        if candidates.iter().all(|candidate| !candidate.listed) {
            return smallvec::SmallVec::new();
        }
        (0..self.limits.len()).filter(paces).collect()
    }

    /// The candidates of the model that savings are measured against: the policy's baseline, else its default model.
    fn baseline(&self, config: &PolicyConfig, candidates: &[Candidate]) -> CandMask {
        let Some(model) = config.baseline.as_ref().or(config.default_model.as_ref()) else {
            return CandMask::default();
        };
        let fits = |i: &usize| self.targets[candidates[*i].target].key.model == *model;
        (0..candidates.len()).filter(fits).fold(CandMask::default(), CandMask::with)
    }

    fn default_candidate(&self, config: &PolicyConfig, candidates: &[Candidate]) -> Option<usize> {
        let model = |c: &Candidate| &self.targets[c.target].model;
        let observed = config.baseline.as_ref().filter(|_| config.mode == Mode::Observe);
        let asked = config.default_model.as_ref().or(observed);
        let wanted = |i: &usize| asked.is_some_and(|wanted| model(&candidates[*i]).name == *wanted);
        let listed = || (0..candidates.len()).filter(|i| candidates[*i].listed);
        let better = |a: &usize, b: &usize| {
            let (a, b) = (model(&candidates[*a]), model(&candidates[*b]));
            b.prior.quality.total_cmp(&a.prior.quality).then_with(|| a.name.cmp(&b.name))
        };
        listed().find(wanted).or_else(|| listed().min_by(better))
    }
}

fn selects(selector: &BudgetSelector, policy: &Name, target: &TargetKey) -> bool {
    let fits = |empty: bool, found: bool| empty || found;
    fits(selector.models.is_empty(), selector.models.contains(&target.model))
        && fits(selector.policies.is_empty(), selector.policies.contains(policy))
        && fits(selector.providers.is_empty(), selector.providers.contains(&target.provider))
}

/// An expression that does not compile never passes `check`.
fn pattern(m: &Match) -> Option<Pattern> {
    let text = m.text.as_ref()?;
    compile_regex(&text.regex).ok().map(|regex| Pattern { text: text.clone(), regex })
}

/// Which policy answers for which virtual model; the operator has settled conflicts, else the first name wins.
fn virtual_models(policies: &[Policy]) -> BTreeMap<Arc<str>, usize> {
    let mut by_name = BTreeMap::new();
    for (i, policy) in policies.iter().enumerate() {
        for model in &policy.config.virtual_models {
            by_name.entry(model.as_str().into()).or_insert(i);
        }
    }
    by_name
}
