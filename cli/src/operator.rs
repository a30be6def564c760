//! `pointsman operator run`: the control plane of a cluster.

use std::process::ExitCode;

use anyhow::Context;
use kube::Client;
use pointsman_operator::inject::Settings;
use pointsman_operator::{OperatorConfig, Pace};

use crate::args::OperatorRun;
use crate::stop;

/// Where the operator's Service has its streams.
const STREAMS: u16 = 14110;
/// Small movements of figures are written this much less often than large ones.
const SMALL_FIGURES_FACTOR: u32 = 6;

/// Serves until a signal to stop.
pub(crate) fn run(args: OperatorRun) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::try_default()
            .await
            .context("failed to find a cluster: set KUBECONFIG, or run in a pod with a ServiceAccount")?;
        let config = config(args, client);
        if let Some(problem) = config.injection.as_ref().and_then(|settings| settings.check().err()) {
            anyhow::bail!("--sidecar-requests, --sidecar-limits: {problem}");
        }
        pointsman_operator::run(config, stop::requested_or_failed()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn config(args: OperatorRun, client: Client) -> OperatorConfig {
    let advertised =
        args.advertise.as_deref().and_then(|a| a.rsplit_once(':')).map(|(host, _)| host.to_owned());
    let service = format!("pointsman.{}.svc", args.namespace);
    let injection = args.sidecar_image.map(|image| Settings {
        image,
        pull_policy: args.sidecar_image_pull_policy,
        operator: args.sidecar_operator.unwrap_or_else(|| format!("{service}:{STREAMS}")),
        requests: args.sidecar_requests,
        limits: args.sidecar_limits,
        root_namespace: args.namespace.clone(),
    });
    let own = [service.clone(), format!("{service}.cluster.local")];
    OperatorConfig {
        client,
        service_account: args.service_account,
        identity: args.identity,
        injection,
        webhook_listen: args.webhook_listen,
        webhook_configuration: args.webhook_configuration,
        certificate_dir: args.certificate_dir,
        listen: args.listen,
        admin_listen: args.admin_listen,
        advertise: args.advertise,
        server_names: own.into_iter().chain(advertised).chain(args.server_names).collect(),
        allow_private_endpoints: args.allow_private_endpoints,
        check_peer_address: !args.any_peer_address,
        pace: Pace {
            figures: args.figures_interval,
            small_figures: args.figures_interval * SMALL_FIGURES_FACTOR,
            ledger: args.ledger_interval,
            ..Pace::default()
        },
        clock: jiff::Timestamp::now,
        root_namespace: args.namespace,
    }
}
