//! Takes the rights for an attempt before it is sent.

use std::time::Duration;

use pointsman_config::budget::OnExhausted;
use pointsman_core::account::{Lost, reserve};

use super::call::Call;
use super::exhausted;
use crate::listen::error::CallError;

/// How long a call waits for rights that the limit still has.
const RIGHTS_WITHIN: Duration = Duration::from_millis(250);

impl Call {
    /// Reserves for a candidate, or for the first one standing by that still fits where another call was faster.
    pub(super) async fn reserve(&mut self, candidate: usize) -> Result<usize, CallError> {
        let mut lost = match self.try_reserve(candidate).await {
            Ok(()) => return Ok(candidate),
            Err(limit) => limit,
        };
        let untried = |i: &usize| *i != candidate && self.trail.0.iter().all(|a| a.candidate != *i);
        let others: smallvec::SmallVec<[usize; 4]> =
            self.decision.plan.iter().copied().filter(untried).collect();
        for other in others {
            if self.on_exhausted(lost) != OnExhausted::Degrade {
                break;
            }
            match self.try_reserve(other).await {
                Ok(()) => return Ok(other),
                Err(limit) => lost = limit,
            }
        }
        Err(exhausted::of(self, lost))
    }

    /// Reserves for one candidate; otherwise the limit that has no room.
    async fn try_reserve(&mut self, candidate: usize) -> Result<(), usize> {
        let granted = {
            let shared = self.data.shared.clone();
            let wait = async move |this: &mut Self| loop {
                let more = shared.rights_granted.notified();
                let mut more = std::pin::pin!(more);
                more.as_mut().enable();
                match this.reserve_once(candidate) {
                    Err(Lost { more_coming: true, .. }) => shared.rights_wanted.make(),
                    done => return done,
                }
                more.await;
            };
            match self.reserve_once(candidate) {
                Err(Lost { more_coming: true, .. }) => {
                    let waited = Box::pin(tokio::time::timeout(RIGHTS_WITHIN, wait(self))).await;
                    waited.unwrap_or_else(|_| self.reserve_once(candidate))
                }
                done => done,
            }
        };
        granted.map_err(|lost| self.policy().candidates[candidate].limits[lost.limit])
    }

    fn reserve_once(&mut self, candidate: usize) -> Result<(), Lost> {
        let step = self.decision.considered[candidate].step;
        let reservation = reserve(&self.beside_candidate(candidate).limits, &step)?;
        self.take_off(candidate, reservation);
        if self.limits(candidate).any(|part| part.live.is_short(part.enough)) {
            self.data.shared.rights_wanted.make();
        }
        Ok(())
    }

    fn on_exhausted(&self, limit: usize) -> OnExhausted {
        let snapshot = &self.plane.snapshot;
        snapshot.budgets[snapshot.limits[limit].budget].config.on_exhausted
    }
}
