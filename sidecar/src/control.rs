//! The control thread: takes configuration in, builds planes, hands out rights, reports.

mod check;
mod report;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use jiff::Timestamp;
use pointsman_config::entry::{Compiled, Entry, Key, Kind, State as EntryState};
use pointsman_config::link::{FeedbackAnswer, FeedbackAsk, FoundCall};
use pointsman_config::objects::{Applied as Took, Objects};
use pointsman_core::snapshot::Problem;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::feedback::{Archive, Away, CallRow, Elsewhere};
use crate::handle::StartError;
use crate::keys::KeyFile;
use crate::learned::LearnedFile;
use crate::link;
use crate::listen::patience::Patience;
use crate::listen::{accept, admin};
use crate::pacing::Pacing;
use crate::plane::build::Ground;
use crate::plane::live::{Live, TargetLive};
use crate::pool::{Origins, Tls};
use crate::rights::{LimitReport, Rights};
use crate::scoring::Shelf;
use crate::secret::{Credential, Credentials};
use crate::shared::Shared;
use crate::simulated::{SimulatedAddress, Simulations};
use crate::state::State;
use crate::usage::Totals;

use report::Known;
pub(crate) use report::Reports;

/// How often spends are written down and reports go out, where something changed.
const TICK: Duration = Duration::from_millis(500);
/// The last report must fit into what an expired grace period leaves.
const FAREWELL_WITHIN: Duration = Duration::from_millis(1500);
/// How late a slow scraper is cut off at most.
const SWEEP: Duration = Duration::from_secs(5);
/// How soon a store that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// The whole configuration: what is not named is gone.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Every object.
    pub entries: Vec<Entry>,
    /// Every key.
    pub credentials: Vec<Credential>,
}

/// What became of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Why objects were refused; their last good versions stay.
    pub problems: Vec<Problem>,
}

/// What the control thread is asked.
pub(crate) enum Command {
    Apply(Update, oneshot::Sender<Applied>),
    Budgets(oneshot::Sender<Vec<LimitReport>>),
    Totals(oneshot::Sender<Totals>),
    Feedback(String, f64, oneshot::Sender<Result<Option<CallRow>, String>>),
    /// Rows of scored calls after a request id, at most so many.
    Rows(String, usize, oneshot::Sender<Result<Vec<CallRow>, String>>),
    /// Feedback on a call that this process does not know.
    Give(String, f64, oneshot::Sender<Elsewhere>),
    /// What the operator answered to that.
    Answered(FeedbackAnswer),
    /// What we answer to a question of the operator.
    Found(FoundCall),
    Simulated(oneshot::Sender<Vec<SimulatedAddress>>),
    /// Takes no more calls, and waits for those under way.
    Drain(Duration, oneshot::Sender<()>),
    /// Reports for the last time: nothing is under way any more.
    Farewell(oneshot::Sender<()>),
}

/// Everything that the control thread owns.
pub(crate) struct Control {
    shared: Arc<Shared>,
    tls: Tls,
    objects: Objects,
    credentials: Credentials,
    live: Live,
    rights: Rights,
    origins: Origins,
    simulations: Simulations,
    shelf: Shelf,
    archive: Option<Archive>,
    away: Away,
    learned: Option<LearnedFile>,
    state: Option<State>,
    keys: Option<KeyFile>,
    /// Whether what is served now stands on disk.
    kept: bool,
    drain: watch::Sender<bool>,
    reports: Reports,
    farewell: Option<link::Farewell>,
    asked: Instant,
    pacing: Pacing,
}

