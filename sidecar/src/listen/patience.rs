//! hyper's timer for slow headers, on the sweep of the data thread instead of a timer of the runtime per request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Every sleep of the thread's connections. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Sleeps>>);

/// hyper takes a new sleep for every request: places are used again, so that none is allocated.
#[derive(Default)]
struct Sleeps {
    naps: Vec<Nap>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Nap {
    /// None while the place is free.
    at: Option<Instant>,
    over: bool,
    waker: Option<Waker>,
}

/// One sleep and its place.
struct PatientSleep {
    patience: Patience,
    place: usize,
}

impl Patience {
    /// Wakes the sleeps that are over and forgets those that are gone.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut over = Vec::new();
        for nap in &mut self.sleeps().naps {
            if nap.at.is_some_and(|at| at <= now) && !nap.over {
                nap.over = true;
                over.extend(nap.waker.take());
            }
        }
        over.into_iter().for_each(Waker::wake);
    }

    /// Never contended: the sleeps and the sweep live on one thread; `Send` is what hyper asks for.
    fn sleeps(&self) -> MutexGuard<'_, Sleeps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut sleeps = self.sleeps();
        let place = sleeps.free.pop().unwrap_or_else(|| {
            sleeps.naps.push(Nap::default());
            sleeps.naps.len() - 1
        });
        sleeps.naps[place].at = Some(deadline);
        Box::pin(PatientSleep { patience: self.clone(), place })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        let Some(known) = sleep.as_mut().downcast_mut_pin::<PatientSleep>() else {
            *sleep = self.sleep_until(new_deadline);
            return;
        };
        let nap = &mut known.patience.sleeps().naps[known.place];
        (nap.at, nap.over) = (Some(new_deadline), false);
    }
}

impl Sleep for PatientSleep {}

impl Future for PatientSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let nap = &mut self.patience.sleeps().naps[self.place];
        if nap.over {
            return Poll::Ready(());
        }
        match &mut nap.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for PatientSleep {
    fn drop(&mut self) {
        let mut sleeps = self.patience.sleeps();
        let ended = std::mem::take(&mut sleeps.naps[self.place]);
        sleeps.free.push(self.place);
        // A waker that goes may take others with it, and they would want the lock.
        drop(sleeps);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_sleep_ends_at_the_sweep_after_its_deadline_and_can_be_moved() {
        let patience = Patience::default();
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut sleep = patience.sleep_until(later(1));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        patience.reset(&mut sleep, later(3));
        patience.sweep(later(2));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        patience.sweep(later(3));
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
        drop(sleep);
        let _again = patience.sleep_until(later(4));
        assert_eq!(patience.sleeps().naps.len(), 1, "the place is used again");
    }
}
