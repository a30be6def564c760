#![allow(clippy::unwrap_used)]

use super::*;
use crate::openai::error::ErrorClass;

const HI: &str = r#"data: {"id":"c","model":"m","created":9,"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}],"usage":null}"#;
const STOP: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;

const ASKED: Wanted = Wanted { usage: true, choices: 1 };
const UNASKED: Wanted = Wanted { usage: false, choices: 1 };

struct Outcome {
    forwarded: String,
    seen: Seen,
    ending: Ending,
}

fn watch(wanted: Wanted, stream: &str, price: impl Fn(&Usage) -> Option<Nano> + Copy) -> Outcome {
    let mut watch = StreamWatch::new(wanted);
    let mut forward = watch.feed(&Bytes::copy_from_slice(stream.as_bytes()), price);
    let (last, ending) = watch.finish(price);
    forward.extend(last);
    let forwarded = String::from_utf8(forward.concat()).unwrap();
    Outcome { forwarded, seen: watch.seen().clone(), ending }
}

fn free(wanted: Wanted, stream: &str) -> Outcome {
    watch(wanted, stream, |_| None)
}

fn events(events: &[&str]) -> String {
    events.iter().map(|event| format!("{event}\n\n")).collect()
}

#[test]
fn the_usage_chunk_reaches_only_who_asked() {
    let stream = events(&[HI, STOP, USAGE, "data: [DONE]"]);
    let unasked = free(UNASKED, &stream);
    assert_eq!(unasked.forwarded, events(&[HI, STOP, "data: [DONE]"]));
    assert_eq!(unasked.seen.usage, Reported::Known(Usage { input: 3, output: 1, ..Usage::default() }));
    assert_eq!(unasked.ending, Ending::Complete);
    assert_eq!(free(ASKED, &stream).forwarded, stream);
}

#[test]
fn the_cost_is_written_into_the_usage_chunk() {
    let stream = events(&[HI, STOP, USAGE, "data: [DONE]"]);
    let priced = watch(ASKED, &stream, |usage| Some(Nano(usage.total() * 53_000)));
    assert_eq!(priced.forwarded, stream.replace("\"usage\":{", "\"usage\":{\"cost\":0.000212,"));
    let unasked = watch(UNASKED, &stream, |_| Some(Nano(1)));
    assert!(!unasked.forwarded.contains("cost"));
}

#[test]
fn a_passing_chunk_is_the_same_memory() {
    let bytes = Bytes::from(events(&[HI, ": ping", STOP]));
    let mut watch = StreamWatch::new(UNASKED);
    let forward = watch.feed(&bytes, |_| None);
    assert_eq!(forward.len(), 1);
    assert_eq!((forward[0].as_ptr(), forward[0].len()), (bytes.as_ptr(), bytes.len()));
}

#[test]
fn azures_first_chunk_without_choices_passes() {
    let filter = r#"data: {"choices":[],"id":"","model":"","prompt_filter_results":[]}"#;
    let outcome = free(UNASKED, &events(&[filter, HI]));
    assert_eq!(outcome.forwarded, events(&[filter, HI]));
    assert_eq!(outcome.seen.head, Some(Head { id: "c".into(), model: "m".into(), created: 9 }));
}

