//! The world of an evaluation: the policy of some manifests, and providers for candidates that none of them serves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use pointsman_config::entry::State;
use pointsman_config::objects::Objects;
use pointsman_core::snapshot::{Policy, Snapshot};
use pointsman_models::embedding::Settings;
use pointsman_models::scorer::RoutingModel;
use pointsman_train::outcomes::ModelsFile;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::manifests::{self, Folder};
use crate::world::compile_manifests;

/// A policy with everything that it chooses among.
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    pub(super) policy: Policy,
}

/// One call of a model whose price nobody knows is priced as if it had so many output tokens.
const TOKENS_OF_A_FLAT_PRICE: f64 = 100.0;

impl World {
    pub(super) fn read(path: &Path, models: &ModelsFile, scorer: &RoutingModel) -> anyhow::Result<Self> {
        let mut folder =
            manifests::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        refuse_problems(&folder, path)?;
        let missing = unserved(&folder);
        if !missing.is_empty() {
            let yaml = provider(&folder, &missing, models, scorer)?;
            let added = manifests::read_text(&PathBuf::from("--models"), &yaml);
            refuse_problems(&added, Path::new("--models"))?;
            folder.manifests.extend(added.manifests);
        }
        let compiled = compile_manifests(&folder.manifests, &Environment::of_process());
        let mut objects = Objects::default();
        for entry in compiled.entries {
            if let State::Invalid { message } = &entry.state {
                bail!("{}: {message}; `pointsman check {0}` says more", path.display());
            }
            objects.apply(entry);
        }
        let mut snapshot = Snapshot::build(&objects);
        if snapshot.policies.len() != 1 {
            let found = snapshot.policies.len();
            bail!("{} holds {found} policies that can be served; give it exactly one", path.display());
        }
        let policy = snapshot.policies.remove(0);
        if let [first, ..] = &policy.unserved[..] {
            bail!(
                "candidate \"{first}\" is served by no provider in reach; check providerRefs of the policy"
            );
        }
        Ok(Self { snapshot, policy })
    }
}

fn refuse_problems(folder: &Folder, path: &Path) -> anyhow::Result<()> {
    let refused = folder.problems.iter().find(|problem| problem.severity == manifests::Severity::Refused);
    match refused {
        Some(problem) => {
            Err(anyhow!("{}: {}; `pointsman check {0}` says where", path.display(), problem.message))
        }
        None => Ok(()),
    }
}

/// Candidates that no provider of the folder serves.
fn unserved(folder: &Folder) -> Vec<String> {
    let of = |kind: &'static str, list: &'static str, name: &'static str| {
        let objects = folder.manifests.iter().filter(move |manifest| manifest.kind == kind);
        let entries = objects.filter_map(move |manifest| manifest.object["spec"][list].as_array()).flatten();
        entries.filter_map(move |entry| entry[name].as_str())
    };
    let served: BTreeSet<&str> = of("LLMProvider", "models", "name").collect();
    let mut missing = Vec::new();
    for model in of("RoutingPolicy", "candidates", "model") {
        if !served.contains(model) && !missing.iter().any(|known| known == model) {
            missing.push(model.to_owned());
        }
    }
    missing
}

/// A provider of these models, at the prices of the models file; their priors are what the scorer learned of them.
fn provider(
    folder: &Folder,
    missing: &[String],
    models: &ModelsFile,
    scorer: &RoutingModel,
) -> anyhow::Result<String> {
    let settings: Option<Settings> = scorer.manifest().settings().ok();
    let listed: Vec<Value> = missing
        .iter()
        .map(|model| listed(model, models, scorer, settings.as_ref()))
        .collect::<Result<_, _>>()?;
    let namespace = folder
        .manifests
        .iter()
        .find(|manifest| manifest.kind == "RoutingPolicy")
        .map_or(manifests::DEFAULT_NAMESPACE, |manifest| &manifest.namespace);
    let object = json!({
        "apiVersion": "pointsman.dev/v1alpha1",
        "kind": "LLMProvider",
        "metadata": {"name": "models-file", "namespace": namespace},
        "spec": {"type": "Simulated", "models": listed},
    });
    Ok(object.to_string())
}

fn listed(
    model: &str,
    models: &ModelsFile,
    scorer: &RoutingModel,
    settings: Option<&Settings>,
) -> anyhow::Result<Value> {
    let at = scorer.position(model);
    let number = |list: &dyn Fn(&Settings) -> &Vec<Option<f64>>| {
        settings.zip(at).and_then(|(settings, at)| list(settings).get(at).copied().flatten())
    };
    let tokens = number(&|settings| &settings.output_tokens);
    let (input, output, tokens) = match (models.prices.get(model), number(&|settings| &settings.usual_cost)) {
        (_, Some(usual)) => (1e-9, usual * 1e6 / TOKENS_OF_A_FLAT_PRICE, Some(TOKENS_OF_A_FLAT_PRICE)),
        (Some(price), None) => (price.input, price.output, tokens),
        (None, None) => bail!(
            "nothing is known of what \"{model}\" costs: give it a price in the models file, or an LLMProvider beside the policy"
        ),
    };
    let mut prior = serde_json::Map::new();
    if let Some(tokens) = tokens {
        prior.insert("outputTokens".to_owned(), json!(tokens.round().max(1.0) as u64));
    }
    if let Some(at) = at
        && let Some(mean) = scorer.usual_quality(at)
    {
        prior.insert("quality".to_owned(), json!(format!("{:.4}", mean.clamp(0.0, 1.0))));
    }
    let price = |usd: f64| format!("{:.9}", usd.max(1e-9));
    Ok(json!({"name": model, "pricing": {"input": price(input), "output": price(output)}, "prior": prior}))
}
