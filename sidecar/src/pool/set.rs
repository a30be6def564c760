//! The pools of the data thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use super::{Dialer, Origin, OriginId, Pool};

/// One pool per origin, found by its number.
pub(crate) struct Pools {
    dialer: Rc<Dialer>,
    pools: RefCell<Vec<Option<Rc<Pool>>>>,
}

impl Pools {
    pub(crate) fn new(dialer: Rc<Dialer>) -> Self {
        Self { dialer, pools: RefCell::default() }
    }

    /// The pool of an origin, made on first use.
    pub(crate) fn of(&self, id: OriginId, origin: &Origin) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        let at = id.0 as usize;
        if at >= pools.len() {
            pools.resize_with(at + 1, || None);
        }
        pools[at]
            .get_or_insert_with(|| Rc::new(Pool::new(Rc::new(origin.clone()), self.dialer.clone())))
            .clone()
    }

    /// Closes what has been idle for too long.
    pub(crate) fn evict(&self, now: Instant) {
        self.pools.borrow().iter().flatten().for_each(|pool| pool.evict(now));
    }
}