impl Control {
    /// Listens, serves what was served last, and goes on as a task of this thread.
    pub(crate) async fn start(
        tasks: &mut JoinSet<()>,
        config: Config,
        shared: Arc<Shared>,
        tls: Tls,
        drain: watch::Sender<bool>,
        (commands, inbox): (mpsc::WeakSender<Command>, mpsc::Receiver<Command>),
        (archive, asks): (Option<Archive>, mpsc::Sender<FeedbackAsk>),
    ) -> Result<Option<std::net::SocketAddr>, StartError> {
        let admin = config.admin.map(|address| listen_admin(address, &shared)).transpose()?;
        let reports = Reports::new();
        let farewell =
            config.link.map(|link| link::start(link, commands, asks, reports.subscribe(), shared.clone()));
        let learned = config.learned.map(LearnedFile::open);
        let live = Live {
            learned: learned.as_ref().map(LearnedFile::learned).unwrap_or_default(),
            ..Live::default()
        };
        let mut control = Self {
            tls,
            objects: Objects::default(),
            credentials: Credentials::default(),
            live,
            rights: Rights::new(config.rights),
            origins: Origins::default(),
            simulations: Simulations::new(config.folder),
            archive,
            away: Away::default(),
            learned,
            shelf: Shelf::new(config.routing_model, config.models),
            state: config.state.map(State::new),
            keys: config.keys.and_then(KeyFile::open),
            kept: false,
            drain,
            reports,
            farewell,
            asked: Instant::now(),
            pacing: Pacing::default(),
            shared,
        };
        control.resume();
        tasks.spawn_local(control.run(inbox));
        Ok(admin)
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = shared.rights_wanted.taken() => self.extend_rights(),
                _ = tick.tick() => self.on_tick(),
                () = until(self.rights.next_turn(), &shared) => self.turn(),
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may have gone: the answer is then nobody's.
        match command {
            Command::Apply(update, answer) => drop(answer.send(self.apply(update))),
            Command::Budgets(answer) => drop(answer.send(self.rights.report())),
            Command::Feedback(id, score, answer) => {
                let noted = self.archive.as_mut().map_or(Ok(None), |archive| archive.note(&id, score));
                drop(answer.send(noted));
            }
            Command::Rows(after, most, answer) => {
                let rows = self.archive.as_mut().map_or(Ok(Vec::new()), |archive| archive.rows(&after, most));
                drop(answer.send(rows));
            }
            Command::Give(_, _, answer) if self.farewell.is_none() => drop(answer.send(Elsewhere::Alone)),
            Command::Give(id, score, answer) => {
                self.away.give(id, score, answer);
                self.report(false);
            }
            Command::Answered(answer) => {
                self.away.answered(answer);
                self.report(false);
            }
            Command::Found(call) => {
                self.away.found(call, Instant::now());
                self.report(false);
            }
            Command::Totals(answer) => drop(answer.send(self.totals())),
            Command::Simulated(answer) => drop(answer.send(self.simulations.addresses())),
            Command::Drain(limit, answer) => {
                self.drain(limit).await;
                let _ = answer.send(());
            }
            Command::Farewell(answer) => {
                self.say_farewell().await;
                let _ = answer.send(());
            }
        }
    }

    fn apply(&mut self, update: Update) -> Applied {
        let Update { entries, credentials } = update;
        let keys: Vec<Key> = entries.iter().map(|entry| entry.key.clone()).collect();
        let mut changed = self.objects.retain(|key| keys.contains(key)) == Took::Changed;
        let mut problems = Vec::new();
        for entry in entries {
            let (entry, found) = self.judge(entry);
            problems.extend(found);
            changed |= self.objects.apply(entry) == Took::Changed;
        }
        let renewed = self.replace_credentials(credentials);
        // An empty configuration is one too: a restarted process serves it without asking.
        if (changed || !self.kept)
            && let Some(state) = &self.state
        {
            self.kept = state.save(&self.objects);
        }
        if !problems.is_empty() {
            self.shared.telemetry.nacks.inc();
        }
        self.publish();
        // Only now do calls carry the new keys: forgiven earlier, a target would be refused once more with the old one.
        renewed.iter().for_each(|target| target.health().on_new_credential());
        Applied { problems }
    }

    /// A bad object is held back, so that its last good version goes on.
    fn judge(&mut self, entry: Entry) -> (Entry, Vec<Problem>) {
        let EntryState::Valid(compiled) = &entry.state else {
            if let EntryState::Invalid { message } = &entry.state {
                tracing::warn!(object = %entry.key, problem = message, "object invalid; its last good version serves on");
            }
            return (entry, Vec::new());
        };
        let mut problems = check::problems(&entry.key, compiled, self.rights.has_store());
        if problems.is_empty()
            && let Compiled::Provider(provider) = compiled
        {
            problems.extend(check::prepare(&entry.key, provider, &mut self.simulations, &self.tls));
        }
        let Some(first) = problems.first() else { return (entry, problems) };
        tracing::warn!(object = %entry.key, path = first.path, problem = first.message, "object refused");
        let state = EntryState::Invalid { message: format!("{}: {}", first.path, first.message) };
        (Entry { state, ..entry }, problems)
    }

    /// Takes the keys in; returns the targets whose key is another one now.
    fn replace_credentials(&mut self, credentials: Vec<Credential>) -> Vec<Arc<TargetLive>> {
        let mut renewed = Vec::new();
        let before = self.credentials.clone();
        if let Some(keys) = &mut self.keys {
            keys.save(&credentials);
        }
        self.credentials.replace(credentials);
        for object in self.objects.iter() {
            let Compiled::Provider(provider) = &object.compiled else { continue };
            let Some(name) = &provider.credential else { continue };
            let same = before.get(name).map(|c| &c.secret) == self.credentials.get(name).map(|c| &c.secret);
            let of_it = self.live.targets.iter().filter(|(key, _)| !same && key.provider == object.key.name);
            renewed.extend(of_it.map(|(_, live)| live.clone()));
        }
        renewed
    }

    /// Swaps in a plane of the present objects.
    fn publish(&mut self) {
        let served = |name: &pointsman_config::entry::Name| self.objects.get(Kind::Provider, name).is_some();
        self.simulations.retain(served);
        let now = self.shared.clock.wall();
        let objects = std::mem::take(&mut self.objects);
        let plane = self.ground(now).build(&objects);
        self.objects = objects;
        self.shared.set_today(now);
        self.pacing.aim(&plane, now, Instant::now());
        self.shared.plane.store(Some(Arc::new(plane)));
        self.shared.telemetry.config_applied.set(now.as_millisecond() as f64 / 1000.0);
    }

