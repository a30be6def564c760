//! hyper's timer for slow headers, on the sweep of the data thread instead of a timer of the runtime per request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Every sleep of the thread's connections. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Patience {
    sleeps: Arc<Mutex<Vec<Weak<Slot>>>>,
}

struct Slot(Mutex<Nap>);

struct Nap {
    at: Instant,
    over: bool,
    waker: Option<Waker>,
}

/// One connection's sleep; hyper moves its end from request to request.
struct PatientSleep(Arc<Slot>);

impl Patience {
    /// Wakes the sleeps that are over and forgets those that are gone.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut over = Vec::new();
        lock(&self.sleeps).retain(|slot| {
            let Some(slot) = slot.upgrade() else { return false };
            let mut nap = slot.nap();
            if nap.at <= now && !nap.over {
                nap.over = true;
                over.extend(nap.waker.take());
            }
            true
        });
        over.into_iter().for_each(Waker::wake);
    }
}

impl Slot {
    fn nap(&self) -> MutexGuard<'_, Nap> {
        lock(&self.0)
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let slot = Arc::new(Slot(Mutex::new(Nap { at: deadline, over: false, waker: None })));
        lock(&self.sleeps).push(Arc::downgrade(&slot));
        Box::pin(PatientSleep(slot))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        let Some(known) = sleep.as_mut().downcast_mut_pin::<PatientSleep>() else {
            *sleep = self.sleep_until(new_deadline);
            return;
        };
        let mut nap = known.0.nap();
        (nap.at, nap.over) = (new_deadline, false);
    }
}

impl Sleep for PatientSleep {}

impl Future for PatientSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut nap = self.0.nap();
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

/// Never contended: the sleeps and the sweep live on one thread; `Send` is what hyper asks for.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        patience.sweep(later(4));
        assert!(lock(&patience.sleeps).is_empty());
    }
}
