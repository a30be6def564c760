#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use pointsman_config::money::{Nano, PricePerMillion, Prices};
use pointsman_config::usage::Usage;
use sha2::{Digest, Sha256};

use super::*;
use crate::provider::{all_provider_defaults, provider_defaults};

const CHECKSUM: &str = include_str!("../../catalogue/catalogue.json.sha256");

fn usd(text: &str) -> PricePerMillion {
    PricePerMillion::parse_usd(text).unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn at_least_150_chat_models_over_12_providers_are_known() {
    let catalogue = Catalogue::parse(SHIPPED).unwrap();
    let providers: BTreeSet<_> = catalogue.models().iter().map(|entry| entry.provider).collect();
    assert!(catalogue.models().len() >= 150, "{} models", catalogue.models().len());
    assert!(providers.len() >= 12, "{providers:?}");
    assert!(catalogue.models().iter().all(|entry| entry.has(Capability::Chat)));
}

#[test]
fn no_value_is_impossible() {
    for entry in Catalogue::shipped().models() {
        let at = format!("{} {}", entry.provider, entry.name);
        let (least, most) = (PricePerMillion(1), usd("1000"));
        assert!((least..=most).contains(&entry.prices.input), "{at}: input price");
        assert!((least..=most).contains(&entry.prices.output), "{at}: output price");
        if let Some(cached) = entry.prices.cached_input {
            assert!(least <= cached && cached <= entry.prices.input, "{at}: cached input price");
        }
        assert!(
            (1_000..=20_000_000).contains(&entry.context_window),
            "{at}: window {}",
            entry.context_window
        );
        assert!((1..=entry.context_window).contains(&entry.max_output_tokens), "{at}: output limit");
        assert!(!entry.is_retired(entry.as_of), "{at}: retired before it was listed");
    }
}

#[test]
fn every_model_stands_once_under_plain_names() {
    let (mut names, mut canonical) = (BTreeSet::new(), BTreeSet::new());
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    for entry in Catalogue::shipped().models() {
        assert!(names.insert(entry.place()), "{:?} stands twice", entry.place());
        assert!(
            canonical.insert((entry.provider, entry.canonical)),
            "{:?} means two models",
            entry.canonical
        );
        assert!(entry.name.chars().all(|c| plain(c) || c == '/' || c == '@'), "{}", entry.name);
        assert!(entry.canonical.chars().all(|c| plain(c) && !c.is_ascii_uppercase()), "{}", entry.canonical);
    }
}

#[test]
fn fine_tunes_and_what_is_no_text_conversation_stay_out() {
    for entry in Catalogue::shipped().models() {
        for word in ["ft:", "audio", "realtime", "search", "embed", "tts", "transcribe", "image", "guard"] {
            assert!(!entry.name.contains(word), "{} {}", entry.provider, entry.name);
        }
    }
}

#[test]
fn every_entry_says_when_and_from_where_it_is() {
    let catalogue = Catalogue::shipped();
    let sources: BTreeMap<_, _> = catalogue.sources().iter().map(|source| (source.id, source)).collect();
    assert_eq!(sources.len(), catalogue.sources().len());
    for source in sources.values() {
        assert_eq!(source.id, format!("{}-{}", source.package, source.version));
        assert!(source.sha256.len() == 64 && source.licence == "MIT" && source.file.ends_with(".json"));
    }
    for entry in catalogue.models() {
        assert_eq!(sources[entry.source].as_of, entry.as_of, "{} {}", entry.provider, entry.name);
    }
    assert_eq!(catalogue.as_of(), day("2026-11-21"));
}

#[test]
fn the_file_is_the_one_that_the_tool_wrote() {
    let sum: String = Sha256::digest(SHIPPED).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(CHECKSUM, format!("{sum}  catalogue.json\n"), "do not edit it: run models/tools/catalogue.py");
}

#[test]
fn well_known_prices_are_those_of_the_source() {
    // Read by hand in the source: provider, model, input, cached input, output, window, output limit.
    for (provider, name, input, cached, output, window, limit) in [
        ("OpenAI", "gpt-4o", "2.5", Some("1.25"), "10", 128_000, 16_384),
        ("OpenAI", "gpt-4o-mini", "0.15", Some("0.075"), "0.6", 128_000, 16_384),
        ("OpenAI", "gpt-5-nano", "0.05", Some("0.005"), "0.4", 272_000, 128_000),
        ("Anthropic", "claude-haiku-4-5", "1", Some("0.1"), "5", 200_000, 64_000),
        ("Gemini", "gemini-2.5-flash", "0.3", Some("0.03"), "2.5", 1_048_576, 65_536),
        ("DashScope", "qwen-plus", "0.4", None, "1.2", 129_024, 16_384),
        ("Groq", "openai/gpt-oss-120b", "0.15", Some("0.075"), "0.6", 131_072, 65_536),
        ("Cohere", "command-r7b-12-2024", "0.0375", None, "0.15", 128_000, 4_096),
        ("Volcengine", "doubao-seed-2-1-lite-260915", "0.115", Some("0.023"), "0.388126", 1_024_000, 256_000),
    ] {
        let entry = Catalogue::shipped().model(provider, name).unwrap_or_else(|| panic!("{provider} {name}"));
        let prices = Prices { input: usd(input), output: usd(output), cached_input: cached.map(usd) };
        assert_eq!(entry.prices, prices, "{name}");
        assert_eq!((entry.context_window, entry.max_output_tokens), (window, limit), "{name}");
    }
}

#[test]
fn where_long_prompts_cost_more_the_window_ends_at_the_higher_price() {
    // The source: 1.25 USD up to 200k input tokens, 2.50 beyond; and 1.2 USD up to 32k, 2.4 beyond.
    for (provider, name, input, window) in
        [("Gemini", "gemini-2.5-pro", "1.25", 200_000), ("DashScope", "qwen3-max", "1.2", 32_000)]
    {
        let entry = Catalogue::shipped().model(provider, name).unwrap();
        assert_eq!((entry.prices.input, entry.context_window), (usd(input), window), "{name}");
    }
}

#[test]
fn a_call_costs_what_its_tokens_cost() {
    let mini = Catalogue::shipped().model("OpenAI", "gpt-4o-mini").unwrap();
    let usage = Usage { input: 1000, output: 100, ..Usage::default() };
    assert_eq!(mini.prices.cost(&usage), Nano(210_000));
}

#[test]
fn models_are_found_by_the_providers_name_and_by_the_canonical_one() {
    let catalogue = Catalogue::shipped();
    for name in ["accounts/fireworks/models/glm-5p3", "glm-5.3"] {
        assert_eq!(catalogue.model("Fireworks", name).unwrap().name, "accounts/fireworks/models/glm-5p3");
    }
    assert_eq!(
        catalogue.model("Bedrock", "claude-haiku-4-5-20251001").unwrap().name,
        "anthropic.claude-haiku-4-5-20251001-v1:0"
    );
    for (provider, name) in [("OpenAI", "gpt-0"), ("OpenAI", ""), ("openai", "gpt-4o"), ("Ollama", "llama3")]
    {
        assert_eq!(catalogue.model(provider, name), None, "{provider} {name}");
    }
    let hosts = ["Groq", "Together", "Bedrock"].map(|host| catalogue.model(host, "gpt-oss-120b").is_some());
    assert_eq!(hosts, [true; 3], "one canonical name means one model wherever it is served");
}

#[test]
fn models_of_a_provider_are_all_of_it_and_nothing_else() {
    let catalogue = Catalogue::shipped();
    for provider in ["Anthropic", "OpenAI", "XAI"] {
        let of = catalogue.models_of(provider);
        assert!(!of.is_empty() && of.iter().all(|entry| entry.provider == provider), "{provider}");
        assert_eq!(of.len(), catalogue.models().iter().filter(|entry| entry.provider == provider).count());
    }
    assert!(catalogue.models_of("Nobody").is_empty());
}

#[test]
fn recommended_models_exist_take_tools_and_get_cheaper() {
    let catalogue = Catalogue::shipped();
    for defaults in
        all_provider_defaults().iter().filter(|d| !catalogue.models_of(d.provider_type).is_empty())
    {
        let provider = defaults.provider_type;
        let recommended = catalogue.recommended(provider);
        assert_eq!(
            recommended.len(),
            recommended::slots(provider).len(),
            "{provider}: a slot without a living model"
        );
        assert!((2..=3).contains(&recommended.len()), "{provider}");
        assert!(recommended.iter().all(|entry| entry.has(Capability::Tools)), "{provider}");
        let prices: Vec<_> = recommended.iter().map(|entry| entry.prices.blended()).collect();
        assert!(prices.windows(2).all(|pair| pair[0] > pair[1]), "{provider}: {prices:?}");
        for name in recommended::slots(provider).iter().copied().flatten() {
            assert!(catalogue.model(provider, name).is_some(), "{provider} {name}");
        }
    }
    assert!(catalogue.recommended("Anthropic").is_empty(), "no way to call it yet");
    assert!(provider_defaults("Anthropic").is_none());
}

#[test]
fn a_retired_recommendation_makes_room_for_its_successor() {
    let names = |today| -> Vec<_> {
        Catalogue::shipped().recommended_on("OpenAI", day(today)).iter().map(|entry| entry.name).collect()
    };
    assert_eq!(names("2026-12-10"), ["gpt-5", "gpt-5-mini", "gpt-5-nano"]);
    assert_eq!(names("2026-12-11"), ["gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna"]);
}

#[test]
fn a_damaged_catalogue_is_refused_with_what_is_wrong() {
    let line = r#"{"provider":"P","name":"NAME","canonical":"c","input":"INPUT","output":"1","contextWindow":9,"maxOutputTokens":9,"capabilities":["Chat"],"source":"s","asOf":"2026-11-21"}"#;
    let with = |name: &str, input: &str| line.replace("NAME", name).replace("INPUT", input);
    let parse = |models: String| {
        let text = format!(r#"{{"sources":[],"models":[{models}]}}"#);
        Catalogue::parse(Box::leak(text.into_boxed_str())).map(|catalogue| catalogue.models.len())
    };
    assert_eq!(parse(format!("{},{}", with("a", "1"), with("b", "2"))).unwrap(), 2);
    for (models, complaint) in [
        (with("a", "-1"), "not a decimal amount"),
        (with("a", "1e3"), "not a decimal amount"),
        (with("a", "1").replace("2026-11-21", "2026-11-31"), "not a date"),
        (with("a", "1").replace("Chat", "Dance"), "unknown variant"),
        (with("a", "1").replace("maxOutputTokens", "max"), "unknown field"),
        (format!("{},{}", with("b", "1"), with("a", "1")), "\"a\" of P is out of order"),
        (format!("{},{}", with("a", "1"), with("a", "1")), "\"a\" of P is out of order"),
    ] {
        let error = parse(models).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}
