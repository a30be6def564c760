//! A budget as the sidecar needs it.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::entry::Name;
use crate::window::Window;

/// One Budget, compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetConfig {
    /// Who to ask, said in refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Which calls it counts.
    #[serde(default)]
    pub selector: BudgetSelector,
    /// How much, per window.
    pub limits: Vec<LimitConfig>,
    /// How hard it holds.
    pub enforcement: Enforcement,
    /// What happens when a call no longer fits.
    pub on_exhausted: OnExhausted,
    /// Who hands out the rights to spend.
    pub rights: Rights,
}

/// Which calls a budget counts: fields are ANDed, entries of a field are ORed, empty fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetSelector {
    /// Models by name.
    pub models: Vec<String>,
    /// Policies.
    pub policies: Vec<Name>,
    /// Providers.
    pub providers: Vec<Name>,
}

/// One limit. Its name is the ledger's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitConfig {
    /// The name.
    pub name: String,
    /// How much.
    pub amount: Amount,
    /// In which window.
    pub window: Window,
    /// By the calendar of which zone.
    pub time_zone: String,
}

/// How hard a budget holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enforcement {
    /// Reserves the worst case before every attempt: never exceeded.
    Strict,
    /// Reserves what is likely while there is room, the worst case near the limit.
    Hybrid,
    /// Counts and reports; refuses nothing.
    Soft,
}

/// What happens when a call no longer fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnExhausted {
    /// Candidates that do not fit fall away; when none is left, refuse.
    Degrade,
    /// Refuse as soon as the chosen candidate does not fit.
    Reject,
    /// Serve and say so.
    Notify,
}

/// Who hands out the rights to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rights {
    /// This process, from its own store.
    Local,
    /// Nobody yet: the budget counts and refuses nothing.
    CountingOnly,
}
