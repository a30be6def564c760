//! The manifests that the keys in the environment stand for: what each key really opens, as the provider says itself.

use std::time::Duration;

use anyhow::bail;
use pointsman_models::{Catalogue, provider_defaults};
use serde::Deserialize;

use crate::environment::{Environment, Found};
use crate::http;

/// A provider that does not answer in time is taken at the catalogue's word.
const PATIENCE: Duration = Duration::from_secs(5);

/// Manifests made of the environment.
pub(crate) struct Manifests {
    /// One document per object.
    pub(crate) yaml: String,
    /// One line per provider, for people.
    pub(crate) found: Vec<String>,
}

/// Makes one LLMProvider per key. Without any key there is nothing to serve.
pub(super) async fn manifests(environment: &Environment) -> anyhow::Result<Manifests> {
    let providers = environment.providers();
    if providers.is_empty() {
        bail!(
            "nothing to serve: name a folder (pointsman run examples/quickstart), or set a key such as \
             OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"
        );
    }
    let mut made = Manifests { yaml: String::new(), found: Vec::new() };
    for found in providers {
        let opened = list_models(&found, environment).await;
        let models = match &opened {
            Ok(models) => Some(models.as_slice()),
            Err(error) if found.base_url.is_some() => bail!("{error:#}"),
            Err(_) => None,
        };
        made.found.push(told(&found, models));
        // A provider without a model is no provider; the line above says so.
        if models.is_some_and(|models| found.usable(models).is_empty()) {
            continue;
        }
        made.yaml.push_str("---\n");
        made.yaml.push_str(&found.manifest(models));
    }
    Ok(made)
}

async fn list_models(found: &Found, environment: &Environment) -> anyhow::Result<Vec<String>> {
    let default = provider_defaults(&found.provider_type).and_then(|d| d.endpoint);
    let base = found.base_url.as_deref().or(default).unwrap_or_default();
    let key = found.key_variable.as_deref().and_then(|variable| environment.get(variable));
    let body = http::get(&format!("{base}/models"), key, PATIENCE).await?;
    let list: ModelList = serde_json::from_slice(&body)
        .map_err(|e| anyhow::anyhow!("{base}/models did not answer with a list of models: {e}"))?;
    Ok(list.data.into_iter().map(|model| model.id).collect())
}

fn told(found: &Found, opened: Option<&[String]>) -> String {
    let name = found.name();
    let variable = found.key_variable.as_deref().or(found.base_url.as_deref()).unwrap_or_default();
    if let Some(url) = &found.base_url {
        return format!(
            "Found OPENAI_BASE_URL: provider {name} at {url} serves {} models.",
            opened.unwrap_or_default().len()
        );
    }
    let known = Catalogue::shipped().models_of(&found.provider_type);
    let opens = match opened {
        Some(models) => {
            let open = known.iter().filter(|entry| models.iter().any(|m| m == entry.name)).count();
            format!("{open} that this key opens")
        }
        None => "not asked which this key opens: no answer".to_owned(),
    };
    format!("Found {variable}: provider {name}, {} chat models in the catalogue, {opens}.", known.len())
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_with_what_it_opens() {
        let known = Catalogue::shipped().models_of("OpenAI").len();
        let hosted = format!("Found OPENAI_API_KEY: provider openai, {known} chat models in the catalogue, ");
        let own =
            "Found OPENAI_BASE_URL: provider openaicompatible at http://10.0.0.7:8000/v1 serves 2 models.";
        let opened = ["gpt-5", "whisper-1"].map(str::to_owned);
        for (url, opened, expected) in [
            (None, Some(&opened[..]), format!("{hosted}1 that this key opens.")),
            (None, None, format!("{hosted}not asked which this key opens: no answer.")),
            (Some("http://10.0.0.7:8000/v1"), Some(&opened[..]), own.to_owned()),
        ] {
            let variables = [("OPENAI_API_KEY", "sk-1")].into_iter();
            let environment: Environment = variables.chain(url.map(|url| ("OPENAI_BASE_URL", url))).collect();
            assert_eq!(told(&environment.providers()[0], opened), expected);
        }
    }
}
