//! What `pointsman run` says when it is ready.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use pointsman_config::amount::Amount;
use pointsman_config::budget::LimitConfig;
use pointsman_config::entry::{Compiled, Entry, State};
use pointsman_config::policy::PolicyConfig;
use pointsman_config::provider::{ProviderConfig, Upstream};
use pointsman_config::window::Window;
use pointsman_core::snapshot::LimitKey;
use pointsman_sidecar::{Handle, LimitReport, SimulatedAddress};
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
    let burned: Vec<String> = handle.budgets_report().await.iter().filter_map(burned_line).collect();
    let mut out = std::io::stdout().lock();
    match source {
        Source::Folder(path) => writeln!(out, "Serving {}", path.display())?,
        Source::Keys(keys) => keys.found.iter().try_for_each(|line| writeln!(out, "{line}"))?,
    }
    for line in described(&loaded.entries, &simulated).into_iter().chain(burned) {
        writeln!(out, "  {line}")?;
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

/// One line for each object that serves.
fn described(entries: &[Entry], simulated: &[SimulatedAddress]) -> Vec<String> {
    let is_budget = |entry: &Entry| matches!(entry.state, State::Valid(Compiled::Budget(_)));
    let unbudgeted = if entries.iter().any(is_budget) { "" } else { ", no budget" };
    entries.iter().filter_map(|entry| describe(entry, unbudgeted, simulated)).collect()
}

fn describe(entry: &Entry, unbudgeted: &str, simulated: &[SimulatedAddress]) -> Option<String> {
    let name = &entry.key.name.name;
    let State::Valid(compiled) = &entry.state else { return None };
    Some(match compiled {
        Compiled::Provider(provider) => {
            format!("provider {name:<12} {}", provider_line(provider, entry, simulated))
        }
        Compiled::Policy(policy) => format!("policy   {name:<12} {}", policy_line(policy, unbudgeted)),
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

fn policy_line(policy: &PolicyConfig, unbudgeted: &str) -> String {
    let names = policy.virtual_models.join("\", \"");
    let models: Vec<&str> = policy.candidates.iter().map(|c| c.model.as_str()).collect();
    let (models, objective) = (models.join(", "), policy.objective);
    format!("model \"{names}\" chooses between {models} (objective {objective:?}{unbudgeted})")
}

/// What a process that died has taken along; none where it was nothing.
fn burned_line(limit: &LimitReport) -> Option<String> {
    let LimitKey { budget, limit: name } = &limit.key;
    let burned = Amount { value: limit.burned, unit: limit.unit };
    let until = limit.ends.map_or_else(|| "for good".to_owned(), |end| format!("until {end}"));
    (limit.burned > 0).then(|| {
        format!(
            "budget   {:<12} {burned} of limit {name} was lost in a crash and counts as spent {until}",
            budget.name
        )
    })
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
    use pointsman_config::amount::Unit;
    use pointsman_config::entry::Name;

    use super::*;
    use crate::environment::Environment;
    use crate::run::Serving;
    use crate::run::keys::Manifests;

    const BUDGET: &str = "\
---
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {name: day}
spec: {limits: [{name: usd, amount: 5 USD, window: Day}]}
";

    /// What is told of a server of one's own, and of further manifests.
    fn told(more: &str) -> Vec<String> {
        let environment: Environment = [("OPENAI_BASE_URL", "http://10.0.0.7:8000/v1")].into_iter().collect();
        let models = ["llama", "qwen"].map(str::to_owned);
        let provider = environment.providers()[0].manifest(Some(&models));
        let source = Source::Keys(Manifests { yaml: format!("{provider}{more}"), found: Vec::new() });
        let loaded = Serving::new(environment).load(&source).expect("manifests in memory");
        described(&loaded.entries, &[])
    }

    #[test]
    fn what_auto_chooses_between_is_told_and_that_no_budget_holds_it() {
        let provider = "provider openaicompatible llama, qwen    10.0.0.7";
        let auto = "policy   default      model \"auto\" chooses between llama, qwen (objective Balanced";
        assert_eq!(told(""), [provider.to_owned(), format!("{auto}, no budget)")]);
        let budget = "budget   day          $5 per Day, Hybrid";
        assert_eq!(told(BUDGET), [provider.to_owned(), format!("{auto})"), budget.to_owned()]);
    }

    #[test]
    fn what_a_crash_has_burned_is_told_until_its_window_ends() {
        let limit = |burned, ends: Option<&str>| LimitReport {
            key: LimitKey { budget: Name::new("shop", "month"), limit: "usd".to_owned() },
            window_id: "w".to_owned(),
            ends: ends.map(|end| end.parse().expect("a time")),
            unit: Unit::Usd,
            amount: 500_000_000_000,
            spent: 30_000_000,
            uncertain: 0,
            reserved: 0,
            granted: 0,
            burned,
        };
        let line = "budget   month        $0.0125 of limit usd was lost in a crash and counts as spent";
        for (burned, ends, expected) in [
            (12_500_000, Some("2026-12-01T00:00:00Z"), Some(format!("{line} until 2026-12-01T00:00:00Z"))),
            (12_500_000, None, Some(format!("{line} for good"))),
            (0, None, None),
        ] {
            assert_eq!(burned_line(&limit(burned, ends)), expected);
        }
    }

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
