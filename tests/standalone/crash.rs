//! A Strict budget holds across crashes: the process is killed at random moments under load, again and again, on one
//! state folder, and the provider's own books are the judge.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use anyhow::Context;

use pointsman_test_support::provider::Provider;
use tokio::task::JoinSet;

use crate::client::{Client, ask, ask_streamed};
use crate::gateway::Gateway;
use crate::world::{POLICY, World, strict_budget};

const LIVES: u32 = 50;
const CALLERS: usize = 12;
/// So much that most lives still have something to spend, and the last ones do not.
const LIMIT: u64 = 1_000_000_000;
/// What one crash may lose: the open block (eight calls, or 0.5 % of the limit) and what the callers had reserved, at the
/// most that a call can cost: 60 words out, a few in.
const LOST_AT_MOST: u64 = (8 + CALLERS as u64) * 1_000_000;
/// Kills fall before the process serves, while it starts its first calls, and in full flight.
const LATEST_KILL: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_budget_survives_fifty_kills_at_random_moments() -> anyhow::Result<()> {
    let mut chance = Chance::new()?;
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("policy.yaml", &POLICY.replace("    - model: gpt-y\n", ""))?;
    world.write("budget.yaml", &strict_budget(LIMIT))?;
    let (mut lives_with_answers, mut lost, mut crashes) = (0, 0, 0);
    for life in 1..=LIVES {
        if chance.below(8) == 0 {
            kill_while_starting(&world, &mut chance).await?;
            crashes += 1;
        }
        let before = provider.entries().len();
        let gateway = Gateway::start(&world).await?;
        let lost_before = std::mem::replace(&mut lost, judge(&gateway, &provider, life).await?);
        assert!(lost - lost_before <= crashes * LOST_AT_MOST, "life {life}: {lost_before}, then {lost} lost");
        crashes = 1;
        let callers = start_callers(gateway.client);
        tokio::time::sleep(LATEST_KILL.mul_f64(chance.fraction())).await;
        if chance.below(4) == 0 {
            kill_while_stopping(gateway, &mut chance).await?;
        } else {
            gateway.kill()?;
        }
        callers.join_all().await;
        let entries = provider.wait_until_settled(before).await?;
        lives_with_answers += u32::from(entries.len() > before);
        assert!(provider.billed_nano() <= LIMIT, "life {life}: {} of {LIMIT}", provider.billed_nano());
    }
    assert!(
        lives_with_answers > LIVES / 10,
        "only {lives_with_answers} lives have called the provider at all"
    );
    use_up_the_rest(&world, &provider).await
}

#[tokio::test]
async fn a_first_start_that_is_killed_leaves_nothing_that_a_second_cannot_use() -> anyhow::Result<()> {
    let mut chance = Chance::new()?;
    let provider = Provider::start();
    for _ in 0..20 {
        let world = World::of(&provider)?;
        world.write("budget.yaml", &strict_budget(LIMIT))?;
        kill_while_starting(&world, &mut chance).await?;
        let gateway = Gateway::start(&world).await?;
        assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
        gateway.kill()?;
    }
    Ok(())
}

/// Nothing is forgotten, nothing exceeds the limit, and what the crashes burned is told. Gives what counts as spent and
/// never was.
async fn judge(gateway: &Gateway, provider: &Provider, life: u32) -> anyhow::Result<u64> {
    let (ledger, billed) = (gateway.ledger().await?, provider.billed_nano());
    assert!(ledger.spent >= billed, "life {life}: {ledger:?} forgets some of {billed}");
    assert!(ledger.spent <= LIMIT, "life {life}: {ledger:?}");
    // What is neither proven nor burned cannot have been spent.
    assert!(ledger.burned <= ledger.spent, "life {life}: {ledger:?}");
    assert!(ledger.spent - ledger.burned <= billed, "life {life}: {ledger:?} invents some of {billed}");
    Ok(ledger.spent - billed)
}

