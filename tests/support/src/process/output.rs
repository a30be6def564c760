//! What has a process printed?

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines there are; closed when both streams have ended.
    count: watch::Receiver<usize>,
}

impl Output {
    /// Reads both streams of `child` on threads of their own, so that it never waits for a reader.
    pub(super) fn of(child: &mut Child) -> Self {
        let (count, watched) = watch::channel(0);
        let count = Arc::new(count);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        for stream in [stdout, stderr].into_iter().flatten() {
            let (lines, count) = (lines.clone(), count.clone());
            std::thread::spawn(move || keep(stream, &lines, &count));
        }
        Self { lines, count: watched }
    }

    pub(super) fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// The first line that contains `needle`; none when both streams ended without it.
    pub(super) async fn line(&self, needle: &str) -> Option<String> {
        let mut count = self.count.clone();
        let mut seen = 0;
        loop {
            let ended = count.has_changed().is_err();
            {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = lines[seen..].iter().find(|line| line.contains(needle)) {
                    return Some(line.clone());
                }
                seen = lines.len();
            }
            if ended {
                return None;
            }
            // An error means that the streams have ended: one more look, at what came last.
            let _ = count.changed().await;
        }
    }
}

fn keep(stream: Box<dyn Read + Send>, lines: &Mutex<Vec<String>>, count: &watch::Sender<usize>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
        lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        count.send_modify(|count| *count += 1);
        line.clear();
    }
}
