//! The two streams to the operator. (Being filled in.)

use std::sync::Arc;
use std::time::Duration;

use pointsman_config::link::UsageReport;
use tokio::sync::{mpsc, watch};

use crate::control::Command;
use crate::shared::Shared;

/// Where the operator is.
pub struct LinkConfig {}

pub(crate) struct Farewell;

impl Farewell {
    pub(crate) async fn wait(self, _: Duration) {}
}

pub(crate) fn start(
    _: LinkConfig,
    _: mpsc::WeakSender<Command>,
    _: watch::Receiver<Arc<UsageReport>>,
    _: Arc<Shared>,
) -> Farewell {
    Farewell
}
