//! The committed corpus: inputs that once mattered, or that fuzzing should start from, and what becomes of each.
//!
//! `corpus/request/ok-*` are requests, the other files there are none; `corpus/stream/complete-*` end well, the others
//! are cut.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use bytes::Bytes;
use pointsman_wire::openai::request::ChatRequest;
use pointsman_wire::openai::stream::{Ending, StreamWatch, Wanted};

#[test]
fn every_request_is_accepted_or_refused_as_its_name_says() {
    for (name, body) in corpus("request") {
        let parsed = ChatRequest::parse(&body);
        assert_eq!(parsed.is_ok(), name.starts_with("ok-"), "{name}: {parsed:?}");
    }
}

#[test]
fn every_stream_ends_as_its_name_says_at_every_chunk_size() {
    for (name, stream) in corpus("stream") {
        for size in [1, 2, 3, 37, stream.len().max(1)] {
            let mut watch = StreamWatch::new(Wanted { usage: true, choices: 1 });
            for start in (0..stream.len()).step_by(size) {
                watch.feed(&stream.slice(start..stream.len().min(start + size)), |_| None);
            }
            let (_, ending) = watch.finish(|_| None);
            assert_eq!(
                ending == Ending::Complete,
                name.starts_with("complete-"),
                "{name} in slices of {size}"
            );
        }
    }
}

fn corpus(folder: &str) -> Vec<(String, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap().into())
        })
        .collect();
    assert!(files.len() >= 10);
    files
}
