//! Reserving before dispatch, settling once, on drop too.

use std::sync::Arc;

use pointsman_config::amount::Unit;
use pointsman_config::budget::Enforcement;
use pointsman_config::money::{Nano, Prices};
use pointsman_config::usage::Usage;
use smallvec::SmallVec;

use super::limit::{LimitLive, More};
use crate::decide::{Need, Step};

/// An estimate of missing usage is padded by this much, in percent.
const ESTIMATE_PADDING: u64 = 10;

/// The rights that one attempt holds. Dropping it without settling charges the worst case: something was sent and
/// nobody knows what became of it.
#[derive(Debug)]
pub struct Reservation {
    held: SmallVec<[Held; 2]>,
    bound: Need,
    likely: Need,
}

#[derive(Debug)]
struct Held {
    limit: Arc<LimitLive>,
    taken: u64,
    exposure: u64,
}

/// Why an attempt got no rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Position in the limits given to [`reserve`].
    pub limit: usize,
    /// Whether the limit has room and only the rights are not here yet.
    pub more_coming: bool,
}

/// How an attempt ended, as far as money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The provider said what it used.
    Usage(Usage),
    /// We counted: the client left, the stream was cut, or the provider did not say. Padded by a tenth, marked
    /// uncertain, never more than the reserved bound, in money and in tokens.
    Counted(Usage),
    /// Nothing left the machine.
    NotSent,
    /// The provider refused the request: no tokens were used.
    Refused,
    /// The caller left before anything came back: the provider may have answered all the same.
    Abandoned,
    /// It was sent and nothing came back.
    Unknown,
}

/// What an attempt was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// The tokens that were charged.
    pub usage: Usage,
    /// Their cost.
    pub cost: Nano,
    /// The part of the cost that is an estimate.
    pub uncertain: Nano,
}

/// Takes the rights for one attempt from every limit that counts it, all or nothing.
///
/// `limits` must be in one order everywhere (that of the snapshot). Atomics only: no lock, no wait.
pub fn reserve(limits: &[Arc<LimitLive>], step: &Step) -> Result<Reservation, Lost> {
    let mut reservation = Reservation { held: SmallVec::new(), bound: step.bound, likely: step.likely };
    for (i, limit) in limits.iter().enumerate() {
        let (bound, likely) = (step.bound.of(limit.terms.unit), step.likely.of(limit.terms.unit));
        let taken = limit.charge_for(likely, bound);
        let exposure = bound - taken.min(bound);
        if let Err(more) = limit.take(taken, exposure) {
            reservation.release();
            return Err(Lost { limit: i, more_coming: more == More::Coming });
        }
        reservation.held.push(Held { limit: Arc::clone(limit), taken, exposure });
    }
    Ok(reservation)
}

/// Charges an attempt and gives back what it did not use.
pub fn settle(mut reservation: Reservation, prices: Option<&Prices>, outcome: Settlement) -> Charge {
    let charge = charge(&reservation, prices, outcome);
    let requests = u64::from(!matches!(outcome, Settlement::NotSent));
    let estimated = !matches!(outcome, Settlement::Usage(_));
    reservation.close(&charge, requests, estimated);
    charge
}

fn charge(reservation: &Reservation, prices: Option<&Prices>, outcome: Settlement) -> Charge {
    let priced = |usage: &Usage| prices.map(|p| p.cost(usage)).unwrap_or_default();
    match outcome {
        Settlement::Usage(usage) => Charge { usage, cost: priced(&usage), uncertain: Nano::ZERO },
        Settlement::Counted(counted) => {
            let usage = capped(padded(counted), reservation.bound.tokens);
            let cost = priced(&usage).min(reservation.bound.cost);
            Charge { usage, cost, uncertain: cost }
        }
        Settlement::NotSent | Settlement::Refused => Charge::default(),
        Settlement::Abandoned if !reservation.is_strict() => uncertain(&reservation.likely),
        Settlement::Abandoned | Settlement::Unknown => reservation.unknown(),
    }
}

fn uncertain(need: &Need) -> Charge {
    Charge { usage: Usage { input: need.tokens, ..Usage::default() }, cost: need.cost, uncertain: need.cost }
}

fn padded(usage: Usage) -> Usage {
    let pad = |tokens: u64| tokens.saturating_add(tokens.saturating_mul(ESTIMATE_PADDING).div_ceil(100));
    Usage { output: pad(usage.output), input: pad(usage.input), ..usage }
}

/// Of what is too much, output falls away first: it is the part that was guessed.
fn capped(usage: Usage, tokens: u64) -> Usage {
    let input = usage.input.min(tokens);
    Usage { input, output: usage.output.min(tokens - input), ..usage }
}

impl Reservation {
    /// What an attempt that vanished is charged: the worst case where a strict limit counts it, else nothing; marked
    /// uncertain.
    fn unknown(&self) -> Charge {
        if self.is_strict() { uncertain(&self.bound) } else { Charge::default() }
    }

    fn is_strict(&self) -> bool {
        self.held.iter().any(|h| h.limit.terms.binding && h.limit.terms.enforcement == Enforcement::Strict)
    }

    fn close(&mut self, charge: &Charge, requests: u64, estimated: bool) {
        for held in self.held.drain(..) {
            let (actual, uncertain) = match held.limit.terms.unit {
                Unit::Usd => (charge.cost.0, charge.uncertain.0),
                Unit::Tokens => {
                    let tokens = charge.usage.total();
                    (tokens, if estimated { tokens } else { 0 })
                }
                Unit::Requests => (requests, 0),
            };
            held.limit.settle(held.taken, held.exposure, actual, uncertain);
        }
    }

    fn release(&mut self) {
        self.held.drain(..).for_each(|h| h.limit.settle(h.taken, h.exposure, 0, 0));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let charge = self.unknown();
            self.close(&charge, 1, true);
        }
    }
}

#[cfg(test)]
mod tests;
