//! Tells every connection that the process drains, at no cost to a connection that is not told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// Shared by the connections of a thread.
#[derive(Default)]
pub(crate) struct Drain {
    begun: Cell<bool>,
    waiting: RefCell<Vec<Option<Waker>>>,
}

/// One connection's place.
pub(crate) struct Drainable {
    drain: Rc<Drain>,
    place: Option<usize>,
}

impl Drain {
    /// Wakes everybody, once.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
        self.waiting.borrow_mut().drain(..).flatten().for_each(Waker::wake);
    }

    pub(crate) fn place(self: &Rc<Self>) -> Drainable {
        Drainable { drain: self.clone(), place: None }
    }
}

impl Drainable {
    /// Whether draining has begun. The first caller's waker is kept: a task has the same one all its life.
    pub(crate) fn has_begun(&mut self, cx: &Context<'_>) -> bool {
        if self.drain.begun.get() {
            return true;
        }
        if self.place.is_none() {
            let mut waiting = self.drain.waiting.borrow_mut();
            let free = waiting.iter().position(Option::is_none);
            let place = free.unwrap_or(waiting.len());
            match waiting.get_mut(place) {
                Some(empty) => *empty = Some(cx.waker().clone()),
                None => waiting.push(Some(cx.waker().clone())),
            }
            self.place = Some(place);
        }
        false
    }
}

impl Drop for Drainable {
    fn drop(&mut self) {
        if let Some(place) = self.place
            && let Some(waker) = self.drain.waiting.borrow_mut().get_mut(place)
        {
            *waker = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_freed_and_everybody_is_told() {
        let drain = Rc::new(Drain::default());
        let cx = Context::from_waker(Waker::noop());
        let mut first = drain.place();
        assert!(!first.has_begun(&cx));
        drop(first);
        let [mut second, mut third] = [drain.place(), drain.place()];
        assert!(!second.has_begun(&cx) && !third.has_begun(&cx));
        assert_eq!(drain.waiting.borrow().len(), 2);
        drain.begin();
        assert!(second.has_begun(&cx) && third.has_begun(&cx));
    }
}
