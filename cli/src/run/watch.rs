//! Notices edits of a folder, and waits until a save is whole.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use notify::{EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write a file in several steps; so long nothing may happen before it is read.
const QUIET: Duration = Duration::from_millis(50);

/// Receives once per edit. Ends when the receiver is dropped.
pub(super) fn edits(path: &Path) -> anyhow::Result<mpsc::Receiver<()>> {
    // One edit waits to be read; further ones in the meantime are the same to us.
    let (raw_sender, mut raw) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read_only = matches!(&event, Ok(e) if matches!(e.kind, EventKind::Access(_)));
        if !read_only {
            let _ = raw_sender.try_send(());
        }
    })?;
    // A file is watched through its folder: editors replace it.
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .with_context(|| format!("failed to watch {}", folder.display()))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _watcher = watcher;
        while raw.recv().await.is_some() {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, raw.recv()).await {}
            if sender.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
