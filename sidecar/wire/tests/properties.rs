//! What holds for every input: no panic, one reading, edits that touch nothing else, chunking that does not matter.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use pointsman_config::money::Nano;
use pointsman_wire::body::Spliced;
use pointsman_wire::json;
use pointsman_wire::openai::error::ProviderError;
use pointsman_wire::openai::request::{ChatRequest, Edits, MaxTokensField};
use pointsman_wire::openai::response::ChatResponse;
use pointsman_wire::openai::stream::{Ending, Seen, StreamWatch, Wanted};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        swallow(bytes.into());
    }

    #[test]
    fn nothing_panics_on_almost_json(text in almost_json()) {
        swallow(text.into());
    }

    #[test]
    fn json_is_what_serde_json_says_it_is(text in almost_json()) {
        let accepted = std::str::from_utf8(&text).is_ok() && serde_json::from_slice::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(json::check(&text).is_ok(), accepted);
    }

    #[test]
    fn strings_decode_as_serde_json_decodes_them(text in any::<String>(), escape in any::<bool>()) {
        let quoted = if escape { escaped(&text) } else { serde_json::to_string(&text).unwrap() };
        prop_assert_eq!(json::decode(&quoted[1..quoted.len() - 1]), text);
    }

    #[test]
    fn a_request_reads_as_serde_json_reads_it(value in request(), pretty in any::<bool>()) {
        let parsed = parse(&render(&value, pretty));
        prop_assert_eq!(parsed.model(), value["model"].as_str().unwrap());
        prop_assert_eq!(parsed.stream(), value["stream"] == true);
        prop_assert_eq!(parsed.include_usage(), value["stream_options"]["include_usage"] == true);
        let limits = ["max_tokens", "max_completion_tokens"].map(|name| value[name].as_u64());
        prop_assert_eq!(parsed.max_output_tokens(), limits.into_iter().flatten().max());
        let texts: Vec<_> =
            value["messages"].as_array().unwrap().iter().filter_map(|message| message["content"].as_str()).collect();
        prop_assert_eq!(parsed.all_text(), texts.join("\n"));
        prop_assert_eq!(parsed.prompt_bytes(), texts.concat().len() as u64);
        prop_assert!(parsed.input_tokens_estimate() <= parsed.input_tokens_bound());
    }

    #[test]
    fn edits_change_their_fields_and_nothing_else(
        value in request(),
        pretty in any::<bool>(),
        model in proptest::option::of("[a-z\"é]{1,9}"),
        include_usage in any::<bool>(),
        limit in proptest::option::of(1u64..2000),
        older in any::<bool>(),
    ) {
        let body = render(&value, pretty);
        let max_tokens_field = if older { MaxTokensField::MaxTokens } else { MaxTokensField::MaxCompletionTokens };
        let edits = Edits { model: model.as_deref(), include_usage, max_tokens: limit, max_tokens_field: Some(max_tokens_field) };
        let spliced = parse(&body).splice(&edits);
        // A short body is copied; only the slices of a long one tell what was shared.
        if body.len() > 4096 {
            for gap in gaps(&body, &spliced) {
                let replaced: Value = serde_json::from_slice(gap).unwrap();
                let spelt = replaced == "max_tokens" || replaced == "max_completion_tokens";
                prop_assert!(spelt || fields_we_edit(&value).any(|field| *field == replaced), "{replaced}");
            }
        }
        let length = spliced.len;
        let after = spliced.into_bytes();
        prop_assert_eq!(after.len(), length);
        prop_assert_eq!(serde_json::from_slice::<Value>(&after).unwrap(), edited(value, &edits));
        prop_assert_eq!(parse(&after).splice(&edits).into_bytes(), after.clone(), "a second time changes nothing");
    }

    #[test]
    fn the_watcher_does_not_see_where_the_network_cuts(
        stream in stream(),
        cuts in proptest::collection::vec(1usize..60, 1..40),
        usage in any::<bool>(),
        priced in any::<bool>(),
    ) {
        let wanted = Wanted { usage, choices: 1 };
        let whole = watch(wanted, &stream, &[stream.len().max(1)], priced);
        prop_assert_eq!(&watch(wanted, &stream, &cuts, priced), &whole);
        prop_assert_eq!(&watch(wanted, &stream, &[1], priced), &whole);
    }

    #[test]
    fn what_was_forwarded_reads_as_what_came_in(stream in stream()) {
        let wanted = Wanted { usage: true, choices: 1 };
        let (forwarded, seen, _) = watch(wanted, &stream, &[9], false);
        prop_assume!(seen.error.is_none());
        let (again, read, _) = watch(wanted, &forwarded.clone().into(), &[9], false);
        prop_assert_eq!(again, forwarded);
        prop_assert_eq!(read.characters, seen.characters);
        prop_assert_eq!(read.usage, seen.usage);
        prop_assert_eq!((read.finished, read.done, read.malformed), (seen.finished, seen.done, 0));
    }
}

