//! What a caller may decide for one call: the objective, a bound on cost, fewer candidates.
//!
//! Each needs the policy's consent (`callerOverrides`); a header that is not allowed, or says something else than it may, is
//! the caller's mistake and is named. Nothing here widens what the policy allows.

use pointsman_config::money::Nano;
use pointsman_config::policy::{CallerOverride, Objective};

use crate::snapshot::{CandMask, Policy, Snapshot};

/// Sets the objective.
pub const OBJECTIVE: &str = "x-pointsman-objective";
/// Bounds the expected cost, in USD.
pub const MAX_COST: &str = "x-pointsman-max-cost";
/// Names the candidates to choose among, with commas between.
pub const CANDIDATES: &str = "x-pointsman-candidates";

/// Suffixes of a virtual model, and the objective that each stands for.
pub const SUFFIXES: [(&str, Objective); 3] =
    [(":cheap", Objective::Cost), (":fast", Objective::Speed), (":best", Objective::Quality)];

/// What the caller decides for one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In place of the policy's objective, unless a rule sets one.
    pub objective: Option<Objective>,
    /// The call may be expected to cost at most this.
    pub max_cost: Option<Nano>,
    /// Only these candidates.
    pub candidates: Option<CandMask>,
}

/// A header that cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheeded {
    /// Which header.
    pub header: &'static str,
    /// What is wrong, as a sentence for the caller without a final dot.
    pub why: String,
}

impl Overrides {
    /// Reads the headers of a call; `header` gives the text of one, or nothing where it is absent. The objective of a
    /// suffix is `suffix`; the header, being more explicit, wins over it.
    pub fn read<'h>(
        snapshot: &Snapshot,
        policy: &Policy,
        suffix: Option<Objective>,
        header: impl Fn(&'static str) -> Option<&'h [u8]>,
    ) -> Result<Self, Unheeded> {
        let reader = Reader { snapshot, policy };
        let objective = header(OBJECTIVE).map(|value| reader.objective(value)).transpose()?;
        Ok(Self {
            objective: objective.or(suffix),
            max_cost: header(MAX_COST).map(|value| reader.max_cost(value)).transpose()?,
            candidates: header(CANDIDATES).map(|value| reader.candidates(value)).transpose()?,
        })
    }
}

/// The objective of a model name with a suffix, and the name without it.
pub fn split_suffix(model: &str) -> Option<(&str, Objective)> {
    SUFFIXES.iter().find_map(|(suffix, objective)| Some((model.strip_suffix(suffix)?, *objective)))
}

struct Reader<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
}

impl Reader<'_> {
    fn objective(&self, value: &[u8]) -> Result<Objective, Unheeded> {
        self.allowed(OBJECTIVE, CallerOverride::Objective)?;
        let text = text(value).to_ascii_lowercase();
        [Objective::Balanced, Objective::Quality, Objective::Cost, Objective::Speed]
            .into_iter()
            .find(|objective| format!("{objective:?}").eq_ignore_ascii_case(&text))
            .ok_or_else(|| unheeded(OBJECTIVE, "write Balanced, Quality, Cost or Speed".to_owned()))
    }

    fn max_cost(&self, value: &[u8]) -> Result<Nano, Unheeded> {
        self.allowed(MAX_COST, CallerOverride::MaxCost)?;
        let read = Nano::parse_usd(text(value)).ok().filter(|most| most.0 > 0);
        read.ok_or_else(|| unheeded(MAX_COST, "write USD above zero as digits, such as 0.02".to_owned()))
    }

    fn candidates(&self, value: &[u8]) -> Result<CandMask, Unheeded> {
        self.allowed(CANDIDATES, CallerOverride::Candidates)?;
        let listed = (0..self.policy.candidates.len()).filter(|i| self.policy.candidates[*i].listed);
        let listed = listed.fold(CandMask::default(), CandMask::with);
        let mut mask = CandMask::default();
        for name in text(value).split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let alias = self.policy.config.model_aliases.iter().find(|alias| alias.name == name);
            let model = alias.map_or(name, |alias| alias.model.as_str());
            let found = CandMask(self.policy.candidates_of(self.snapshot, model).0 & listed.0);
            if found.is_empty() {
                let why = format!("\"{name}\" is no candidate. Candidates: {}", self.names());
                return Err(unheeded(CANDIDATES, why));
            }
            mask = CandMask(mask.0 | found.0);
        }
        if mask.is_empty() {
            let why = format!("write names of candidates with commas between. Candidates: {}", self.names());
            return Err(unheeded(CANDIDATES, why));
        }
        Ok(mask)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.policy.config.candidates.iter().map(|c| c.model.as_str()).collect();
        names.join(", ")
    }

    fn allowed(&self, header: &'static str, what: CallerOverride) -> Result<(), Unheeded> {
        if self.policy.config.caller_overrides.contains(&what) {
            return Ok(());
        }
        let why = format!(
            "policy {} does not let callers set it: its spec.callerOverrides must list {what:?}",
            self.policy.name
        );
        Err(unheeded(header, why))
    }
}