/// The last life takes what is left, ends in order, and leaves the books as they are.
async fn use_up_the_rest(world: &World, provider: &Provider) -> anyhow::Result<()> {
    let gateway = Gateway::start(world).await?;
    let burned = gateway.ledger().await?.burned;
    let mut refusal = None;
    while refusal.is_none() {
        let answer = gateway.client.chat(&ask("auto", "hello")).await?;
        refusal = (answer.status != 200).then(|| answer.code());
    }
    assert_eq!(refusal, Some(Some("budget_exhausted".to_owned())));
    let entries = provider.wait_until_settled(0).await?;
    let (ledger, billed) = (gateway.ledger().await?, provider.billed_nano());
    assert!(
        billed <= LIMIT && billed <= ledger.spent && ledger.spent <= LIMIT,
        "{ledger:?}, billed {billed}"
    );
    assert_eq!(ledger.burned, burned);
    let dearest = entries.iter().map(|entry| entry.cost_nano).max().unwrap_or_default();
    assert!(ledger.spent + 2 * dearest > LIMIT, "refused with room: {ledger:?}, and a call costs {dearest}");
    eprintln!("{} calls, {billed} billed and {burned} burned of {LIMIT}", entries.len());
    gateway.stop().await?;
    let again = Gateway::start(world).await?;
    assert_eq!(again.ledger().await?, ledger, "an end in order burns nothing");
    again.stop().await
}

async fn kill_while_starting(world: &World, chance: &mut Chance) -> anyhow::Result<()> {
    let folder = world.manifests();
    let mut process = Gateway::launch(world, Some(&folder), &[], &[])?;
    tokio::time::sleep(LATEST_KILL.mul_f64(chance.fraction())).await;
    process.kill().map(drop)
}

async fn kill_while_stopping(mut gateway: Gateway, chance: &mut Chance) -> anyhow::Result<()> {
    gateway.ask_to_stop()?;
    tokio::time::sleep(LATEST_KILL.mul_f64(chance.fraction() / 4.0)).await;
    gateway.kill()
}

/// Callers that call until nobody answers any more.
fn start_callers(client: Client) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(async move {
            let streamed = caller % 2 == 0;
            let request = if streamed { ask_streamed("auto", "hello") } else { ask("auto", "hello") };
            while client.chat(&request).await.is_ok() {}
        });
    }
    callers
}

/// A small generator of random numbers whose seed is printed.
struct Chance(u64);

impl Chance {
    /// `POINTSMAN_SEED` repeats a run.
    fn new() -> anyhow::Result<Self> {
        let seed = match std::env::var("POINTSMAN_SEED") {
            Ok(text) => text.parse()?,
            Err(_) => RandomState::new().hash_one(std::process::id()),
        };
        eprintln!("POINTSMAN_SEED={seed}");
        Ok(Self(seed | 1))
    }

    /// One of `count` numbers from 0.
    fn below(&mut self, count: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % count
    }

    fn fraction(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1u32 << 20)
    }
}

#[tokio::test]
async fn a_damaged_store_of_scored_calls_keeps_nobody_from_being_served() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let whole = Gateway::start(&world).await?;
    assert_eq!(whole.client.chat(&ask("auto", "hello")).await?.status, 200);
    whole.stop().await?;
    let file = world.path().join("state/calls.redb");
    let written = std::fs::read(&file)?;
    let rubbish = vec![0x5a; 8192];
    let mut scribbled = written.clone();
    scribbled[..4096].fill(0xff);
    for (what, bytes) in [
        ("nothing", &[][..]),
        ("rubbish", &rubbish),
        ("half", &written[..written.len() / 2]),
        ("no head", &scribbled),
    ] {
        std::fs::write(&file, bytes)?;
        let gateway = Gateway::start(&world).await.with_context(|| format!("{what} in calls.redb"))?;
        let answer = gateway.client.chat(&ask("auto", "hello")).await?;
        assert_eq!(answer.status, 200, "{what}");
        let said = gateway.output();
        assert!(said.contains("calls.redb") && said.contains("move it away"), "{what}: {said}");
        assert_eq!(
            gateway.cost_nano().await?,
            provider.entries().last().map_or(0, |e| e.cost_nano),
            "{what}"
        );
        gateway.stop().await?;
        assert_eq!(std::fs::read(&file)?, bytes, "{what} was left as it was");
    }
    Ok(())
}