/// Shows bytes to every reader.
fn swallow(bytes: Bytes) {
    if let Ok(request) = ChatRequest::parse(&bytes) {
        request.all_text();
        let edits = Edits {
            model: Some("x"),
            include_usage: true,
            max_tokens: Some(1),
            max_tokens_field: Some(MaxTokensField::MaxTokens),
        };
        parse(&request.splice(&edits).into_bytes());
    }
    if let Ok(response) = ChatResponse::parse(&bytes) {
        json::check(&response.annotate_cost(Nano(1)).into_bytes()).unwrap();
    }
    ProviderError::parse(400, &bytes);
    watch(Wanted { usage: true, choices: 2 }, &bytes, &[3], true);
}

fn parse(body: &Bytes) -> ChatRequest {
    ChatRequest::parse(body).unwrap()
}

fn render(value: &Value, pretty: bool) -> Bytes {
    if pretty { serde_json::to_vec_pretty(value) } else { serde_json::to_vec(value) }.unwrap().into()
}

/// What of the old body is not shared with the new one.
fn gaps<'a>(body: &'a Bytes, spliced: &Spliced) -> Vec<&'a [u8]> {
    let start = body.as_ptr() as usize;
    let ours = spliced.parts.iter().map(|part| (part.as_ptr() as usize).wrapping_sub(start)..part.len());
    let shared = ours.filter(|part| part.start < body.len());
    let mut at = 0;
    let mut gaps = Vec::new();
    for part in shared {
        gaps.push(&body[at..part.start]);
        at = part.start + part.end;
    }
    gaps.push(&body[at..]);
    gaps.retain(|gap| !gap.is_empty());
    gaps
}

fn fields_we_edit(request: &Value) -> impl Iterator<Item = &Value> {
    let options = &request["stream_options"];
    ["model", "max_tokens", "max_completion_tokens", "stream_options"]
        .map(|name| &request[name])
        .into_iter()
        .chain([&options["include_usage"]])
        .filter(|field| !field.is_object())
}

/// The edits, made on a tree.
fn edited(mut value: Value, edits: &Edits<'_>) -> Value {
    if let Some(model) = edits.model {
        value["model"] = model.into();
    }
    if edits.include_usage && value["stream"] == true {
        if !value["stream_options"].is_object() {
            value["stream_options"] = json!({});
        }
        value["stream_options"]["include_usage"] = true.into();
    }
    let spellings = ["max_tokens", "max_completion_tokens"];
    let [right, wrong] = match edits.max_tokens_field {
        Some(MaxTokensField::MaxCompletionTokens) => [spellings[1], spellings[0]],
        _ => spellings,
    };
    if value.get(right).is_none() && !value[wrong].is_null() {
        let given = value.as_object_mut().unwrap().remove(wrong).unwrap();
        value[right] = given;
    }
    let Some(limit) = edits.max_tokens else { return value };
    if spellings.iter().all(|name| value[*name].is_null()) {
        value[right] = limit.into();
    }
    for name in spellings {
        if let Some(given) = value[name].as_u64() {
            value[name] = given.min(limit).into();
        }
    }
    value
}

