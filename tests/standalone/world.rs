//! Folders of manifests for tests.

use std::path::{Path, PathBuf};

use pointsman_test_support::provider::{Model, Price, Provider};
use tempfile::TempDir;

/// The key that the provider is called with.
pub(crate) const KEY: &str = "sk-of-the-provider";

/// The price of `gpt-x`, as its manifest says it.
pub(crate) const PRICE: Price =
    Price { input: 1_250_000_000, cached_input: 125_000_000, output: 10_000_000_000 };

/// The price of `gpt-y`.
pub(crate) const CHEAP: Price = Price { input: 50_000_000, cached_input: 5_000_000, output: 400_000_000 };

/// A folder of manifests and a state folder; both go when it is dropped.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    /// An empty folder.
    pub(crate) fn empty() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("manifests"))?;
        Ok(Self { folder })
    }

    /// One provider with a dear model and a cheap one, and a policy that prefers the dear one.
    pub(crate) fn of(provider: &Provider) -> anyhow::Result<Self> {
        provider.serve("gpt-x", Model::priced(PRICE));
        provider.serve("gpt-y", Model::priced(CHEAP));
        provider.require_key(KEY);
        let world = Self::empty()?;
        world.write("provider.yaml", &provider_manifest(&provider.url()))?;
        world.write("policy.yaml", POLICY)?;
        Ok(world)
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.manifests().join(file), text)?)
    }

    pub(crate) fn remove(&self, file: &str) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.manifests().join(file))?)
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The default policy of namespace `shop`.
pub(crate) const POLICY: &str = "\
apiVersion: pointsman.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: default, namespace: shop}
spec:
  objective: Quality
  candidates:
    - model: gpt-x
    - model: gpt-y
";

fn provider_manifest(url: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata: {{name: fake, namespace: shop, annotations: {{pointsman.dev/allowed-hosts: \"127.0.0.1\"}}}}
stringData: {{apiKey: {KEY}}}
---
apiVersion: pointsman.dev/v1alpha1
kind: LLMProvider
metadata: {{name: fake, namespace: shop}}
spec:
  type: OpenAICompatible
  endpoint: {{type: URL, url: \"{url}\"}}
  auth: {{apiKey: {{secretRef: {{name: fake}}}}}}
  circuitBreaker: {{consecutiveErrors: 100}}
  models:
    - name: gpt-x
      capabilities: [Chat]
      pricing: {{input: \"1.25\", cachedInput: \"0.125\", output: \"10\"}}
      prior: {{quality: \"0.9\"}}
    - name: gpt-y
      capabilities: [Chat]
      pricing: {{input: \"0.05\", cachedInput: \"0.005\", output: \"0.4\"}}
      prior: {{quality: \"0.6\"}}
"
    )
}

/// A Strict budget over everything in `shop`, for ever.
pub(crate) fn strict_budget(limit_nano: u64) -> String {
    format!(
        "\
apiVersion: pointsman.dev/v1alpha1
kind: Budget
metadata: {{name: cap, namespace: shop}}
spec:
  enforcement: Strict
  onExhausted: Reject
  limits:
    - {{name: usd, amount: {}.{:09} USD, window: Total}}
",
        limit_nano / 1_000_000_000,
        limit_nano % 1_000_000_000
    )
}
