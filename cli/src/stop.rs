//! Waits for a signal to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Listens from now on; the future ends at the first SIGTERM or SIGINT.
pub(crate) fn listen() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Returns at the first SIGTERM or SIGINT.
pub(crate) async fn requested() -> std::io::Result<()> {
    listen()?.await;
    Ok(())
}

/// As [`requested`], for those who can only stop: signals that cannot be received stop at once.
pub(crate) async fn requested_or_failed() {
    if let Err(error) = requested().await {
        tracing::error!(%error, "signals cannot be received; stopping");
    }
}
