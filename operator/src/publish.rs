//! One task turns the cluster into the published world: waits for a change, lets it settle, gathers, compiles, publishes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::compile::{World, compile};
use crate::gather::{Gathered, Gatherer};
use crate::shared::{Published, Shared, Stop, pause};

/// Runs until told to stop. Nothing is published before every cache has been filled.
pub(crate) async fn run(gatherer: Gatherer, shared: Arc<Shared>, quiet: Duration, mut stop: Stop) {
    if !gatherer.stores.filled().await {
        return;
    }
    let mut last: Option<Input> = None;
    let mut spent = Duration::ZERO;
    shared.world_changed.notify_one();
    loop {
        tokio::select! {
            () = shared.world_changed.notified() => {}
            // Models retire at midnight, whether or not anything else changes.
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
            () = stop.wait() => return,
        }
        tokio::time::sleep(pause(quiet, spent)).await;
        let started = Instant::now();
        let Some(gathered) = gatherer.gather(shared.now()) else { continue };
        publish(&shared, gathered, &mut last);
        spent = started.elapsed();
        shared.metrics.reconcile_seconds.observe(spent.as_secs_f64());
    }
}

/// What compiling depends on. Status is no part of it, so that writing status compiles nothing; but for what callers of a
/// policy name most, which hardly ever changes.
#[derive(PartialEq)]
struct Input {
    versions: Vec<(String, i64)>,
    most_named: Vec<(String, Option<String>)>,
    rest: World,
}

impl Input {
    fn of(world: &World) -> Self {
        let mut versions = Vec::new();
        let mut note = |meta: &kube::core::ObjectMeta| {
            versions.push((meta.uid.clone().unwrap_or_default(), meta.generation.unwrap_or_default()));
        };
        world.providers.iter().for_each(|object| note(&object.metadata));
        world.policies.iter().for_each(|object| note(&object.metadata));
        world.tests.iter().for_each(|object| note(&object.metadata));
        world.budgets.iter().for_each(|object| note(&object.metadata));
        versions.sort_unstable();
        let named = world.policies.iter().map(|policy| {
            let named = policy.status.as_ref().and_then(|status| status.most_named.clone());
            (policy.metadata.uid.clone().unwrap_or_default(), named)
        });
        let mut most_named: Vec<_> = named.collect();
        most_named.sort_unstable();
        let rest = World {
            providers: Vec::new(),
            policies: Vec::new(),
            tests: Vec::new(),
            budgets: Vec::new(),
            ..world.clone()
        };
        Self { versions, most_named, rest }
    }
}

fn publish(shared: &Shared, gathered: Gathered, last: &mut Option<Input>) {
    let input = Input::of(&gathered.world);
    let before = shared.published.borrow().clone();
    let unchanged = last.as_ref() == Some(&input);
    let compiled = match &before {
        Some(before) if unchanged => Arc::clone(&before.compiled),
        Some(before) => {
            let compiled = compile(&gathered.world);
            if *before.compiled == compiled { Arc::clone(&before.compiled) } else { Arc::new(compiled) }
        }
        None => Arc::new(compile(&gathered.world)),
    };
    *last = Some(input);
    let next = Published { compiled, keys: Arc::new(gathered.keys), pods: Arc::new(gathered.pods) };
    if before.as_ref() != Some(&next) {
        shared.published.send_replace(Some(next));
        shared.metrics.published.inc();
    }
    shared.status_changed.notify_one();
}