#[test]
fn the_first_output_commits_and_nothing_earlier_does() {
    for (delta, output, characters) in [
        (r#"{"role":"assistant","content":""}"#, false, 0),
        (r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":null}"#, false, 0),
        (r#"{"tool_calls":[]}"#, false, 0),
        ("{}", false, 0),
        (r#"{"content":"h\u00e9"}"#, true, 2),
        (r#"{"refusal":"no"}"#, true, 2),
        (r#"{"reasoning_content":"hm"}"#, true, 2),
        (r#"{"reasoning":"hm"}"#, true, 2),
        (r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}"#, true, 1),
        (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, true, 2),
        (r#"{"function_call":{"name":"f"}}"#, true, 1),
        (r#"{"audio":{"id":"a"}}"#, true, 0),
    ] {
        let chunk = format!(r#"data: {{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
        let seen = free(UNASKED, &events(&[&chunk])).seen;
        assert_eq!(
            (seen.output, seen.deltas, seen.characters),
            (output, u64::from(output), characters),
            "{delta}"
        );
    }
}

#[test]
fn every_framing_is_read() {
    let bare = "data:{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}";
    for stream in [
        format!("{bare}\n\n"),
        format!("{bare}\r\n\r\n"),
        format!("\u{feff}{bare}\n\n"),
        format!(": comment\nevent: x\nid: 7\n{bare}   \n\n"),
        format!("\n\n\r\n{bare}\n\n\n\n"),
        "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"a\"},\r\ndata:\"finish_reason\":\"stop\"}]}\n\n".to_owned(),
    ] {
        let outcome = free(UNASKED, &stream);
        assert_eq!(outcome.forwarded, stream);
        assert_eq!((outcome.seen.deltas, outcome.seen.malformed, outcome.ending), (1, 0, Ending::Complete));
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts() {
    for end in ["", "\n", "\r\n"] {
        let outcome = free(UNASKED, &format!("{HI}\n\n{STOP}{end}"));
        assert_eq!(outcome.ending, Ending::Complete);
        assert!(outcome.forwarded.ends_with("\n\n") || outcome.forwarded.ends_with("\r\n\n"));
    }
    let outcome = free(UNASKED, &format!("{HI}\n\n{STOP}\n\n{}", &USAGE[..40]));
    assert_eq!((outcome.forwarded, outcome.seen.malformed), (events(&[HI, STOP]), 0));
}

#[test]
fn a_malformed_event_is_skipped_and_counted() {
    let outcome =
        free(UNASKED, &events(&[HI, "data: {oops", "data: 7", "data:", "data: {\"a\":\"\u{7}\"}", STOP]));
    assert_eq!(outcome.forwarded, events(&[HI, STOP]));
    assert_eq!((outcome.seen.malformed, outcome.ending), (4, Ending::Complete));
}

#[test]
fn an_error_event_is_kept_back_and_cuts_the_stream() {
    let error = r#"data: {"error":{"message":"busy","type":"overloaded_error","code":null}}"#;
    let outcome = free(ASKED, &events(&[HI, error, USAGE, "data: [DONE]"]));
    assert_eq!(outcome.forwarded, events(&[HI]));
    assert!(outcome.seen.usage.known().is_some());
    let error = outcome.seen.error.unwrap();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Overloaded, "busy"));
    assert_eq!(outcome.ending, Ending::Cut);
}

#[test]
fn a_stream_ends_well_with_done_or_with_every_finish_reason() {
    let second = STOP.replace("\"index\":0", "\"index\":1");
    for (choices, stream, expected) in [
        (1, events(&[HI]), Ending::Cut),
        (1, events(&[HI, STOP]), Ending::Complete),
        (1, events(&[HI, "data: [DONE]"]), Ending::Complete),
        (2, events(&[HI, STOP]), Ending::Cut),
        (2, events(&[HI, STOP, STOP]), Ending::Cut),
        (2, events(&[HI, STOP, &second]), Ending::Complete),
        (1, String::new(), Ending::Cut),
    ] {
        assert_eq!(free(Wanted { usage: false, choices }, &stream).ending, expected, "{stream}");
    }
}

#[test]
fn a_stream_is_whole_once_nothing_more_matters() {
    let mut watch = StreamWatch::new(UNASKED);
    let mut whole_after = |event: &str| {
        watch.feed(&Bytes::from(events(&[event])), |_| None);
        watch.is_whole()
    };
    assert!(!whole_after(HI));
    assert!(!whole_after(STOP));
    assert!(whole_after(USAGE));
}

#[test]
fn an_endless_event_cuts_the_stream_and_is_not_kept() {
    let block = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut watch = StreamWatch::new(UNASKED);
    assert!(watch.feed(&Bytes::from_static(b"data: "), |_| None).is_empty());
    for _ in 0..40 {
        assert!(watch.feed(&block, |_| None).is_empty());
    }
    assert!(watch.seen().too_long);
    assert!(watch.feed(&Bytes::from(events(&[HI, STOP, "data: [DONE]"])), |_| None).is_empty());
    assert_eq!(watch.finish(|_| None), (Forward::new(), Ending::Cut));
}

#[test]
fn missing_usage_leaves_an_estimate() {
    let long = HI.replace("hi", &"x".repeat(41));
    let mut watch = StreamWatch::new(UNASKED);
    watch.feed(&Bytes::from(events(&[&long, HI, HI])), |_| None);
    assert_eq!(watch.seen().usage, Reported::Missing);
    assert_eq!(watch.output_tokens_estimate(), 12);
}

#[test]
fn our_own_events_have_the_shape_that_sdks_read() {
    assert_eq!(
        error_event("Cut. Request r.", "server_error", "upstream_stream_cut"),
        "data: {\"error\":{\"message\":\"Cut. Request r.\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_stream_cut\"}}\n\n",
    );
    let head = Head { id: "c\"".into(), model: "m".into(), created: 9 };
    let usage = Usage { input: 8, cached_input: 2, cache_write: 0, output: 5, reasoning: 1 };
    let event = usage_chunk(&head, &usage, Some(Nano(1_000)));
    let mut watch = StreamWatch::new(ASKED);
    assert_eq!(watch.feed(&event, |_| None).concat(), event);
    assert_eq!(watch.seen().usage, Reported::Known(usage));
    let text = std::str::from_utf8(&event).unwrap();
    assert!(
        text.contains(r#""id":"c\"","object":"chat.completion.chunk","created":9,"model":"m","choices":[]"#)
    );
    assert!(text.contains(r#""total_tokens":13"#) && text.contains(r#""cost":0.000001"#));
}
