//! The data thread: one current-thread runtime that accepts, decides, forwards and answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::chance::Chance;
use crate::deadline::Deadlines;
use crate::feedback::Desk;
use crate::listen::drain::Drain;
use crate::listen::intake::Gate;
use crate::listen::patience::Patience;
use crate::pool::{Dialer, Pools, Tls};
use crate::records::Records;
use crate::scoring::Scoring;
use crate::shared::Shared;

/// Everything that the requests of the data thread share.
pub(crate) struct Data {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pools: Pools,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) gate: Rc<Gate>,
    pub(crate) patience: Patience,
    pub(crate) drain: Rc<Drain>,
    pub(crate) records: RefCell<Records>,
    pub(crate) scoring: RefCell<Scoring>,
    pub(crate) desk: Desk,
    pub(crate) chance: RefCell<Chance>,
    pub(crate) settings: DataSettings,
}

/// What requests need of the process's settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataSettings {
    pub(crate) admin: bool,
    pub(crate) workload: Option<String>,
}

impl Data {
    pub(crate) fn new(shared: Arc<Shared>, tls: Tls, settings: DataSettings, desk: Desk) -> Self {
        let mut chance = Chance::new();
        let scoring = RefCell::new(Scoring::new(&mut chance, shared.telemetry.scores.clone()));
        Self {
            shared,
            pools: Pools::new(Rc::new(Dialer::new(tls))),
            deadlines: Rc::default(),
            gate: Rc::default(),
            patience: Patience::default(),
            drain: Rc::default(),
            records: RefCell::default(),
            scoring,
            desk,
            chance: RefCell::new(chance),
            settings,
        }
    }

    /// Sweeps deadlines and idle connections for as long as the thread runs.
    pub(crate) fn sweep(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let data = self.clone();
        let on_tick = move |now: Instant| {
            data.pools.evict(now);
            data.patience.sweep(now);
        };
        self.deadlines.clone().sweep(on_tick)
    }
}
