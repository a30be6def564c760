//! Resolves the model that a caller asked for: a virtual model, a candidate's name, an alias, or nothing we know.

use std::sync::Arc;

use pointsman_config::policy::{CallerOverride, Mode, Objective, RequestedModel};

use super::{CandMask, Policy, Snapshot};
use crate::overrides::split_suffix;

/// What the caller's model means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A virtual model: choose.
    Virtual,
    /// These candidates, all of one model, by name or alias.
    Named(CandMask),
}

/// Which policy answers, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index into [`Snapshot::policies`].
    pub policy: usize,
    /// The model as the caller named it.
    pub model: Arc<str>,
    /// What that means.
    pub asked: Asked,
    /// The objective that a suffix of the virtual model stands for.
    pub objective: Option<Objective>,
}

impl Snapshot {
    /// Finds the policy that answers for `model`; none when the model is not offered here.
    pub fn route(&self, model: &str) -> Option<Route> {
        if let Some((name, &policy)) = self.virtual_models.get_key_value(model) {
            return Some(Route { policy, model: name.clone(), asked: Asked::Virtual, objective: None });
        }
        if let Some(route) = self.by_suffix(model) {
            return Some(route);
        }
        self.by_precedence().find_map(|policy| {
            let asked = self.policies[policy].asked_by_name(self, model)?;
            Some(Route { policy, model: model.into(), asked, objective: None })
        })
    }

    /// A virtual model with a suffix, where its policy lets callers set the objective. A candidate may have such a name
    /// too: then it is meant.
    fn by_suffix(&self, model: &str) -> Option<Route> {
        let (name, objective) = split_suffix(model)?;
        let policy = *self.virtual_models.get(name)?;
        let answers = &self.policies[policy];
        let allowed = answers.config.caller_overrides.contains(&CallerOverride::Objective);
        let is_candidate = !answers.candidates_of(self, model).is_empty();
        (allowed && !is_candidate).then_some(Route {
            policy,
            model: model.into(),
            asked: Asked::Virtual,
            objective: Some(objective),
        })
    }

    /// The names that callers may ask for, virtual models first.
    pub fn offered(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.virtual_models.keys().map(|name| &**name).collect();
        for policy in &self.policies {
            for name in policy.config.candidates.iter().map(|c| c.model.as_str()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Policies that answer for `auto` first, then by name.
    fn by_precedence(&self) -> impl Iterator<Item = usize> + '_ {
        let auto = self.virtual_models.get("auto").copied();
        auto.into_iter().chain((0..self.policies.len()).filter(move |i| Some(*i) != auto))
    }
}

impl Policy {
    fn asked_by_name(&self, snapshot: &Snapshot, model: &str) -> Option<Asked> {
        let alias = self.config.model_aliases.iter().find(|a| a.name == model);
        let wanted = alias.map_or(model, |a| a.model.as_str());
        let named = self.candidates_of(snapshot, wanted);
        // While it observes it chooses for every call, and serves what was named.
        if self.config.mode == Mode::Route && self.config.requested_model == RequestedModel::Override {
            return Some(Asked::Virtual);
        }
        (!named.is_empty()).then_some(Asked::Named(named))
    }

    /// The candidates whose model has this name.
    pub fn candidates_of(&self, snapshot: &Snapshot, model: &str) -> CandMask {
        let fits = |i: &usize| snapshot.targets[self.candidates[*i].target].key.model == model;
        (0..self.candidates.len()).filter(fits).fold(CandMask::default(), CandMask::with)
    }
}
