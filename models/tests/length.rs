//! Lengths are those that OpenAI's own tiktoken gives: `fixtures/tiktoken.json`, written by `tools/lengths.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pointsman_config::policy::TierConfig;
use pointsman_models::length::{Encoding, Ruler};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Said {
    models: BTreeMap<String, Option<String>>,
    conversations: Vec<(Vec<(String, String)>, [u64; 2])>,
    texts: Vec<(String, [u64; 2])>,
}

fn said() -> Said {
    serde_json::from_str(include_str!("fixtures/tiktoken.json")).expect("the fixture")
}

/// A ruler in the encoding of a model, for tiers with these thresholds.
fn ruler(model: &str, thresholds: &[u64]) -> Ruler {
    let tier =
        |least: &u64| TierConfig { name: least.to_string(), min_complexity: None, min_tokens: Some(*least) };
    let tiers: Vec<TierConfig> = thresholds.iter().map(tier).collect();
    Ruler::of(&tiers, [model]).expect("a tier goes by length")
}

/// One of each encoding, in the fixture's order, for conversations of any length.
fn rulers() -> [Ruler; 2] {
    ["gpt-4", "gpt-4o"].map(|model| ruler(model, &[u64::MAX]))
}

fn message<'a>(role: &'a str, content: &'a str) -> (Cow<'a, str>, [Cow<'a, str>; 1]) {
    (role.into(), [content.into()])
}

#[test]
fn conversations_are_as_long_as_the_formula_says() {
    for (messages, lengths) in said().conversations {
        let said = || messages.iter().map(|(role, content)| message(role, content));
        assert_eq!(rulers().map(|ruler| ruler.length(said())), lengths, "{messages:?}");
    }
}

#[test]
fn texts_have_as_many_tokens_as_tiktoken_gives_them() {
    let texts = said().texts;
    assert_eq!(texts.len(), 300);
    for (text, tokens) in texts {
        // 2 around all, 4 around the message, 1 for its role.
        let lengths = tokens.map(|tokens| tokens + 7);
        assert_eq!(rulers().map(|ruler| ruler.length([message("user", &text)])), lengths, "{text:?}");
    }
}

#[test]
fn models_have_the_encoding_that_tiktoken_names() {
    for (model, encoding) in said().models {
        let expected = match encoding.as_deref() {
            // Harmony adds special tokens only; nobody's text has any.
            Some("o200k_base" | "o200k_harmony") => "o200k_base",
            Some("cl100k_base") | None => "cl100k_base",
            Some(other) => panic!("{other}"),
        };
        assert_eq!(Encoding::of_model(&model).name(), expected, "{model}");
        assert_eq!(Encoding::of_model(&format!("openai/{model}")).name(), expected, "openai/{model}");
    }
}

#[test]
fn candidates_that_differ_are_measured_in_the_usual_encoding() {
    for (models, expected) in [
        (vec!["gpt-4o", "gpt-5-nano"], Encoding::O200kBase),
        (vec!["gpt-4o", "gpt-4"], Encoding::Cl100kBase),
        (vec!["gpt-4o", "claude-3-5-sonnet-20241022"], Encoding::Cl100kBase),
        (vec![], Encoding::Cl100kBase),
    ] {
        assert_eq!(Encoding::of_all(models.iter().copied()), expected, "{models:?}");
    }
}

#[test]
fn tiers_without_a_length_need_no_ruler() {
    let tier = TierConfig { name: "hard".to_owned(), min_complexity: Some(0.5), min_tokens: None };
    assert!(Ruler::of(&[tier], ["gpt-4o"]).is_none());
}

#[test]
fn the_parts_of_a_message_count_together() {
    let parts: [Cow<'_, str>; 2] = ["hello".into(), " world".into()];
    assert_eq!(rulers().map(|ruler| ruler.length([("user".into(), parts.clone())])), [9, 9]);
}

/// What a text of long stretches may be made of: words, no words, and what tokenizers know best and least.
fn stretches() -> impl Strategy<Value = String> {
    let stretch = prop_oneof![
        Just("the quick brown fox jumps over the lazy dog ".to_owned()),
        Just("a  b\n\n c's d ".to_owned()),
        Just("你好，世界 x ".to_owned()),
        Just("0123456789".to_owned()),
        "[a-zA-Z ']{1,12}",
        "\\PC{1,8}",
    ];
    (prop::collection::vec((stretch, 1usize..200), 1..8)).prop_map(|stretches| {
        stretches.iter().map(|(text, times)| text.repeat(*times)).collect::<Vec<_>>().concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Long texts are counted piece by piece: the pieces' tokens are the whole's.
    #[test]
    fn a_long_text_has_the_tokens_of_its_pieces(text in stretches()) {
        for (ruler, encoding) in rulers().iter().zip(["cl100k_base", "o200k_base"]) {
            let whole = tiktoken::get_encoding(encoding).expect("it is part of the program").count(&text);
            prop_assert_eq!(ruler.length([message("user", &text)]), whole as u64 + 7);
        }
    }

    /// Counting may end early, and never on the wrong side of a threshold.
    #[test]
    fn whoever_stops_early_reaches_the_same_thresholds(
        texts in prop::collection::vec(stretches(), 1..4),
        thresholds in prop::collection::vec(1u64..6000, 1..4),
    ) {
        let messages = || texts.iter().map(|text| message("user", text));
        let whole = ruler("gpt-4", &[u64::MAX]).length(messages());
        let told = ruler("gpt-4", &thresholds).length(messages());
        for least in thresholds {
            prop_assert_eq!(told >= least, whole >= least, "{} of {} at {}", told, whole, least);
        }
    }
}
