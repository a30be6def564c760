//! Configuration comes and goes; what was good stays, and no key touches a disk.

use anyhow::Result;
use pointsman_config::policy::{Action, Match, Rule, TextMatch, TextScope};
use pointsman_sidecar::{Config, Sidecar, Update};
use pointsman_test_support::provider::Provider;
use serde_json::json;

use crate::client::{call, chat, get};
use crate::world::{Objects, World};

#[tokio::test]
async fn a_bad_object_is_refused_by_its_path_and_the_last_good_one_serves() -> Result<()> {
    let provider = Provider::start();
    let mut objects = Objects::new(&[("openai", &provider, "m")]);
    let world = World::start(objects.clone()).await?;
    objects.generation = 2;
    let bad = Rule {
        name: "bad".to_owned(),
        matches: vec![Match {
            text: Some(TextMatch { regex: "(card".to_owned(), over: TextScope::All }),
            ..Match::default()
        }],
        action: Action::Reject { message: "x".to_owned() },
    };
    let broken = objects.clone().policy(|policy| {
        policy.rules = vec![bad];
        policy.virtual_models = vec!["other".to_owned()];
    });
    let applied = world.sidecar.apply(broken.update()).await;
    let paths: Vec<_> = applied.problems.iter().map(|p| (p.key.to_string(), p.path.as_str())).collect();
    assert_eq!(paths, [("Policy shop/default".to_owned(), "rules[0].matches[0].text.regex")]);
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    assert_eq!(call(world.address, &chat("other")).await?.status, 404);
    objects.generation = 3;
    let mended = objects.policy(|policy| policy.virtual_models = vec!["other".to_owned()]);
    assert_eq!(world.sidecar.apply(mended.update()).await.problems, []);
    assert_eq!(call(world.address, &chat("other")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_budget_without_a_store_is_refused_and_the_rest_is_served() -> Result<()> {
    let provider = Provider::start();
    let sidecar = Sidecar::start(Config::default())?;
    let objects = Objects::new(&[("openai", &provider, "m")]).budget(
        "month",
        "5 USD",
        pointsman_config::window::Window::Month,
    );
    let applied = sidecar.apply(objects.update()).await;
    assert_eq!(applied.problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["rights"]);
    assert_eq!(call(sidecar.data_addrs()[0], &chat("auto")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_restarted_process_serves_from_disk_without_any_operator_and_without_any_key() -> Result<()> {
    let provider = Provider::start();
    provider.require_key("sk-canary-7f3a");
    let folder = tempfile::tempdir()?;
    let config = || Config { state: Some(folder.path().to_owned()), ..Config::default() };
    let objects = Objects::new(&[("openai", &provider, "m")]).key("openai", "sk-canary-7f3a");
    let world = World::start_with(config(), objects.clone()).await?;
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    world.sidecar.shutdown(pointsman_test_support::LONG).await;
    let mut kept = 0;
    for file in std::fs::read_dir(folder.path())? {
        let text = String::from_utf8_lossy(&std::fs::read(file?.path())?).into_owned();
        assert!(!text.contains("canary"), "a key on disk");
        kept += text.len();
    }
    assert!(kept > 0);
    let again = Sidecar::start(config())?;
    let address = again.data_addrs()[0];
    assert_eq!(get(address, "/readyz").await?.status, 200);
    let without_key = call(address, &chat("auto")).await?;
    assert_eq!(without_key.json()["error"]["code"], json!("provider_credential_rejected"));
    again.apply(Update { credentials: objects.credentials.clone(), ..objects.update() }).await;
    assert_eq!(call(address, &chat("auto")).await?.status, 200, "a new key ends the rejection at once");
    Ok(())
}

#[tokio::test]
async fn a_rotated_key_is_used_by_the_next_call() -> Result<()> {
    let provider = Provider::start();
    let objects = Objects::new(&[("openai", &provider, "m")]);
    let world = World::start(objects.clone().key("openai", "sk-old")).await?;
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    world.sidecar.apply(objects.key("openai", "sk-new").update()).await;
    assert_eq!(call(world.address, &chat("auto")).await?.status, 200);
    let keys: Vec<_> = provider
        .requests()
        .iter()
        .map(|r| r.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(keys, ["Bearer sk-old", "Bearer sk-new"]);
    Ok(())
}

#[tokio::test]
async fn deleted_objects_are_gone_and_calls_in_flight_keep_their_world() -> Result<()> {
    use pointsman_test_support::provider::{Fault, Point, sixty_words};
    let provider = Provider::start();
    let world = World::start(Objects::new(&[("openai", &provider, "m")])).await?;
    provider.script("m", [Fault::Hold(Point::Head)]);
    let address = world.address;
    let waiting = tokio::spawn(async move { call(address, &chat("auto")).await });
    provider.wait_for_requests(1).await?;
    world.sidecar.apply(Update::default()).await;
    assert_eq!(call(world.address, &chat("auto")).await?.json()["error"]["code"], json!("model_not_found"));
    provider.release();
    assert_eq!(waiting.await??.text(), sixty_words());
    Ok(())
}
