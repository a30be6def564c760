//! Real calls, recorded by other projects (`fixtures/openai/README.md`), read by us and by `serde_json`.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use pointsman_wire::openai::error::{ErrorClass, ProviderError};
use pointsman_wire::openai::request::{ChatRequest, Edits};
use pointsman_wire::openai::response::ChatResponse;
use pointsman_wire::openai::stream::{Ending, Seen, StreamWatch, Wanted};
use pointsman_wire::openai::usage::Reported;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[test]
fn every_request_is_read_as_serde_json_reads_it() {
    for (name, call) in calls() {
        let text = call.request.body.get();
        let value: Value = serde_json::from_str(text).unwrap();
        let parsed = ChatRequest::parse(&Bytes::copy_from_slice(text.as_bytes()));
        if let Some(field) = field_that_openai_refused(&value) {
            assert_eq!(parsed.unwrap_err().param(), Some(field), "{name}");
            continue;
        }
        let request = parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(request.model(), value["model"].as_str().unwrap(), "{name}");
        assert_eq!(request.stream(), value["stream"] == true, "{name}");
        assert_eq!(request.include_usage(), value["stream_options"]["include_usage"] == true, "{name}");
        assert_eq!(request.has_tools(), value["tools"].as_array().is_some_and(|t| !t.is_empty()), "{name}");
        assert_eq!(request.has_images(), text.contains("\"image_url\""), "{name}");
        assert_eq!(request.user_text(), user_text(&value), "{name}");
        let sent = request.splice(&Edits { model: Some("another-model"), ..Edits::default() }).into_bytes();
        let mut expected = value;
        expected["model"] = "another-model".into();
        assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected, "{name}");
    }
}

#[test]
fn every_token_bound_holds_against_the_providers_own_count() {
    for (name, call) in calls() {
        let Ok(request) = ChatRequest::parse(&Bytes::copy_from_slice(call.request.body.get().as_bytes()))
        else {
            continue;
        };
        if let (Some(usage), true) = (usage_of(&call), request.is_bounded()) {
            assert!(usage.0 <= request.input_tokens_bound(), "{name}: {usage:?}");
            assert!(request.input_tokens_estimate() <= request.input_tokens_bound(), "{name}");
        }
    }
}

#[test]
fn every_answer_is_read_as_serde_json_reads_it() {
    let mut read = 0;
    for (name, call) in calls().filter(|(_, call)| call.response.status == 200) {
        let Some(body) = &call.response.body else { continue };
        let value: Value = serde_json::from_str(body.get()).unwrap();
        let response = ChatResponse::parse(&Bytes::copy_from_slice(body.get().as_bytes())).unwrap();
        assert_eq!(response.model().as_deref(), value["model"].as_str(), "{name}");
        assert_eq!(
            response.finish_reason().as_deref(),
            value["choices"][0]["finish_reason"].as_str(),
            "{name}"
        );
        let usage = response.usage.known().map(|usage| (usage.input, usage.output));
        assert_eq!(usage, usage_of(&call), "{name}");
        read += 1;
    }
    assert!(read > 60, "{read}");
}

#[test]
fn every_refusal_is_classified() {
    let mut classes = Vec::new();
    for (_, call) in calls().filter(|(_, call)| call.response.status != 200) {
        let body = call.response.body.unwrap();
        let error = ProviderError::parse(call.response.status, body.get().as_bytes());
        assert!(!error.message.is_empty());
        assert_eq!(error.class == ErrorClass::Other, call.response.status == 404);
        classes.push(error.class);
    }
    assert_eq!(classes.len(), 7);
}

#[test]
fn every_stream_reads_the_same_whole_in_slices_and_byte_by_byte() {
    let mut streams = 0;
    for (name, stream) in streams_of_fixtures() {
        let whole = replay(&stream, stream.len());
        assert_eq!(whole.forwarded, stream, "{name}");
        assert_eq!(whole.ending, Ending::Complete, "{name}");
        assert_eq!(whole.seen.malformed, 0, "{name}");
        let expected = Expected::of(&stream);
        assert_eq!(whole.seen.characters, expected.characters, "{name}");
        assert_eq!(whole.seen.head.as_ref().unwrap().model, expected.model, "{name}");
        let usage = whole.seen.usage.known().map(|usage| (usage.input, usage.output));
        assert_eq!(usage, expected.usage, "{name}");
        for size in [37, 1] {
            let sliced = replay(&stream, size);
            assert_eq!(sliced.forwarded, stream, "{name}");
            assert_eq!((sliced.seen, sliced.ending), (whole.seen.clone(), whole.ending), "{name}");
        }
        streams += 1;
    }
    assert!(streams >= 20, "{streams}");
}