/// What is no text says nothing that anybody could obey.
fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default().trim()
}

fn unheeded(header: &'static str, why: String) -> Unheeded {
    Unheeded { header, why }
}

#[cfg(test)]
mod tests {
    use pointsman_config::policy::PolicyConfig;

    use super::*;
    use crate::decide::tests_support::{policy, world};

    fn read(allowed: &[CallerOverride], header: &'static str, value: &str) -> Result<Overrides, String> {
        let snapshot = world(PolicyConfig { caller_overrides: allowed.to_vec(), ..policy() });
        let given = |name| (name == header).then_some(value.as_bytes());
        let suffix = Some(Objective::Speed);
        Overrides::read(&snapshot, &snapshot.policies[0], suffix, given).map_err(|unheeded| {
            assert_eq!(unheeded.header, header);
            unheeded.why
        })
    }

    #[test]
    fn what_the_policy_allows_is_obeyed() {
        use CallerOverride::{Candidates, MaxCost, Objective as Goal};
        let fast = Overrides { objective: Some(Objective::Speed), ..Overrides::default() };
        assert_eq!(read(&[], "x-other", "1"), Ok(fast));
        let cost = Overrides { objective: Some(Objective::Cost), ..fast };
        assert_eq!(read(&[Goal], OBJECTIVE, " cost"), Ok(cost));
        let bound = Overrides { max_cost: Some(Nano(20_000_000)), ..fast };
        assert_eq!(read(&[MaxCost], MAX_COST, "0.02"), Ok(bound));
        let two = Overrides { candidates: Some(CandMask(0b110)), ..fast };
        assert_eq!(read(&[Candidates], CANDIDATES, "small, gpt"), Ok(two));
    }

    #[test]
    fn what_cannot_be_obeyed_says_what_to_write() {
        use CallerOverride::{Candidates, MaxCost, Objective as Goal};
        for (allowed, header, value, why) in [
            (
                &[][..],
                OBJECTIVE,
                "Cost",
                "policy shop/default does not let callers set it: its spec.callerOverrides must list Objective",
            ),
            (
                &[Goal],
                MAX_COST,
                "1",
                "policy shop/default does not let callers set it: its spec.callerOverrides must list MaxCost",
            ),
            (&[Goal], OBJECTIVE, "cheap", "write Balanced, Quality, Cost or Speed"),
            (&[MaxCost], MAX_COST, "0", "write USD above zero as digits, such as 0.02"),
            (&[MaxCost], MAX_COST, "$1", "write USD above zero as digits, such as 0.02"),
            (
                &[Candidates],
                CANDIDATES,
                "small,huge",
                "\"huge\" is no candidate. Candidates: large, medium, small",
            ),
            (
                &[Candidates],
                CANDIDATES,
                " , ",
                "write names of candidates with commas between. Candidates: large, medium, small",
            ),
        ] {
            assert_eq!(read(allowed, header, value), Err(why.to_owned()), "{header}: {value}");
        }
    }

    #[test]
    fn suffixes_stand_for_objectives() {
        for (model, expected) in [
            ("auto:cheap", Some(("auto", Objective::Cost))),
            ("a:b:fast", Some(("a:b", Objective::Speed))),
            ("auto:best", Some(("auto", Objective::Quality))),
            ("auto", None),
            ("auto:dear", None),
        ] {
            assert_eq!(split_suffix(model), expected, "{model}");
        }
    }
}
