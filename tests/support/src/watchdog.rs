//! Who stops a child process when the test that started it is killed?
//!
//! A second process that waits for the end of a pipe which only we hold open: however we die, the pipe closes, and it
//! kills the child's process group and removes the folders left behind. (The kernel's own "signal on parent's death"
//! follows the *thread* that forked, and test threads end long before their process does.)

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = r#"
read -r _
group="$1"; shift
kill -s KILL -- "-$group" 2>/dev/null
for try in 1 2 3 4 5; do rm -rf "$@" && exit; sleep 0.2; done
"#;

/// Stops with [`Drop`], without touching the group: the owner has ended it by then.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Watches over the process group `group`, and over folders that must not outlive us.
    pub(crate) fn over(group: u32, folders: &[&Path]) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "watchdog", &group.to_string()]).args(folders);
        // A group of its own, so that Ctrl-C in a terminal ends us first and it does its work afterwards.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(shell.spawn()?))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
