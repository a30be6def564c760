//! Notices edits of a folder, and waits until a save is whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors write a file in several steps; so long nothing may happen before it is read.
const QUIET: Duration = Duration::from_millis(50);

/// Receives once per edit. Ends when the receiver is dropped.
pub(super) fn edits(path: &Path) -> anyhow::Result<mpsc::Receiver<()>> {
    // One edit waits to be read; further ones in the meantime are the same to us.
    let (raw_sender, mut raw) = mpsc::channel(1);
    let watched = path.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // After an error nobody knows what was missed.
        if event.as_ref().map_or(true, |event| concerns(event, &watched)) {
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

/// Whether an event can have changed a manifest. Others, such as a ledger that is kept in the same folder, would put off
/// every reading for as long as they go on.
fn concerns(event: &Event, watched: &Path) -> bool {
    let is_manifest = |path: &PathBuf| {
        path.extension().is_some_and(|e| e == "yaml" || e == "yml") || path.file_name() == watched.file_name()
    };
    !matches!(event.kind, EventKind::Access(_))
        && (event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(is_manifest))
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, Flag, ModifyKind, RenameMode};

    use super::*;

    #[test]
    fn only_what_can_have_changed_a_manifest_is_an_edit() {
        let any = EventKind::Modify(ModifyKind::Any);
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        for (kind, paths, watched, edit) in [
            (any, vec!["/shop/a.yaml"], "/shop", true),
            (any, vec!["/shop/a.yml"], "/shop", true),
            (any, vec!["/shop/ledger.redb"], "/shop", false),
            (renamed, vec!["/shop/.a.swp", "/shop/a.yaml"], "/shop", true),
            (any, vec!["/shop"], "/shop", true),
            (any, vec!["/shop/manifests"], "shop/manifests", true),
            (EventKind::Access(AccessKind::Any), vec!["/shop/a.yaml"], "/shop", false),
        ] {
            let event =
                paths.iter().fold(Event::new(kind), |event, path| event.add_path(PathBuf::from(path)));
            assert_eq!(concerns(&event, Path::new(watched)), edit, "{kind:?} {paths:?}");
        }
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(concerns(&overflow, Path::new("/shop")));
    }
}
