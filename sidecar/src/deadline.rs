//! When does waiting end?
//!
//! A request has one slot in a slab and moves its deadline from phase to phase; one sweep every 50 ms wakes those that
//! are over. That costs a request a few stores, where a timer of its own costs a third of a microsecond each time.
//! Deadlines are therefore up to 50 ms late.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

const TICK: Duration = Duration::from_millis(50);
/// Without any deadline the sweep slows down, after this many ticks.
const TICKS_BEFORE_REST: u32 = 20;
/// While resting, only idle connections are looked after.
const REST: Duration = Duration::from_secs(5);

/// The slab of the data thread.
#[derive(Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Slots>,
    resting: Cell<bool>,
    woken: Notify,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Slot {
    at: Option<Instant>,
    /// Set by the sweep alone: waiting reads no clock.
    over: bool,
    waker: Option<Waker>,
}

/// One request's place in the slab.
pub(crate) struct Deadline {
    owner: Rc<Deadlines>,
    slot: usize,
}

/// The time was over before the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Deadlines {
    /// A place with no deadline yet.
    pub(crate) fn take(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push(Slot::default());
            slots.slots.len() - 1
        });
        if self.resting.replace(false) {
            self.woken.notify_one();
        }
        Deadline { owner: self.clone(), slot }
    }

    /// Wakes everybody whose time is over, for ever. `on_tick` is called along with it.
    pub(crate) async fn sweep(self: Rc<Self>, on_tick: impl Fn(Instant)) {
        let mut quiet = 0;
        loop {
            if quiet < TICKS_BEFORE_REST {
                tokio::time::sleep(TICK).await;
            } else {
                self.resting.set(true);
                let _ = tokio::time::timeout(REST, self.woken.notified()).await;
            }
            quiet = if self.is_unused() { quiet.saturating_add(1) } else { 0 };
            let now = Instant::now();
            self.expire(now);
            on_tick(now);
        }
    }

    fn is_unused(&self) -> bool {
        let slots = self.slots.borrow();
        slots.free.len() == slots.slots.len()
    }

    fn expire(&self, now: Instant) {
        let mut over = Vec::new();
        for slot in &mut self.slots.borrow_mut().slots {
            if slot.at.is_some_and(|at| at <= now) {
                slot.over = true;
                over.extend(slot.waker.take());
            }
        }
        over.into_iter().for_each(Waker::wake);
    }
}

impl Deadline {
    /// Sets the moment at which [`Deadline::guard`] gives up.
    pub(crate) fn set(&self, at: Instant) {
        let slot = &mut self.owner.slots.borrow_mut().slots[self.slot];
        (slot.at, slot.over) = (Some(at), false);
    }

    /// Waits for a future until the deadline; polls it first, so that what is ready is never late.
    pub(crate) async fn guard<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_elapsed(cx).map(Err),
        })
        .await
    }

    /// The same with a deadline that is set when the waiting begins: what is ready reads no clock.
    pub(crate) async fn guard_within<F: Future>(
        &self,
        within: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut waiting = false;
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => {
                if !std::mem::replace(&mut waiting, true) {
                    self.set(Instant::now() + within);
                }
                self.poll_elapsed(cx).map(Err)
            }
        })
        .await
    }

    /// Ready once the deadline has passed; otherwise the sweep will wake `cx`.
    pub(crate) fn poll_elapsed(&self, cx: &Context<'_>) -> Poll<Elapsed> {
        let mut slots = self.owner.slots.borrow_mut();
        let slot = &mut slots.slots[self.slot];
        if slot.over {
            return Poll::Ready(Elapsed);
        }
        match &mut slot.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.owner.slots.borrow_mut();
        slots.slots[self.slot] = Slot::default();
        slots.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with_sweep<T>(test: impl AsyncFnOnce(Rc<Deadlines>) -> T) -> T {
        let deadlines = Rc::new(Deadlines::default());
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let sweep = tokio::task::spawn_local(deadlines.clone().sweep(|_| {}));
                let result = test(deadlines).await;
                sweep.abort();
                result
            })
            .await
    }

    #[tokio::test]
    async fn what_never_ends_is_over_at_its_deadline() {
        with_sweep(async |deadlines| {
            let deadline = deadlines.take();
            deadline.set(Instant::now() + Duration::from_millis(20));
            assert_eq!(deadline.guard(std::future::pending::<()>()).await, Err(Elapsed));
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_ready_is_never_late_and_a_moved_deadline_counts() {
        with_sweep(async |deadlines| {
            let deadline = deadlines.take();
            deadline.set(Instant::now());
            assert_eq!(deadline.guard(async { 7 }).await, Ok(7));
            deadline.set(Instant::now() + Duration::from_secs(60));
            assert_eq!(deadline.guard(tokio::task::yield_now()).await, Ok(()));
            deadline.set(Instant::now() + Duration::from_millis(60));
            assert_eq!(deadline.guard(std::future::pending::<()>()).await, Err(Elapsed));
        })
        .await;
    }

    #[tokio::test]
    async fn a_freed_place_is_used_again() {
        with_sweep(async |deadlines| {
            let first = deadlines.take();
            let slot = first.slot;
            drop(first);
            assert_eq!(deadlines.take().slot, slot);
            assert_eq!(deadlines.slots.borrow().slots.len(), 1);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_resting_sweep_wakes_for_a_new_deadline() {
        with_sweep(async |deadlines| {
            tokio::time::sleep(TICK * (TICKS_BEFORE_REST + 5)).await;
            assert!(deadlines.resting.get());
            let deadline = deadlines.take();
            deadline.set(Instant::now());
            assert_eq!(deadline.guard(std::future::pending::<()>()).await, Err(Elapsed));
            assert!(!deadlines.resting.get());
        })
        .await;
    }
}
