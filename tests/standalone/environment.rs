//! `pointsman run` without a folder: what the environment holds is served.

use pointsman_test_support::provider::{Model, Price, Provider};

use crate::client::ask;
use crate::gateway::Gateway;
use crate::program::run;
use crate::world::World;

const KEY: &str = "sk-in-the-environment";

fn provider() -> Provider {
    let provider = Provider::start();
    provider.serve("llama-local", Model::priced(Price::default()));
    provider.require_key(KEY);
    provider
}

#[tokio::test]
async fn an_address_and_a_key_are_all_that_it_takes() -> anyhow::Result<()> {
    let (provider, world) = (provider(), World::empty()?);
    let variables = [("OPENAI_BASE_URL", provider.url()), ("OPENAI_API_KEY", KEY.to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let gateway = Gateway::start_with(&world, None, &[], &variables).await?;
    let answer = gateway.client.chat(&ask("auto", "hello")).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-pointsman-model"), Some("llama-local"));
    let requests = provider.requests();
    assert!(
        requests.iter().all(|r| r.header("authorization") == Some(&format!("Bearer {KEY}"))),
        "{requests:?}"
    );
    assert!(!gateway.output().contains(KEY), "{}", gateway.output());
    let metrics = gateway.client.get("/metrics").await?.text();
    assert!(!metrics.contains(KEY));
    gateway.stop().await
}

#[tokio::test]
async fn what_the_environment_stands_for_can_be_written_down_and_served() -> anyhow::Result<()> {
    let (provider, world) = (provider(), World::empty()?);
    let variables = [("OPENAI_BASE_URL", provider.url()), ("OPENAI_API_KEY", KEY.to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let printed = run(&["run", "--print"], &variables)?;
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{}", printed.stdout);
    assert!(!printed.stdout.contains(KEY), "{}", printed.stdout);
    world.write("pointsman.yaml", &printed.stdout)?;
    let folder = world.manifests();
    let checked = run(&["check", &folder.to_string_lossy()], &variables)?;
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let gateway = Gateway::start_with(&world, Some(&folder), &[], &variables).await?;
    let answer = gateway.client.chat(&ask("auto", "hello")).await?;
    assert_eq!(
        (answer.status, answer.header("x-pointsman-model")),
        (200, Some("llama-local")),
        "{}",
        answer.text()
    );
    gateway.stop().await
}

#[test]
fn without_a_folder_and_without_a_key_it_says_what_to_do() -> anyhow::Result<()> {
    let said = run(&["run"], &[])?;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    for remedy in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "pointsman run examples/quickstart"] {
        assert!(said.stderr.contains(remedy), "{}", said.stderr);
    }
    Ok(())
}

#[test]
fn an_empty_folder_and_a_missing_one_are_told_apart() -> anyhow::Result<()> {
    let world = World::empty()?;
    let empty = run(&["run", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!(empty.code, Some(1));
    assert!(empty.stderr.contains("one LLMProvider is enough"), "{}", empty.stderr);
    let missing = run(&["run", "/nowhere/at/all"], &[])?;
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("/nowhere/at/all: No such file or directory"), "{}", missing.stderr);
    Ok(())
}

#[test]
fn wrong_usage_is_told_apart_from_failure() -> anyhow::Result<()> {
    for arguments in
        [&["run", "--lisen", "127.0.0.1:0"][..], &["serve"], &["check"], &["run", "--listen", "here"]]
    {
        let said = run(arguments, &[])?;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(said.stderr.contains("Usage") || said.stderr.contains("--help"), "{}", said.stderr);
    }
    let version = run(&["--version"], &[])?;
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.contains("pointsman.dev/v1alpha1"), "{}", version.stdout);
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let world = World::of(&Provider::start())?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let folder = world.manifests();
    let state = world.path().join("state");
    let arguments =
        ["run", &folder.to_string_lossy(), "--listen", &address, "--state-dir", &state.to_string_lossy()];
    let said = run(&arguments, &[])?;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(&address), "{}", said.stderr);
    Ok(())
}

#[tokio::test]
async fn a_key_goes_to_no_host_that_its_secret_does_not_allow() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let manifest = std::fs::read_to_string(world.manifests().join("provider.yaml"))?;
    let manifest = manifest.replace("\"127.0.0.1\"}}", "\"llm.example.com\"}}");
    world.write("provider.yaml", &manifest)?;
    let checked = run(&["check", &world.manifests().to_string_lossy()], &[])?;
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("127.0.0.1") && checked.stdout.contains("allowed-hosts"),
        "{}",
        checked.stdout
    );
    let gateway = Gateway::start(&world).await?;
    let answer = gateway.client.chat(&ask("auto", "hello")).await?;
    assert!(answer.status >= 400, "{}", answer.text());
    assert!(provider.requests().iter().all(|request| request.header("authorization").is_none()));
    gateway.stop().await
}

#[tokio::test]
async fn a_second_one_on_the_same_state_folder_is_refused() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    let gateway = Gateway::start(&world).await?;
    let (folder, state) = (world.manifests(), world.path().join("state"));
    let (folder, state) = (folder.to_string_lossy(), state.to_string_lossy());
    let said = run(&["run", &folder, "--listen", "127.0.0.1:0", "--state-dir", &state], &[])?;
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["failed to open the ledger", &*state, "another pointsman serves with it"] {
        assert!(said.stderr.contains(part), "{part} is missing in {}", said.stderr);
    }
    assert_eq!(gateway.client.chat(&ask("auto", "hello")).await?.status, 200);
    gateway.stop().await
}