#[test]
fn a_stream_cut_anywhere_before_its_finish_never_ends_well() {
    for (name, stream) in streams_of_fixtures() {
        let finish = Expected::of(&stream).finish_at;
        let mut watch = StreamWatch::new(WANTED);
        for cut in 0..=stream.len() {
            let (_, ending) = watch.clone().finish(|_| None);
            let expected = if cut >= finish { Ending::Complete } else { Ending::Cut };
            assert_eq!(ending, expected, "{name} cut at {cut}, finish at {finish}");
            watch.feed(&stream.slice(cut..stream.len().min(cut + 1)), |_| None);
        }
    }
}

const WANTED: Wanted = Wanted { usage: true, choices: 1 };

struct Replay {
    forwarded: Bytes,
    seen: Seen,
    ending: Ending,
}

fn replay(stream: &Bytes, size: usize) -> Replay {
    let mut watch = StreamWatch::new(WANTED);
    let mut forwarded = Vec::new();
    for start in (0..stream.len()).step_by(size) {
        let chunk = stream.slice(start..stream.len().min(start + size));
        watch.feed(&chunk, |_| None).iter().for_each(|part| forwarded.extend_from_slice(part));
    }
    let (rest, ending) = watch.finish(|_| None);
    rest.iter().for_each(|part| forwarded.extend_from_slice(part));
    Replay { forwarded: forwarded.into(), seen: watch.seen().clone(), ending }
}

/// What a stream says, by another reader.
#[derive(Default)]
struct Expected {
    characters: u64,
    model: String,
    usage: Option<(u64, u64)>,
    /// Just after the finish reason or, for providers that send none, `[DONE]`.
    finish_at: usize,
}

impl Expected {
    fn of(stream: &[u8]) -> Expected {
        let mut expected = Expected::default();
        let mut at = 0;
        for line in std::str::from_utf8(stream).unwrap().split_inclusive('\n') {
            let payload = line.trim_end();
            if let Some(chunk) =
                payload.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data).ok())
            {
                expected.add(&chunk, at + payload.len());
            }
            if expected.finish_at == 0 && payload == "data: [DONE]" {
                expected.finish_at = at + payload.len();
            }
            at += line.len();
        }
        expected
    }

    fn add(&mut self, chunk: &Value, end: usize) {
        let characters = |value: &Value| value.as_str().unwrap_or_default().chars().count() as u64;
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let delta = &choice["delta"];
            self.characters += characters(&delta["content"]) + characters(&delta["refusal"]);
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                self.characters +=
                    characters(&call["function"]["name"]) + characters(&call["function"]["arguments"]);
            }
            if self.finish_at == 0 && choice["finish_reason"].is_string() {
                self.finish_at = end;
            }
        }
        if let (true, Some(model)) = (self.model.is_empty(), chunk["model"].as_str()) {
            self.model = model.to_owned();
        }
        self.usage = counts(&chunk["usage"]).or(self.usage);
    }
}

/// Input and output tokens, hidden reasoning included.
fn counts(usage: &Value) -> Option<(u64, u64)> {
    let input = usage["prompt_tokens"].as_u64()?;
    let output = usage["completion_tokens"].as_u64()?;
    Some((input, output.max(usage["total_tokens"].as_u64().unwrap_or(0).saturating_sub(input))))
}

fn usage_of(call: &Call) -> Option<(u64, u64)> {
    match (&call.response.body, &call.response.body_text) {
        (Some(body), _) => counts(&serde_json::from_str::<Value>(body.get()).unwrap()["usage"]),
        (None, Some(stream)) => Expected::of(stream.as_bytes()).usage,
        (None, None) => None,
    }
}

fn field_that_openai_refused(request: &Value) -> Option<&'static str> {
    if request["messages"].as_array().is_none_or(Vec::is_empty) {
        return Some("messages");
    }
    (request["max_tokens"] == 0).then_some("max_tokens")
}

fn user_text(request: &Value) -> String {
    let mut texts = Vec::new();
    for message in request["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "user")
    {
        match &message["content"] {
            Value::String(text) => texts.push(text.as_str()),
            content => {
                texts.extend(
                    content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()),
                );
            }
        }
    }
    texts.join("\n")
}

#[derive(Deserialize)]
struct Cassette {
    interactions: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
struct Request {
    body: Box<RawValue>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    body: Option<Box<RawValue>>,
    body_text: Option<String>,
}

fn calls() -> impl Iterator<Item = (String, Call)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).flat_map(
        |path| {
            let cassette: Cassette = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            cassette.interactions.into_iter().map(move |call| (name.clone(), call))
        },
    )
}

fn streams_of_fixtures() -> impl Iterator<Item = (String, Bytes)> {
    calls().filter_map(|(name, call)| Some((name, Bytes::from(call.response.body_text?))))
}

/// Keeps the reading of usage honest: some recordings have none.
#[test]
fn a_stream_without_a_usage_chunk_has_no_usage() {
    let silent =
        streams_of_fixtures().filter(|(_, stream)| replay(stream, 100).seen.usage == Reported::Missing);
    assert!(silent.count() > 0);
}
