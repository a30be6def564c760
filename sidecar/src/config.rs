//! The static settings of the process. What is routed where arrives as objects.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pointsman_models::scorer::RoutingModel;

use crate::feedback::CallStore;
use crate::link::LinkConfig;
use crate::rights::RightsStore;

/// How a data plane is set up. `Config::default()` listens on free loopback ports, alone.
pub struct Config {
    /// Where applications call. Every address must be free; port 0 takes any.
    pub data: Vec<SocketAddr>,
    /// Where `/healthz`, `/readyz` and `/metrics` are; none serves them nowhere else.
    pub admin: Option<SocketAddr>,
    /// Whether those paths are on the data listener too, as on a laptop.
    pub admin_on_data: bool,
    /// What simulated providers' outcomes files are relative to.
    pub folder: PathBuf,
    /// A PEM file of roots to trust upstream beside the usual ones.
    pub extra_roots: Option<PathBuf>,
    /// Names the workload in refusals, such as `shop/support-bot`.
    pub workload: Option<String>,
    /// Where the last good objects are kept, without any key; none keeps them nowhere.
    pub state: Option<PathBuf>,
    /// A memory-backed folder where keys outlive the process; none keeps them in this process alone.
    pub keys: Option<PathBuf>,
    /// The routing model that scores where a policy names no other; without one, priors stand.
    pub routing_model: Option<Arc<RoutingModel>>,
    /// A folder with a routing model per subfolder, for policies that name one.
    pub models: Option<PathBuf>,
    /// A folder where what is learned outlives the process: guards of scorers, prices, spending of windows.
    pub learned: Option<PathBuf>,
    /// Keeps scored calls and what was said of them; without one, the last calls in memory take feedback.
    pub calls: Option<Box<dyn CallStore>>,
    /// Hands out the rights of budgets; without one, budgets that need rights are refused.
    pub rights: Option<Box<dyn RightsStore>>,
    /// The operator to be configured by; without one, [`crate::Handle::apply`] configures.
    pub link: Option<LinkConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            admin: None,
            admin_on_data: true,
            folder: PathBuf::from("."),
            extra_roots: None,
            workload: None,
            state: None,
            keys: None,
            routing_model: None,
            models: None,
            learned: None,
            calls: None,
            rights: None,
            link: None,
        }
    }
}
