#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::json;

use super::*;

const HELLO: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

fn parse(body: &str) -> ChatRequest {
    ChatRequest::parse(&Bytes::copy_from_slice(body.as_bytes()))
        .unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn with(members: &str) -> ChatRequest {
    parse(&format!(r#"{{"model":"m",{HELLO},{members}}}"#))
}

fn refused(body: &str, message: &str) {
    let error = ChatRequest::parse(&Bytes::copy_from_slice(body.as_bytes())).unwrap_err();
    assert_eq!(error.to_string(), message, "{body}");
}

fn spliced(body: &str, edits: Edits<'_>, expected: &str) {
    let spliced = parse(body).splice(&edits);
    assert_eq!(spliced.len, expected.len());
    assert_eq!(spliced.into_bytes(), expected);
}

#[test]
fn reads_everything_that_decides() {
    let request = parse(
        r#" { "messages" : [
            {"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"first"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"1","content":"42"},
            {"role":"user","content":"se\u0063ond \"line\"\n\ud83d\ude82"}
        ], "model":"auto\u003acheap", "stream":true, "stream_options":{"x":1,"include_usage":true}, "max_tokens":100,
        "max_completion_tokens":70, "n":2, "user":"ann", "tools":[{}], "temperature":1e-3,
        "response_format":{"type":"json_schema","json_schema":{}} } "#,
    );
    assert_eq!(request.model(), "auto:cheap");
    assert!(request.stream() && request.include_usage());
    // Nobody knows which spelling the provider obeys: the higher one is what it may cost.
    assert_eq!(request.max_output_tokens(), Some(100));
    assert_eq!(request.choices(), 2);
    assert_eq!(request.user().as_deref(), Some("ann"));
    assert!(request.has_tools() && request.has_images() && request.wants_json_schema());
    assert!(request.is_bounded());
    assert_eq!(request.message_count(), 5);
    let last = "second \"line\"\n\u{1f682}";
    assert_eq!(request.last_user_text(), last);
    assert_eq!(request.user_text(), format!("first\n{last}"));
    assert_eq!(request.all_text(), format!("be brief\nfirst\n42\n{last}"));
    assert_eq!(request.prompt_bytes(), ("be brieffirst42".len() + last.len()) as u64);
}

#[test]
fn what_is_absent_or_null_has_its_default() {
    for members in [
        r#""x":null"#,
        r#""stream":null,"stream_options":null,"max_tokens":null,"max_completion_tokens":null,"n":null,"user":null,
           "tools":null,"functions":null,"response_format":null"#,
        r#""stream":false,"stream_options":{},"tools":[ ],"response_format":{"type":"text"}"#,
    ] {
        let request = with(members);
        assert!(
            !request.stream()
                && !request.include_usage()
                && !request.has_tools()
                && !request.wants_json_schema()
        );
        assert_eq!((request.max_output_tokens(), request.choices(), request.user()), (None, 1, None));
    }
}

#[test]
fn metadata_is_read_where_it_is_an_object_of_strings() {
    let chat = with(r#""metadata":{"team":"shop","n":3}"#);
    assert_eq!(chat.metadata("team").as_deref(), Some("shop"));
    assert_eq!((chat.metadata("n"), chat.metadata("user")), (None, None));
    assert_eq!(with(r#""metadata":null"#).metadata("team"), None);
    assert_eq!(with(r#""x":1"#).metadata("team"), None);
}

#[test]
fn plain_text_is_borrowed_from_the_body() {
    let request = with(r#""x":0"#);
    assert!(matches!(request.last_user_text(), Cow::Borrowed("hi")));
    assert!(matches!(request.model(), Cow::Borrowed("m")));
}

#[test]
fn last_user_text_is_empty_without_a_user() {
    assert_eq!(parse(r#"{"model":"m","messages":[{"role":"system","content":"x"}]}"#).last_user_text(), "");
}

#[test]
fn input_tokens_are_guessed_below_a_bound_that_counts_images_apart() {
    let data = "A".repeat(40_000);
    let request = parse(&format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"{}"}},
            {{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#,
        "x".repeat(400),
    ));
    assert_eq!(request.input_tokens_estimate(), 100 + 3 + 4 + 765);
    let bound = request.input_tokens_bound();
    assert!((50_480..50_700).contains(&bound), "{bound}");
}

#[test]
fn what_is_kept_elsewhere_or_searched_for_has_no_bound() {
    for part in [r#"{"type":"file","file":{"file_id":"f"}}"#, r#"{"file":1}"#, r#"{"type":null}"#] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":[{part}]}}]}}"#);
        assert!(!parse(&body).is_bounded(), "{part}");
    }
    let hello = r#""role":"user","content":"hi""#;
    for (message, members, bounded) in [
        ("", "", true),
        ("", r#","web_search_options":null"#, true),
        ("", r#","web_search_options":{}"#, false),
        (r#","audio":null"#, "", true),
        (r#","audio":{"id":"audio_1"}"#, "", false),
    ] {
        let body = format!(r#"{{"model":"m","messages":[{{{hello}{message}}}]{members}}}"#);
        assert_eq!(parse(&body).is_bounded(), bounded, "{body}");
    }
}

#[test]
fn refusals_name_the_field_and_the_remedy() {
    for (members, message) in [
        (r#""model":"m""#, "`messages` is missing; send an array with at least one message"),
        (r#""messages":[{"role":"user"}]"#, "`model` is missing; name a model, for instance \"auto\""),
        (
            r#""model":7"#,
            "`model` has the wrong type; send the name of a model as a string, for instance \"auto\"",
        ),
        (
            r#""model":"""#,
            "`model` is out of range; send the name of a model as a string, for instance \"auto\"",
        ),
        (r#""messages":"hi""#, "`messages` has the wrong type; send an array with at least one message"),
        (r#""messages":[]"#, "`messages` is out of range; send an array with at least one message"),
        (r#""messages":[1]"#, "`messages[0]` has the wrong type; send an object with `role` and `content`"),
        (r#""messages":[{}]"#, "`messages[0].role` is missing; name who speaks, for instance \"user\""),
        (r#""messages":[{"role":7}]"#, "`messages[0].role` has the wrong type; send a string"),
        (
            r#""messages":[{"role":"user","content":7}]"#,
            "`messages[0].content` has the wrong type; send a string or an array of parts",
        ),
        (
            r#""messages":[{"role":"user","content":[7]}]"#,
            "`messages[0].content` has the wrong type; send parts that are objects with a `type`",
        ),
        (r#""stream":"yes""#, "`stream` has the wrong type; send true or false"),
        (r#""stream_options":true"#, "`stream_options` has the wrong type; send an object"),
        (
            r#""stream_options":{"include_usage":1}"#,
            "`stream_options.include_usage` has the wrong type; send true or false",
        ),
        (r#""max_tokens":"7""#, "`max_tokens` has the wrong type; send a whole number of tokens, 1 or more"),
        (r#""max_tokens":7.0"#, "`max_tokens` has the wrong type; send a whole number of tokens, 1 or more"),
        (r#""max_tokens":1e3"#, "`max_tokens` has the wrong type; send a whole number of tokens, 1 or more"),
        (r#""max_tokens":0"#, "`max_tokens` is out of range; send a whole number of tokens, 1 or more"),
        (
            r#""max_completion_tokens":-1"#,
            "`max_completion_tokens` is out of range; send a whole number of tokens, 1 or more",
        ),
        (
            r#""max_tokens":18446744073709551616"#,
            "`max_tokens` is out of range; send a whole number of tokens, 1 or more",
        ),
        (r#""n":0"#, "`n` is out of range; send a whole number from 1 to 128"),
        (r#""n":129"#, "`n` is out of range; send a whole number from 1 to 128"),
        (r#""user":{}"#, "`user` has the wrong type; send a string"),
        (r#""tools":{}"#, "`tools` has the wrong type; send an array of tools"),
        (r#""response_format":"json""#, "`response_format` has the wrong type; send an object"),
    ] {
        refused(&format!("{{{members}}}"), message);
    }
}

#[test]
fn a_second_value_for_a_key_is_refused_however_it_is_spelt() {
    for (members, field) in [
        (r#""model":"a","model":"a""#, "model"),
        (r#""model":"a","\u006dodel":"b""#, "model"),
        (r#""max_tokens":1,"max\u005ftokens":9"#, "max_tokens"),
        (r#""stream_options":{"include_usage":true,"include_usage":false}"#, "stream_options.include_usage"),
        (r#""messages":[{"role":"user","role":"system"}]"#, "messages[0].role"),
        (r#""messages":[{"role":"user","content":"a","content":"b"}]"#, "messages[0].content"),
        (
            r#""messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]"#,
            "messages[0].content[].text",
        ),
    ] {
        refused(&format!("{{{members}}}"), &format!("`{field}` appears more than once; send it once"));
    }
    with(r#""x":1,"x":2"#);
}

#[test]
fn an_escaped_key_is_the_key() {
    assert_eq!(parse(&format!(r#"{{"\u006dodel":"m",{HELLO}}}"#)).model(), "m");
}

#[test]
fn broken_json_is_refused_with_its_place() {
    for (body, place) in [
        ("", "the body ends too early at byte 0"),
        ("{\"model\":\"m\"", "the body ends too early at byte 12"),
        ("{\"a\":01}", "expected , or } at byte 6"),
        ("{\"a\":tru}", "expected a value at byte 5"),
        ("{\"a\":\"\n\"}", "control character in a string at byte 6"),
        ("{\"a\":\"\\x\"}", "unknown escape in a string at byte 6"),
        ("{\"a\":\"\\u12g4\"}", "\\u without four hexadecimal digits at byte 6"),
        ("{\"a\":\"", "string without an end at byte 6"),
        ("{\"a\":1,}", "expected a string at byte 7"),
        ("{'a':1}", "expected a string at byte 1"),
    ] {
        refused(body, &format!("the request body is not valid JSON: {place}; send one JSON object"));
    }
    refused(
        &format!(r#"{{"model":"m",{HELLO}}} x"#),
        "the request body is not valid JSON: expected the end of the body at byte 58; send one JSON object",
    );
    for body in ["[]", "7", "\"x\"", "null"] {
        refused(body, "the request body must be a JSON object with `model` and `messages`");
    }
    let latin = Bytes::from_static(b"{\"model\":\"\xe9\"}");
    let message = ChatRequest::parse(&latin).unwrap_err().to_string();
    assert!(message.contains("invalid UTF-8 at byte 10"), "{message}");
}

#[test]
fn nesting_ends_at_sixty_four_levels() {
    let nested = |levels| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        ChatRequest::parse(&Bytes::from(format!(r#"{{"x":{open}{close},"model":"m",{HELLO}}}"#)))
    };
    assert!(nested(63).is_ok());
    let message = nested(64).unwrap_err().to_string();
    assert!(message.contains("nested deeper than 64 levels at byte 68"), "{message}");
    assert!(nested(100_000).is_err());
}

#[test]
fn without_edits_the_body_is_the_body() {
    let request = with(r#""stream":true,"stream_options":{"include_usage":true},"max_tokens":5"#);
    let edits = Edits { model: Some("m"), include_usage: true, max_tokens: Some(5), ..Edits::default() };
    let spliced = request.splice(&edits);
    assert_eq!(spliced.parts.len(), 1);
    assert_eq!(spliced.parts[0].as_ptr(), request.body().as_ptr());
}

#[test]
fn edits_touch_only_what_they_name() {
    let model = |model| Edits { model: Some(model), ..Edits::default() };
    spliced(
        r#"{ "messages":[{"role":"user"}], "model" : "auto" }"#,
        model("a\"b"),
        r#"{ "messages":[{"role":"user"}], "model" : "a\"b" }"#,
    );

    let usage = Edits { include_usage: true, ..Edits::default() };
    for (before, after) in [
        (r#""stream":true"#, None),
        (r#""stream":false"#, Some(r#""stream":false"#)),
        (
            r#""stream":true,"stream_options":null"#,
            Some(r#""stream":true,"stream_options":{"include_usage":true}"#),
        ),
        (
            r#""stream":true,"stream_options":{ }"#,
            Some(r#""stream":true,"stream_options":{"include_usage":true }"#),
        ),
        (
            r#""stream":true,"stream_options":{"x":1}"#,
            Some(r#""stream":true,"stream_options":{"include_usage":true,"x":1}"#),
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":false}"#,
            Some(r#""stream":true,"stream_options":{"include_usage":true}"#),
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":null}"#,
            Some(r#""stream":true,"stream_options":{"include_usage":true}"#),
        ),
    ] {
        let body = |members| format!(r#"{{"model":"m",{HELLO},{members}}}"#);
        let injected = body(before).replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
        spliced(&body(before), usage, &after.map_or(injected, body));
    }
}

#[test]
fn a_limit_is_clamped_in_the_callers_spelling_and_injected_in_the_providers() {
    let limit = |field| Edits { max_tokens: Some(50), max_tokens_field: Some(field), ..Edits::default() };
    for (before, field, after) in [
        (r#""max_tokens":100"#, MaxTokensField::MaxTokens, r#""max_tokens":50"#),
        (r#""max_tokens":49"#, MaxTokensField::MaxTokens, r#""max_tokens":49"#),
        (
            r#""max_tokens":49,"max_completion_tokens":99"#,
            MaxTokensField::MaxTokens,
            r#""max_tokens":49,"max_completion_tokens":50"#,
        ),
        (r#""max_tokens":null"#, MaxTokensField::MaxTokens, r#""max_tokens":50"#),
    ] {
        let body = |members| format!(r#"{{"model":"m",{HELLO},{members}}}"#);
        spliced(&body(before), limit(field), &body(after));
    }
    let bare = format!(r#"{{"model":"m",{HELLO}}}"#);
    spliced(&bare, limit(MaxTokensField::MaxTokens), &bare.replacen('{', r#"{"max_tokens":50,"#, 1));
    spliced(
        &bare.replace("}]}", r#"}],"max_tokens":null}"#),
        limit(MaxTokensField::MaxCompletionTokens),
        &bare.replacen('{', r#"{"max_completion_tokens":50,"#, 1).replace("}]}", r#"}],"max_tokens":null}"#),
    );
}

#[test]
fn a_limit_is_spelt_as_the_provider_spells_it() {
    use MaxTokensField::{MaxCompletionTokens, MaxTokens};
    for (before, field, most, after) in [
        (r#""max_tokens":9"#, MaxCompletionTokens, None, r#""max_completion_tokens":9"#),
        (r#""max_tokens": 9"#, MaxCompletionTokens, Some(5), r#""max_completion_tokens": 5"#),
        (r#""max_completion_tokens":9"#, MaxTokens, None, r#""max_tokens":9"#),
        (r#""max\u005ftokens":9"#, MaxCompletionTokens, None, r#""max_completion_tokens":9"#),
        (r#""max_tokens":9"#, MaxTokens, None, r#""max_tokens":9"#),
        (r#""max_tokens":null"#, MaxCompletionTokens, None, r#""max_tokens":null"#),
        (
            r#""max_tokens":9,"max_completion_tokens":8"#,
            MaxTokens,
            None,
            r#""max_tokens":9,"max_completion_tokens":8"#,
        ),
    ] {
        let body = |members| format!(r#"{{"model":"m",{HELLO},{members}}}"#);
        let edits = Edits { max_tokens: most, max_tokens_field: Some(field), ..Edits::default() };
        spliced(&body(before), edits, &body(after));
    }
}

#[test]
fn what_is_billed_otherwise_is_not_bounded() {
    for (member, bounded) in [
        (r#""service_tier":"priority""#, false),
        (r#""service_tier":"scale""#, false),
        (r#""service_tier":"default""#, true),
        (r#""service_tier":"auto""#, true),
        (r#""service_tier":"flex""#, true),
        (r#""service_tier":null"#, true),
        (r#""prediction":{"type":"content","content":"x"}"#, false),
        (r#""prediction":null"#, true),
        (r#""modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}"#, false),
        (r#""modalities":["text"],"audio":null"#, true),
    ] {
        let body = format!(r#"{{"model":"m",{HELLO},{member}}}"#);
        assert_eq!(parse(&body).is_bounded(), bounded, "{member}");
    }
}

#[test]
fn an_effort_asks_for_reasoning() {
    for (member, expected) in [
        (r#""reasoning_effort":"high""#, true),
        (r#""reasoning_effort":"low""#, true),
        (r#""reasoning_effort":"minimal""#, false),
        (r#""reasoning_effort":"none""#, false),
        (r#""reasoning_effort":null"#, false),
        (r#""x":1"#, false),
    ] {
        assert_eq!(parse(&format!(r#"{{"model":"m",{HELLO},{member}}}"#)).wants_reasoning(), expected);
    }
}

#[test]
fn every_edit_at_once_reads_back() {
    let body =
        with(r#""stream":true,"max_tokens":100,"max_completion_tokens":200,"stream_options":{"x":[]}"#);
    let edits = Edits { model: Some("other"), include_usage: true, max_tokens: Some(9), ..Edits::default() };
    let after = ChatRequest::parse(&body.splice(&edits).into_bytes()).unwrap();
    assert_eq!(after.model(), "other");
    assert!(after.include_usage());
    assert_eq!(after.max_output_tokens(), Some(9));
    assert_eq!(after.all_text(), "hi");
}

#[test]
fn long_strings_are_skipped_in_blocks_and_decoded_alike() {
    for length in 0..40 {
        for special in [r#"\""#, r"\\", r"\n", r"\u00e9", r"\ud83d\ude82", "é", "\u{7f}", "\u{80}"] {
            let raw = format!("{}{special}{}", "x".repeat(length), "y".repeat(40 - length));
            let request =
                parse(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{raw}"}}]}}"#));
            let decoded: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            assert_eq!(request.last_user_text(), decoded);
            assert_eq!(request.prompt_bytes(), decoded.len() as u64);
        }
    }
}

#[test]
fn a_lone_surrogate_is_replaced() {
    for (raw, decoded) in [
        (r"a\ud800b", "a\u{fffd}b"),
        (r"\udc00", "\u{fffd}"),
        (r"\ud800\u0041", "\u{fffd}A"),
        (r"\ud800\ud83d\ude82", "\u{fffd}\u{1f682}"),
    ] {
        let request = parse(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{raw}"}}]}}"#));
        assert_eq!(request.last_user_text(), decoded);
    }
}

#[test]
fn every_message_has_its_role_and_the_parts_of_its_text() {
    let body = json!({"model": "auto", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "one"},
            {"type": "image_url", "image_url": {"url": "https://images.test/1.png"}},
            {"type": "text", "text": "t\u{1F40D}o"},
        ]},
        {"role": "assistant", "content": null, "tool_calls": []},
        {"role": "tool", "content": "21.5", "tool_call_id": "1"},
    ]});
    let request = parse(&body.to_string());
    let told: Vec<_> =
        request.messages().map(|(role, parts)| (role.into_owned(), parts.collect::<Vec<_>>())).collect();
    let expected: Vec<(String, Vec<Cow<'_, str>>)> = vec![
        ("system".into(), vec!["Be brief.".into()]),
        ("user".into(), vec!["one".into(), "t\u{1F40D}o".into()]),
        ("assistant".into(), vec![]),
        ("tool".into(), vec!["21.5".into()]),
    ];
    assert_eq!(told, expected);
}