/// A string with every character escaped.
fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// JSON with up to three bytes changed, put in or taken out.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![proptest::sample::select(&b"{}[]\",:\\u0123456789.eE+-tfn \n\x01\xc3"[..]), any::<u8>()];
    let change = (any::<proptest::sample::Index>(), byte, 0..3);
    (prop_oneof![value(), request()], proptest::collection::vec(change, 0..4), any::<bool>()).prop_map(
        |(value, changes, pretty)| {
            let mut text = render(&value, pretty).to_vec();
            for (at, byte, kind) in changes {
                let at = at.index(text.len() + 1).min(text.len().saturating_sub(1));
                match kind {
                    0 if !text.is_empty() => text[at] = byte,
                    1 if !text.is_empty() => drop(text.remove(at)),
                    _ => text.insert(at, byte),
                }
            }
            text
        },
    )
}

fn request() -> impl Strategy<Value = Value> {
    let limit = || prop_oneof![Just(json!(null)), (1u64..3000).prop_map(Value::from)];
    let options = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!({"x": [1]})),
        any::<bool>().prop_map(|usage| json!({"a": 1, "include_usage": usage})),
    ];
    let message = ("user|system|assistant", any::<String>())
        .prop_map(|(role, text)| json!({"role": role, "content": text}));
    let optional = |strategy: BoxedStrategy<Value>| proptest::option::of(strategy);
    (
        ".{1,12}",
        proptest::collection::vec(message, 1..6),
        any::<bool>(),
        optional(any::<bool>().prop_map(Value::from).boxed()),
        optional(options.boxed()),
        optional(limit().boxed()),
        optional(limit().boxed()),
        optional(value().boxed()),
    )
        .prop_map(|(model, messages, long, stream, options, older, newer, unknown)| {
            let mut request = json!({"model": model, "messages": messages});
            if long {
                request["a_long_field"] = "x".repeat(4096).into();
            }
            let members = [
                ("stream", stream),
                ("stream_options", options),
                ("max_tokens", older),
                ("max_completion_tokens", newer),
                ("a_new_field", unknown),
            ];
            for (name, value) in members {
                if let Some(value) = value {
                    request[name] = value;
                }
            }
            request
        })
}

const EVENTS: [&str; 14] = [
    "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\u00e9\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\u{1f682}\"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]}}]}\n\n",
    "data:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n",
    "data: {\"choices\":[],\"usage\":{}}\n\n",
    "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
    ": ping\n\n",
    "event: x\r\nid: 1\r\ndata: {}\r\n\r\n",
    "\n",
    "\r\n",
    "data: {broken\n\n",
    "data: {\"error\":{\"message\":\"m\"}}\n\n",
];

/// Events in any order, perhaps with a byte order mark, perhaps cut off.
fn stream() -> impl Strategy<Value = Bytes> {
    let events = proptest::collection::vec(proptest::sample::select(&EVENTS[..]), 0..14);
    (any::<bool>(), events, any::<bool>(), any::<proptest::sample::Index>()).prop_map(
        |(mark, events, cut, at)| {
            let mut stream = if mark { "\u{feff}".to_owned() } else { String::new() }.into_bytes();
            stream.extend(events.concat().bytes());
            if cut {
                stream.truncate(at.index(stream.len() + 1));
            }
            stream.into()
        },
    )
}

fn watch(wanted: Wanted, stream: &Bytes, cuts: &[usize], priced: bool) -> (Vec<u8>, Seen, Ending) {
    let price = |usage: &pointsman_config::usage::Usage| priced.then(|| Nano(usage.total()));
    let mut watch = StreamWatch::new(wanted);
    let mut forwarded = Vec::new();
    let mut at = 0;
    for length in cuts.iter().cycle() {
        if at == stream.len() {
            break;
        }
        let end = stream.len().min(at + length);
        watch.feed(&stream.slice(at..end), price).iter().for_each(|part| forwarded.extend_from_slice(part));
        at = end;
    }
    let (rest, ending) = watch.finish(price);
    rest.iter().for_each(|part| forwarded.extend_from_slice(part));
    (forwarded, watch.seen().clone(), ending)
}
