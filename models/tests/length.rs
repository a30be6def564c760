//! Lengths are those that OpenAI's own tiktoken gives: `fixtures/tiktoken.json`, written by `tools/lengths.py`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pointsman_config::policy::{ScorerKind, TierConfig};
use pointsman_models::length::{Encoding, Ruler};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Said {
    models: BTreeMap<String, Option<String>>,
    conversations: Vec<(Conversation, [u64; 2])>,
    texts: Vec<(String, [u64; 2])>,
}

/// Of each message its role and its content.
type Conversation = Vec<(String, String)>;

fn said() -> Said {
    serde_json::from_str(include_str!("fixtures/tiktoken.json")).expect("the fixture")
}

fn tiers(thresholds: &[u64]) -> Vec<TierConfig> {
    let tier =
        |least: &u64| TierConfig { name: least.to_string(), min_complexity: None, min_tokens: Some(*least) };
    thresholds.iter().map(tier).collect()
}

/// A ruler in the encoding of a model, for tiers with these thresholds.
fn ruler(model: &str, thresholds: &[u64]) -> Ruler {
    Ruler::of(ScorerKind::TokenLength, &tiers(thresholds), [[model, model]]).expect("a tier goes by length")
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
            Some("o200k_base" | "o200k_harmony") => Some(Encoding::O200kBase),
            Some("cl100k_base") => Some(Encoding::Cl100kBase),
            None => None,
            Some(other) => panic!("{other}"),
        };
        assert_eq!(Encoding::of_model(&[&model]), expected, "{model}");
        assert_eq!(Encoding::of_model(&[&format!("openai/{model}")]), expected, "openai/{model}");
    }
}

#[test]
fn candidates_that_differ_are_measured_in_the_usual_encoding() {
    for (models, expected) in [
        (vec!["gpt-4o", "gpt-5-nano"], Encoding::O200kBase),
        (vec!["gpt-4", "gpt-3.5-turbo"], Encoding::Cl100kBase),
        (vec!["gpt-4o", "gpt-4"], Encoding::Cl100kBase),
        (vec!["gpt-4o", "claude-3-5-sonnet-20241022"], Encoding::Cl100kBase),
        (vec!["claude-3-5-sonnet-20241022", "gpt-4o"], Encoding::Cl100kBase),
        (vec![], Encoding::Cl100kBase),
    ] {
        let names = models.iter().map(|model| [*model, *model]);
        assert_eq!(Encoding::of_all(names), expected, "{models:?}");
    }
}

#[test]
fn a_model_is_known_by_our_name_for_it_or_by_its_providers() {
    for names in [["mine", "gpt-4o"], ["gpt-oss-120b", "openai.gpt-oss-120b-1:0"]] {
        let ruler = Ruler::of(ScorerKind::Embedding, &tiers(&[10]), [names]);
        assert_eq!(ruler.map(|ruler| ruler.encoding()), Some(Encoding::O200kBase));
    }
}

#[test]
fn nobody_has_a_ruler_who_never_asks_for_a_length() {
    let hard = TierConfig { name: "hard".to_owned(), min_complexity: Some(0.5), min_tokens: None };
    let long = || tiers(&[10]);
    for (kind, tiers, expected) in [
        (ScorerKind::TokenLength, long(), true),
        (ScorerKind::Embedding, long(), true),
        (ScorerKind::Prior, long(), false),
        (ScorerKind::Embedding, vec![hard], false),
        (ScorerKind::Embedding, vec![], false),
    ] {
        assert_eq!(Ruler::of(kind, &tiers, [["gpt-4o"; 2]]).is_some(), expected, "{kind:?} {tiers:?}");
    }
}

#[test]
fn the_parts_of_a_message_are_counted_apart() {
    // Together they would be "hello", one token.
    let parts: [Cow<'_, str>; 2] = ["hel".into(), "lo".into()];
    assert_eq!(rulers().map(|ruler| ruler.length([("user".into(), parts.clone())])), [9, 9]);
}

#[test]
fn no_token_is_longer_than_we_believe() {
    for encoding in ["cl100k_base", "o200k_base"] {
        let vocabulary = tiktoken::get_encoding(encoding).expect("it is part of the program");
        let tokens = 0..vocabulary.vocab_size() as u32;
        assert_eq!(tokens.map(|token| vocabulary.decode(&[token]).len()).max(), Some(128), "{encoding}");
    }
}

#[test]
fn counting_ends_soon_after_the_highest_threshold() {
    let ruler = ruler("gpt-4", &[100, 200]);
    let prose = "one word after another ".repeat(10_000);
    let told = ruler.length([message("user", &prose)]);
    assert!((200..1200).contains(&told), "{told}");
    // Nobody needs to count a million letters to know that they are 200 tokens and more, nor a long role.
    let letters = "a".repeat(1_000_000);
    assert_eq!(ruler.length([message("user", &letters)]), 200);
    assert_eq!(ruler.length([message(&letters, "hello")]), 200);
}

#[test]
fn a_text_without_a_place_to_cut_is_counted_in_pieces_all_the_same() {
    for stretch in ["a", " ", "-", "\n", "д", "字", "🐍", "0", "ab-9\n"] {
        let text = stretch.repeat(200_000 / stretch.len());
        let pieces = text.len().div_ceil(32 * 1024) as u64;
        for (ruler, encoding) in rulers().iter().zip(["cl100k_base", "o200k_base"]) {
            let whole = tiktoken::get_encoding(encoding).expect("it is part of the program").count(&text);
            let told = ruler.length([message("user", &text)]) - 7;
            let least = whole as u64;
            assert!((least..=least + 2 * pieces).contains(&told), "{stretch:?}: {told}, not {whole}");
        }
    }
}

/// What a text of long stretches may be made of: words, no words, and what tokenizers know best and least.
fn stretches() -> impl Strategy<Value = String> {
    let stretch = prop_oneof![
        Just("the quick brown fox jumps over the lazy dog ".to_owned()),
        Just("a  b\n\n c's d ".to_owned()),
        Just("你好，世界 x ".to_owned()),
        Just("0123456789".to_owned()),
        Just("и что теперь, ".to_owned()),
        Just("x  = {\"y\": 1},\u{a0} ".to_owned()),
        "[a-zA-Z ']{1,12}",
        "\\PC{1,8}",
    ];
    (prop::collection::vec((stretch, 1usize..100), 1..8)).prop_map(|stretches| {
        stretches.iter().map(|(text, times)| text.repeat(*times)).collect::<Vec<_>>().concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Long texts are counted piece by piece: the pieces' tokens are the whole's, as long as a place to cut comes in time.
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
