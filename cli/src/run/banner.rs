//! What `pointsman run` says when it is ready.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use pointsman_config::budget::LimitConfig;
use pointsman_config::entry::{Compiled, Entry, State};
use pointsman_config::policy::PolicyConfig;
use pointsman_config::provider::{ProviderConfig, Upstream};
use pointsman_config::window::Window;
use pointsman_sidecar::{Handle, SimulatedAddress};
use serde_json::json;

use super::Source;
use super::serving::Loaded;

/// Prints manifests.
pub(super) fn print(yaml: &str) -> std::io::Result<()> {
    std::io::stdout().lock().write_all(yaml.as_bytes())
}

/// Says what is served and where.
pub(super) async fn show(
    source: &Source,
    loaded: &Loaded,
    handle: &Handle,
    started: Instant,
) -> std::io::Result<()> {
    let simulated = handle.simulated().await;
    let mut out = std::io::stdout().lock();
    match source {
        Source::Folder(path) => writeln!(out, "Serving {}", path.display())?,
        Source::Keys(keys) => keys.found.iter().try_for_each(|line| writeln!(out, "{line}"))?,
    }
    for entry in &loaded.entries {
        if let Some(line) = describe(entry, &simulated) {
            writeln!(out, "  {line}")?;
        }
    }
    if matches!(source, Source::Keys(_)) {
        writeln!(out, "Write this down as files:  pointsman run --print > pointsman.yaml")?;
    }
    for address in handle.data_addrs() {
        writeln!(out, "API      http://{address}/v1        export OPENAI_BASE_URL=http://{address}/v1")?;
    }
    writeln!(out, "Ready in {} ms. Ctrl-C stops.", started.elapsed().as_millis())?;
    out.flush()
}

fn describe(entry: &Entry, simulated: &[SimulatedAddress]) -> Option<String> {
    let name = &entry.key.name.name;
    let State::Valid(compiled) = &entry.state else { return None };
    Some(match compiled {
        Compiled::Provider(provider) => {
            format!("provider {name:<12} {}", provider_line(provider, entry, simulated))
        }
        Compiled::Policy(policy) => format!("policy   {name:<12} {}", policy_line(policy)),
        Compiled::Budget(budget) => {
            let limits: Vec<String> = budget.limits.iter().map(limit_text).collect();
            format!("budget   {name:<12} {}, {:?}", limits.join(", "), budget.enforcement)
        }
    })
}

fn limit_text(limit: &LimitConfig) -> String {
    match limit.window {
        Window::Total => format!("{} in all", limit.amount),
        window => format!("{} per {window}", limit.amount),
    }
}

fn provider_line(provider: &ProviderConfig, entry: &Entry, simulated: &[SimulatedAddress]) -> String {
    let models: Vec<&str> = provider.models.iter().map(|m| m.name.as_str()).collect();
    let shown = match models.len() {
        0..=4 => models.join(", "),
        more => format!("{} and {} more", models[..3].join(", "), more - 3),
    };
    let place = match &provider.upstream {
        Upstream::Http(http) => http.host.clone(),
        Upstream::Simulated(_) => simulated
            .iter()
            .find(|s| s.provider == entry.key.name)
            .map_or_else(|| "simulated".to_owned(), |s| format!("simulated on {}", s.data)),
    };
    format!("{shown}    {place}")
}

fn policy_line(policy: &PolicyConfig) -> String {
    let names = policy.virtual_models.join("\", \"");
    let models: Vec<&str> = policy.candidates.iter().map(|c| c.model.as_str()).collect();
    format!("model \"{names}\" chooses between {} (objective {:?})", models.join(", "), policy.objective)
}

/// Writes where everything listens, whole or not at all.
pub(crate) async fn write_ready_file(file: &Path, handle: &Handle) -> std::io::Result<()> {
    let simulated: serde_json::Map<String, serde_json::Value> = handle
        .simulated()
        .await
        .into_iter()
        .map(|s| {
            let addresses =
                json!({"data": format!("http://{}", s.data), "control": format!("http://{}", s.control)});
            (s.provider.to_string(), addresses)
        })
        .collect();
    let data: Vec<String> = handle.data_addrs().iter().map(|a| format!("http://{a}")).collect();
    let ready = json!({
        "api": data.first().map(|d| format!("{d}/v1")),
        "data": data,
        "admin": handle.admin_addr().map(|a| format!("http://{a}")),
        "simulated": simulated,
        "pid": std::process::id(),
    });
    let temporary = file.with_extension("new");
    std::fs::write(&temporary, format!("{ready:#}\n"))?;
    std::fs::rename(temporary, file)
}

#[cfg(test)]
mod tests {
    use pointsman_config::amount::Amount;

    use super::*;

    #[test]
    fn a_limit_is_told_with_its_window_or_in_all() {
        let limit = |window| LimitConfig {
            name: "x".to_owned(),
            amount: Amount::parse("0.25 USD").expect("an amount"),
            window,
            time_zone: "UTC".to_owned(),
        };
        assert_eq!(limit_text(&limit(Window::Day)), "$0.25 per Day");
        assert_eq!(limit_text(&limit(Window::Total)), "$0.25 in all");
    }
}
