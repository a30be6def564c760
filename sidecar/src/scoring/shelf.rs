//! The routing models of this process: the one inside the program, and those in a folder beside it. Control thread only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use pointsman_config::policy::ScorerConfig;
use pointsman_models::scorer::RoutingModel;
use pointsman_models::scorer::folder::Checksums;

/// Where routing models are taken from.
pub(crate) struct Shelf {
    shipped: Option<Arc<RoutingModel>>,
    folder: Option<PathBuf>,
    mounted: BTreeMap<String, Arc<RoutingModel>>,
}

/// A model, and why it is not the one that was asked for.
pub(crate) struct Taken {
    pub(crate) model: Option<Arc<RoutingModel>>,
    pub(crate) problem: Option<String>,
}

impl Shelf {
    pub(crate) fn new(shipped: Option<Arc<RoutingModel>>, folder: Option<PathBuf>) -> Self {
        Self { shipped, folder, mounted: BTreeMap::new() }
    }

    /// The model that a policy asks for; where it cannot be had, the one inside the program, with the reason.
    ///
    /// A folder that could not be read is tried again with the next configuration.
    pub(crate) fn take(&mut self, scorer: &ScorerConfig) -> Taken {
        let Some(name) = &scorer.model else {
            return Taken { model: self.shipped.clone(), problem: None };
        };
        if let Some(known) = self.mounted.get(name) {
            return Taken { model: Some(known.clone()), problem: None };
        }
        match self.read(name) {
            Ok(model) => {
                let model = Arc::new(model);
                self.mounted.insert(name.clone(), model.clone());
                Taken { model: Some(model), problem: None }
            }
            Err(problem) => {
                tracing::warn!(model = name, %problem, "routing model not loaded; the shipped one scores");
                Taken { model: self.shipped.clone(), problem: Some(problem) }
            }
        }
    }

    fn read(&self, name: &str) -> Result<RoutingModel, String> {
        let Some(folder) = &self.folder else {
            return Err(format!(
                "routing model \"{name}\" needs a folder of models; start with --models-dir"
            ));
        };
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(format!("\"{name}\" is no plain folder name; name a folder in {}", folder.display()));
        }
        load(&folder.join(name)).map_err(|problem| format!("{}: {problem}", folder.join(name).display()))
    }
}

/// Reads a routing model from its folder.
pub(super) fn load(folder: &Path) -> Result<RoutingModel, String> {
    let read =
        |name: &str| std::fs::read(folder.join(name)).map(Bytes::from).map_err(|error| error.to_string());
    RoutingModel::load(&read, Checksums::Compare).map_err(|error| error.to_string())
}