    /// A window or a day has turned: the same objects, new windows.
    fn turn(&mut self) {
        let Some(plane) = self.shared.plane.load_full() else { return };
        let now = self.shared.clock.wall();
        let plane = self.ground(now).lay(plane.snapshot.clone());
        self.shared.set_today(now);
        self.pacing.aim(&plane, now, Instant::now());
        self.shared.plane.store(Some(Arc::new(plane)));
        self.shared.rights_granted.notify_waiters();
    }

    fn ground(&mut self, now: Timestamp) -> Ground<'_> {
        Ground {
            live: &mut self.live,
            rights: &mut self.rights,
            origins: &mut self.origins,
            credentials: &self.credentials,
            simulations: &self.simulations,
            shelf: &mut self.shelf,
            telemetry: &self.shared.telemetry,
            now,
        }
    }

    fn extend_rights(&mut self) {
        self.rights.extend();
        self.shared.rights_granted.notify_waiters();
    }

    fn on_tick(&mut self) {
        let ask_again = self.rights.is_waiting() && self.asked.elapsed() >= ASK_AGAIN;
        if ask_again || crate::usage::Day::of(self.shared.clock.wall()) != self.shared.today() {
            self.asked = Instant::now();
            self.turn();
        }
        self.rights.record();
        if let Some(archive) = &mut self.archive {
            archive.keep();
        }
        self.extend_rights();
        if let Some(plane) = self.shared.plane.load_full() {
            let now = Instant::now();
            self.pacing.observe(&plane, now);
            self.pacing.aim(&plane, self.shared.clock.wall(), now);
            if let Some(file) = &mut self.learned {
                file.keep(&plane, &self.pacing, now);
            }
        }
        self.away.forget(Instant::now());
        self.report(false);
    }

    fn report(&mut self, last: bool) {
        let known = Known {
            shared: &self.shared,
            live: &self.live,
            rights: &self.rights,
            pacing: &self.pacing,
            away: &self.away,
        };
        self.reports.publish(&known, last);
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals { refused: self.shared.refused.load(Relaxed), ..Totals::default() };
        for counters in self.live.counters.values() {
            totals.add(&counters.total());
        }
        totals
    }

    /// Serves what was served before the restart, if anything: readiness never waits for the operator.
    fn resume(&mut self) {
        let Some(objects) = self.state.as_ref().and_then(State::load) else { return };
        for object in objects.iter() {
            if let Compiled::Provider(provider) = &object.compiled {
                check::prepare(&object.key, provider, &mut self.simulations, &self.tls);
            }
        }
        self.objects = objects;
        self.credentials.replace(self.keys.as_ref().map(KeyFile::load).unwrap_or_default());
        self.kept = true;
        self.publish();
        tracing::info!(objects = self.objects.iter().count(), "serving the last good configuration");
    }

    async fn drain(&mut self, limit: Duration) {
        self.shared.draining.store(true, Relaxed);
        self.drain.send_replace(true);
        let until = tokio::time::Instant::now() + limit;
        let busy = |shared: &Shared| shared.connections.load(Relaxed) + shared.in_flight.load(Relaxed) > 0;
        while busy(&self.shared) && tokio::time::Instant::now() < until {
            self.extend_rights();
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }

    async fn say_farewell(&mut self) {
        self.rights.close();
        if let Some(archive) = &mut self.archive {
            archive.keep();
        }
        if let (Some(file), Some(plane)) = (&mut self.learned, self.shared.plane.load_full()) {
            file.write(&plane, &self.pacing);
        }
        self.report(true);
        if let Some(farewell) = self.farewell.take() {
            farewell.wait(FAREWELL_WITHIN).await;
        }
    }
}

fn listen_admin(
    address: std::net::SocketAddr,
    shared: &Arc<Shared>,
) -> Result<std::net::SocketAddr, StartError> {
    let listen = |source| StartError::Listen { address, source };
    let listener = accept::bind(address).map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let shared = shared.clone();
    let service = async move |request: Request<Incoming>| admin::small(&shared, request.uri().path());
    let patience = Patience::default();
    let house = accept::House { patience: patience.clone(), drain: Rc::default(), counted: None };
    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            patience.sweep(Instant::now());
        }
    });
    // Probes must be answered while the process drains: this listener ends with its thread.
    let (never, stays) = watch::channel(false);
    tokio::task::spawn_local(async move {
        let _never = never;
        accept::serve(listener, service, house, stays).await;
    });
    Ok(bound)
}

/// Waits until a moment of the wall clock; for ever where there is none. Looks again every minute: wall clocks jump.
async fn until(moment: Option<Timestamp>, shared: &Shared) {
    let Some(moment) = moment else { return std::future::pending().await };
    let left = moment.duration_since(shared.clock.wall());
    let left = Duration::try_from(left).unwrap_or_default();
    tokio::time::sleep(left.min(Duration::from_secs(60))).await;
}
